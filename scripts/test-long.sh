#!/usr/bin/env bash
# Tests that take longer than CI may, in rounds that each have a seed. A round that has passed is not run again: its
# log is in target/test-long/.
#
#   E2L_ROUNDS=5  rounds; each makes 2,000 random edits of a peer's files (tests/tests/tampering.rs)
#   E2L_SEED=1    seed of the first round
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${E2L_ROUNDS:-5}
first=${E2L_SEED:-1}
logs=${CARGO_TARGET_DIR:-target}/test-long
mkdir -p "$logs"

for ((seed = first; seed < first + rounds; seed++)); do
    log=$logs/tampering-$seed.log
    if [ -e "$log" ]; then
        echo "test-long: seed $seed has passed before ($log)" >&2
        continue
    fi
    if E2L_SEED=$seed E2L_TAMPER_EDITS=2000 cargo test --workspace --locked --test tampering -- --nocapture >"$log.part" 2>&1; then
        mv "$log.part" "$log"
        grep '^seed ' "$log"
    else
        tail -n 40 "$log.part" >&2
        echo "test-long: seed $seed failed; E2L_SEED=$seed E2L_ROUNDS=1 make test-long runs it again" >&2
        exit 1
    fi
done
