# golangci-lint is built from its module, so that nothing has to be installed by hand.
LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: build test lint bench cover fuzz vuln

build:
	go build ./cmd/mailtwin

test:
	./scripts/test

lint:
	$(LINT) run ./...

# The benchmarks print what they count; compare two runs with benchstat.
bench:
	go test -run '^$$' -bench . -benchmem ./...

cover:
	go test -coverprofile=coverage.out ./...
	go tool cover -func=coverage.out | tail -1

fuzz:
	go test -run '^$$' -fuzz FuzzResponse -fuzztime 2m ./imap/wire

# Needs the network, for the list of known holes.
vuln:
	go run golang.org/x/vuln/cmd/govulncheck@latest ./...
