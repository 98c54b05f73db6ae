#!/usr/bin/env bash
# Tests that take longer than CI may, in rounds that each have a seed. A round that this very tree has passed is not run
# again: its log is in target/test-long/, under the tree's hash. With changes that are not committed nothing is skipped.
#
#   E2L_ROUNDS=5        rounds of 2,000 random edits of a peer's files (tests/tests/tampering.rs)
#   E2L_FUZZ_ROUNDS=10  rounds of 100,000 components that go through admission (host/runtime/tests/fuzzed_admission.rs)
#   E2L_FAULT_ROUNDS=20 rounds of 50 faults around a collector of a real engine (tests/tests/collector_faults.rs)
#   E2L_SEED=1          seed of the first round of each
#   E2L_JOBS=4          rounds of faults at once: they mostly wait. The other suites use all processors by themselves
set -euo pipefail
cd "$(dirname "$0")/.."

first=${E2L_SEED:-1}
# Without a Docker engine the faults would be skipped and look passed.
export E2L_REQUIRE_DOCKER=1
commit=$(git rev-parse HEAD)
tree=$(git rev-parse 'HEAD^{tree}')
[ -z "$(git status --porcelain)" ] || tree=dirty
logs=${CARGO_TARGET_DIR:-target}/test-long/$tree
mkdir -p "$logs"

# As in test.sh: engines of their own need root, and nothing is compiled as root.
runner=()
if [ "$(id -u)" -ne 0 ] && command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    runner=(--config "target.'cfg(unix)'.runner=['$PWD/scripts/as-root.sh']")
fi

round() { # suite, seed, variable that sets the size of a round, size, what is counted, variable of the rounds
    local suite=$1 seed=$2 variable=$3 size=$4 what=$5 of_rounds=$6 log=$logs/$1-$2.log
    if [ "$tree" != dirty ] && [ -e "$log" ]; then
        echo "test-long: $suite, seed $seed has passed on this tree ($log)" >&2
    else
        echo "test-long: commit $commit, tree $tree, seed $seed, $what $size" >"$log.part"
        if env E2L_SEED="$seed" "$variable=$size" cargo test --workspace --locked "${runner[@]}" --test "$suite" -- --nocapture \
            >>"$log.part" 2>&1; then
            mv "$log.part" "$log"
        else
            tail -n 40 "$log.part" >&2
            echo "test-long: $suite, seed $seed failed; E2L_SEED=$seed $of_rounds=1 make test-long runs it again" >&2
            return 1
        fi
    fi
    grep '^seed ' "$log" | grep -v ', round '
}

rounds() { # how many at once, number of rounds, then as round() but for the seed
    local jobs=$1 rounds=$2 suite=$3 seed running=0 status=0
    shift 3
    for ((seed = first; seed < first + rounds; seed++)); do
        if [ "$running" -ge "$jobs" ]; then
            wait -n || status=1
            running=$((running - 1))
        fi
        [ "$status" -eq 0 ] || break
        round "$suite" "$seed" "$@" &
        running=$((running + 1))
    done
    while [ "$running" -gt 0 ]; do
        wait -n || status=1
        running=$((running - 1))
    done
    [ "$status" -eq 0 ] || exit 1
    echo "test-long: $((rounds * $2)) $3 in $rounds rounds on tree $tree, commit $commit"
}

rounds 1 "${E2L_ROUNDS:-5}" tampering E2L_TAMPER_EDITS 2000 edits E2L_ROUNDS
rounds 1 "${E2L_FUZZ_ROUNDS:-10}" fuzzed_admission E2L_FUZZ_CASES 100000 components E2L_FUZZ_ROUNDS
rounds "${E2L_JOBS:-4}" "${E2L_FAULT_ROUNDS:-20}" collector_faults E2L_ROUNDS 50 faults E2L_FAULT_ROUNDS
