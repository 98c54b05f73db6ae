#!/usr/bin/env bash
# Fuzzes every target of fuzz/ for some seconds each, from the committed corpus, and fails on the first crash.
#
#   scripts/fuzz.sh [SECONDS]   default 10
#
# What it finds on the way stays in fuzz/target, apart for each version of the vectors (what was true on another ledger
# is a lie on this one); new inputs that matter are copied into fuzz/corpus by hand.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

seconds=${1:-10}
version=0.13.2
export CARGO_TARGET_DIR=$PWD/target
# cargo-fuzz passes -Z flags; the toolchain is the one of rust-toolchain.toml.
export RUSTC_BOOTSTRAP=1

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz: installing cargo-fuzz $version" >&2
    CARGO_TARGET_DIR=$PWD/target/install cargo install cargo-fuzz --version "$version" --locked --quiet
fi
cargo fuzz build --sanitizer none --dev >&2
found=target/corpus-$(sha256sum ../docs/format/vectors.json | cut -c 1-12)

for source in fuzz_targets/*.rs; do
    target=$(basename "$source" .rs)
    mkdir -p "$found/$target"
    log=target/$target.log
    if ! cargo fuzz run --sanitizer none --dev "$target" "$found/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -max_len=16384 -timeout=10 >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        echo "fuzz: $target: a crash; the input is in fuzz/artifacts/$target" >&2
        exit 1
    fi
    printf 'fuzz: %-14s %s\n' "$target" "$(grep -o 'Done .*' "$log")"
done
