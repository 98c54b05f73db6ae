#!/usr/bin/env bash
# Checks that each heavy dependency is named by one crate of ours only (ARCHITECTURE.md, deny.toml), with cargo
# alone, so that it runs where cargo-deny is not installed.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
only() { # dependency, crate of ours that may name it
    local found
    found=$(cargo tree --workspace --locked --offline -e normal,build -i "$1" --depth 1 --prefix none |
        sed -n 's/^\(e2l-[a-z-]*\) .*/\1/p' | sort -u | grep -vx "$2" || true)
    if [ -n "$found" ]; then
        echo "arrows: $1 may be named by $2 only, and is by: ${found//$'\n'/, }; go through $2" >&2
        status=1
    fi
}

only rocksdb e2l-store
only openraft e2l-consensus
only wasmtime e2l-runtime
only bollard e2l-collector
only spiffe e2l-identity

# The pure core knows nothing of the outside.
for outside in tokio rocksdb rustls openraft wasmtime; do
    if cargo tree -p e2l-ledger --locked --offline -e normal --prefix none | grep -q "^$outside "; then
        echo "arrows: e2l-ledger is pure and depends on $outside" >&2
        status=1
    fi
done
exit "$status"
