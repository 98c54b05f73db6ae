# `make demo` runs event2ledger, `make test` tests it. Each brings what it needs.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# rustup's directory, for shells that were open before it was installed.
export PATH := $(PATH):$(HOME)/.cargo/bin
TARGET := $(or $(CARGO_TARGET_DIR),target)

CONTRACT := $(TARGET)/debug/e2l-chaincode-builder chaincode/eventdb -o $(TARGET)/chaincode/eventdb.wasm

.PHONY: help setup build chaincode demo build-tests test test-long fuzz check fmt bench instructions

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building needs (Debian packages, Rust toolchain, WebAssembly target)
	@scripts/setup.sh

build: ## build the programs and the contract (the first time 10 to 20 minutes on two cores)
	cargo build --workspace --bins --locked
	$(CONTRACT)

chaincode: ## build the contract to $(TARGET)/chaincode/eventdb.wasm
	cargo build --workspace --bins --locked
	$(CONTRACT)

demo: setup build ## run three actors' peers and a collector on this machine; Ctrl-C stops them
	E2L_CHAINCODE=$(TARGET)/chaincode/eventdb.wasm $(TARGET)/debug/e2l demo

# Programs and tests at once: tests add features to some libraries, and cargo would build the programs twice.
build-tests: ## build everything that `make test` needs, and install what it needs
	@scripts/setup.sh --tests
	cargo build --workspace --bins --tests --locked
	$(CONTRACT)

test: build-tests ## build and run all tests, on real Docker engines (installs Debian's docker.io where none is)
	@scripts/test.sh

test-long: build-tests ## what takes longer than CI may: E2L_ROUNDS=5 E2L_FUZZ_ROUNDS=10 E2L_FAULT_ROUNDS=20 E2L_SEED=1; goes on where it was stopped
	@scripts/test-long.sh

fuzz: setup ## fuzz every decoder and verifier, E2L_SECONDS=60 each (installs cargo-fuzz where it is missing)
	@scripts/fuzz.sh $(or $(E2L_SECONDS),60)

check: ## format, lints, dependency rules and the tests that take seconds
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path fuzz/Cargo.toml
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny --offline check bans licenses sources; \
	    else echo 'check: cargo-deny is not installed: licenses and sources were not checked (cargo install cargo-deny)'; fi
	@scripts/test.sh --fast

fmt: ## format the code
	cargo fmt --all

instructions: setup ## count the instructions of the apply path (needs valgrind), and compare with what is noted
	@scripts/instructions.sh

bench: setup build ## run the benchmark on this machine: E2L_BENCH='--rate 200', E2L_BENCH=suite
	E2L_CHAINCODE=$(TARGET)/chaincode/eventdb.wasm $(TARGET)/debug/e2l bench $(E2L_BENCH)
