#!/usr/bin/env bash
# Tests that take longer than CI may, in rounds that each have a seed. A round that this very tree has passed is not run
# again: its log is in target/test-long/, under the tree's hash. With changes that are not committed nothing is skipped.
#
#   E2L_ROUNDS=5  rounds; each makes 2,000 random edits of a peer's files (tests/tests/tampering.rs)
#   E2L_SEED=1    seed of the first round
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${E2L_ROUNDS:-5}
first=${E2L_SEED:-1}
edits=2000
commit=$(git rev-parse HEAD)
tree=$(git rev-parse 'HEAD^{tree}')
[ -z "$(git status --porcelain)" ] || tree=dirty
logs=${CARGO_TARGET_DIR:-target}/test-long/$tree
mkdir -p "$logs"

made=0
for ((seed = first; seed < first + rounds; seed++)); do
    log=$logs/tampering-$seed.log
    if [ "$tree" != dirty ] && [ -e "$log" ]; then
        echo "test-long: seed $seed has passed on this tree ($log)" >&2
    else
        echo "test-long: commit $commit, tree $tree, seed $seed, edits $edits" >"$log.part"
        if E2L_SEED=$seed E2L_TAMPER_EDITS=$edits cargo test --workspace --locked --test tampering -- --nocapture \
            >>"$log.part" 2>&1; then
            mv "$log.part" "$log"
        else
            tail -n 40 "$log.part" >&2
            echo "test-long: seed $seed failed; E2L_SEED=$seed E2L_ROUNDS=1 make test-long runs it again" >&2
            exit 1
        fi
    fi
    grep '^seed ' "$log"
    made=$((made + edits))
done
echo "test-long: $made edits in $rounds rounds on tree $tree, commit $commit"
