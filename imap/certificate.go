package imap

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Fingerprint names one certificate: SHA-256 over its DER form.
type Fingerprint [sha256.Size]byte

func (f Fingerprint) String() string { return fingerprintPrefix + hex.EncodeToString(f[:]) }

const fingerprintPrefix = "sha256:"

// ParseFingerprint reads what String writes, and also hexadecimal digits with colons, as openssl prints them.
func ParseFingerprint(text string) (f Fingerprint, err error) {
	digits, ok := strings.CutPrefix(strings.ToLower(text), fingerprintPrefix)
	raw, err := hex.DecodeString(strings.ReplaceAll(digits, ":", ""))
	if !ok || err != nil || len(raw) != len(f) {
		return f, fmt.Errorf("%q is not sha256: and 64 hexadecimal digits", text)
	}
	copy(f[:], raw)
	return f, nil
}

// A CertificateError says that a server's certificate is not to be trusted, and which it is. It is a kind of ErrTLS.
type CertificateError struct {
	Certificate *x509.Certificate
	Reason      string // for people, with what to do
	Err         error
}

// Fingerprint is what tls_fingerprint would have to name for this certificate to be accepted.
func (e *CertificateError) Fingerprint() Fingerprint {
	return sha256.Sum256(e.Certificate.Raw)
}

func (e *CertificateError) Error() string {
	return fmt.Sprintf("%v: %s (%v)", ErrTLS, e.Reason, e.Err)
}

// Unwrap returns ErrTLS and what was found wrong.
func (e *CertificateError) Unwrap() []error { return []error{ErrTLS, e.Err} }

var errOtherCertificate = errors.New("tls_fingerprint does not name it")

// pinned returns a check that a certificate is one of those that were named, whatever its names, dates and authority.
// It is made on each connection, also on one that resumes a session.
func pinned(allowed []Fingerprint) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errOtherCertificate
		}
		leaf := state.PeerCertificates[0]
		if slices.Contains(allowed, Fingerprint(sha256.Sum256(leaf.Raw))) {
			return nil
		}
		return &CertificateError{Certificate: leaf, Reason: "the server shows another certificate than the one that was named", Err: errOtherCertificate}
	}
}

// explainCertificate says what is wrong with a certificate; nil if that is not what a handshake failed for.
func explainCertificate(err error) error {
	var pin *CertificateError
	if errors.As(err, &pin) {
		return pin
	}
	var verification *tls.CertificateVerificationError
	if !errors.As(err, &verification) || len(verification.UnverifiedCertificates) == 0 {
		return nil
	}
	e := &CertificateError{Certificate: verification.UnverifiedCertificates[0], Err: verification.Err}
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &host):
		e.Reason = "the certificate is for another host; check host"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		e.Reason = "the certificate has expired or is not valid yet; check the clock, then tell the server's owner"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		e.Reason = "the certificate is signed by an authority that is not known here; name its file with tls_ca if it is yours"
	default:
		e.Reason = "the certificate is not valid"
	}
	return e
}
