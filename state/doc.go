// Package state keeps the ledger: what both sides of a pair last agreed on, and what is under way. It is one bbolt file
// for each pair of replicas.
//
// Layout of the file, schema 3. Integers are big endian where order matters and varints elsewhere.
//
//	meta       "schema" -> uint32, "id" -> 16 random bytes, "setting:NAME" -> text the pair was made with
//	names      mailbox name -> 4 bytes: the number of the mailbox
//	mailboxes  number -> record of the mailbox: cursors, identities, counters
//	pairs      number -> bucket: key of the pair -> record of the pair
//	hints      8 bytes hint, number, key of the pair -> nothing
//	intents    number, near ID -> record of the intent
//	journal    what the last runs came to, what is left behind, and the removals of a day
//	changes    number of a run -> bucket: number of a change -> record of what the run took away or altered
//
// A pair's key is its far ID: 1 and 4 bytes for a UID, so that they lie in numeric order, 2 and the text for any other
// ID; a pair with no far ID has 3 and its near ID. Records are compact because an account may have millions of messages.
// They begin with a version, so that later releases can add to them, and end with a checksum of key and record. Times
// are to the second, and UTC.
//
// One process at a time has the file: a lock file beside it names who. The lock of a network file system may hold on one
// computer only, so that the ledger has to lie on a local disk.
//
// bbolt trusts its file. Open therefore looks at all its pages first, which takes some 50 ms for a million messages, and
// every panic becomes ErrDamaged, and so does, when it is read, a record whose checksum is wrong and a key out of order.
// The file never shrinks; room that was given up is used again. It cannot be moved to a computer of another byte order.
package state
