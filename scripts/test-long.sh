#!/usr/bin/env bash
# Tests that take longer than CI may, in runs that each have a seed. A run that this very tree has passed is not made
# again: its log is in target/test-long/, under the tree's hash. With changes that are not committed nothing is skipped.
#
#   E2L_ROUNDS=5           runs of 2,000 random edits of a peer's files (tests/tests/tampering.rs)
#   E2L_FAULT_ROUNDS=1000  rounds of faults around a collector, 50 to a run (tests/tests/collector_faults.rs)
#   E2L_SEED=1             seed of the first run
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${E2L_ROUNDS:-5}
fault_rounds=${E2L_FAULT_ROUNDS:-1000}
first=${E2L_SEED:-1}
edits=2000
faults=50
commit=$(git rev-parse HEAD)
tree=$(git rev-parse 'HEAD^{tree}')
[ -z "$(git status --porcelain)" ] || tree=dirty
logs=${CARGO_TARGET_DIR:-target}/test-long/$tree
mkdir -p "$logs"

# Without a Docker engine the fault rounds would be skipped and look passed.
export E2L_REQUIRE_DOCKER=1

made() { # suite, seed, setting: one run of a suite, unless this tree has passed it
    local suite=$1 seed=$2 setting=$3 log=$logs/$1-$2.log
    if [ "$tree" != dirty ] && [ -e "$log" ]; then
        echo "test-long: $suite, seed $seed has passed on this tree ($log)" >&2
    else
        echo "test-long: commit $commit, tree $tree, suite $suite, seed $seed, $setting" >"$log.part"
        if env "E2L_SEED=$seed" "$setting" cargo test --workspace --locked --test "$suite" -- --nocapture \
            >>"$log.part" 2>&1; then
            mv "$log.part" "$log"
        else
            tail -n 40 "$log.part" >&2
            echo "test-long: $suite, seed $seed failed; this runs it again:" >&2
            echo "    E2L_SEED=$seed $setting cargo test --workspace --test $suite -- --nocapture" >&2
            exit 1
        fi
    fi
    grep '^seed [0-9]*: ' "$log"
}

for ((seed = first; seed < first + rounds; seed++)); do
    made tampering "$seed" "E2L_TAMPER_EDITS=$edits"
done
fault_runs=$(((fault_rounds + faults - 1) / faults))
for ((seed = first; seed < first + fault_runs; seed++)); do
    made collector_faults "$seed" "E2L_ROUNDS=$faults"
done
echo "test-long: $((rounds * edits)) edits in $rounds runs, $((fault_runs * faults)) fault rounds in $fault_runs runs," \
    "on tree $tree, commit $commit"
