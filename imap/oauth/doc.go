// Package oauth gets access tokens for IMAP logins.
//
// A provider of mail lets a *client*, which is a program that was registered there, ask a user for a *grant*. The user
// consents in a browser, and the client is handed a code, which it redeems for two tokens: an access token, which opens
// the mail for about an hour, and a refresh token, which gets the next one. The refresh token is the secret that is kept
// (Store); access tokens never leave the memory of the process.
//
// How a token is used to log in is the business of package imap.
//
// Source: RFC 6749; RFC 7636 (PKCE); RFC 8252 (programs on a desktop); RFC 8628 (machines without a browser).
package oauth
