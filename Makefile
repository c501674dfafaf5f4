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

# Every fuzz target for a while. What one finds becomes a seed in its package's testdata/fuzz: commit it with the fix.
FUZZTIME ?= 2m
fuzz:
	@for package in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "$$package $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
	  done; \
	done

# Needs the network, for the list of known holes.
vuln:
	go run golang.org/x/vuln/cmd/govulncheck@latest ./...
