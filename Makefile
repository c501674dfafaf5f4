.PHONY: build test lint bench cover fuzz vuln

build:
	go build ./cmd/mailtwin

test:
	./scripts/test

lint:
	./scripts/lint

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
