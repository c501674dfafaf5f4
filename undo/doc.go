// Package undo takes back what a run of a sync took away or altered. It does in the Maildir what its owner would do: it puts
// files back, moves them back, sets flags back. An ordinary sync then carries that to the server.
//
// Terms:
//
//   - A change is what the history has of one message or mailbox, see mailbox.Change.
//   - A plan is what there is to do. It is made from the history, the ledger and the Maildir as they are now: what is as it was
//     before the run already needs nothing, and what was changed again since is left alone. So a plan may be carried out in
//     part, and made anew.
//   - A recall moves messages back from a Trash of the server that the Maildir does not have.
//
// Near and far are the sides of the sync: the Maildir and the server.
package undo
