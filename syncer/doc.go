// Package syncer is the engine: it makes two replicas of a mail account agree.
//
// Terms: a Replica is one side. far is the server, or the source; near is the Maildir, or the destination. last is
// what both sides agreed on when they last met, and lives in a Ledger. A run scans both sides for what changed since
// last, plans (plan.go, a pure function), passes the brake, applies, and records every step once it is durable.
//
// The engine knows neither files nor sockets: replicas and ledger are interfaces that it owns, and cmd introduces
// them to each other.
//
// What holds whatever happens: copies come before removals, effects before their record, and every action may be
// repeated without harm. A run that dies at any point leaves too many copies rather than too few, and the next run
// recognises them by content.
package syncer
