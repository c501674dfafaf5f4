package main

import (
	"context"

	"mailtwin/imap"
	"mailtwin/imap/gmail"
	"mailtwin/mailbox"
	"mailtwin/maildir"
	"mailtwin/state"
	"mailtwin/syncer"
	"mailtwin/undo"
)

// The sides know nothing of the engine, so their batches are of their own types.

type farSide struct{ *imap.Account }

// Append opens a batch.
func (f farSide) Append(ctx context.Context, name mailbox.Name) (syncer.Batch, error) {
	return f.Account.Append(ctx, name)
}

type gmailSide struct{ *gmail.Account }

// Append opens a batch.
func (g gmailSide) Append(ctx context.Context, name mailbox.Name) (syncer.Batch, error) {
	return g.Account.Append(ctx, name)
}

type nearSide struct{ *maildir.Tree }

// Append opens a batch.
func (n nearSide) Append(ctx context.Context, name mailbox.Name) (syncer.Batch, error) {
	return n.Tree.Append(ctx, name)
}

// Delete removes a mailbox. A Maildir keeps nothing that was removed.
func (n nearSide) Delete(ctx context.Context, name mailbox.Name, _ []mailbox.ID) error {
	return n.Tree.Delete(ctx, name)
}

var (
	_ syncer.Namer     = farSide{}
	_ syncer.Namer     = gmailSide{}
	_ syncer.Recaller  = farSide{}
	_ syncer.Recaller  = gmailSide{}
	_ syncer.Inspector = farSide{}
	_ syncer.Inspector = gmailSide{}
	_ syncer.Inspector = nearSide{}
	_ syncer.Mender    = nearSide{}
	_ syncer.Pretender = nearSide{}

	_ syncer.Replica = farSide{}
	_ syncer.Mover   = farSide{}
	_ syncer.Pool    = farSide{}
	_ syncer.Replica = gmailSide{}
	_ syncer.Mover   = gmailSide{}
	_ syncer.Pool    = gmailSide{}
	_ syncer.Labeler = gmailSide{}
	_ syncer.Replica = nearSide{}
	_ syncer.Mover   = nearSide{}
	_ syncer.Ledger  = (*state.DB)(nil)
	_ undo.Ledger    = (*state.DB)(nil)
	_ undo.Maildir   = (*maildir.Tree)(nil)
	_ undo.Server    = (*imap.Account)(nil)
	_ undo.Server    = (*gmail.Account)(nil)
	_ undo.Binner    = (*gmail.Account)(nil)
)
