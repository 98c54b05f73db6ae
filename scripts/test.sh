#!/usr/bin/env bash
# Runs every test and says at the end how many passed, failed and were skipped, and what took how long.
#
#   scripts/test.sh           everything
#   scripts/test.sh --fast    without fuzzing and the crate e2l-tests, which starts whole networks and Docker engines
#
# A test that lacks a Docker engine appends one line `test name: reason` to the file $E2L_SKIP_LOG and returns.
# With E2L_REQUIRE_DOCKER=1 a skip is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
log=$target/test.log
export E2L_SKIP_LOG
E2L_SKIP_LOG=$(cd "$target" && pwd)/test-skips.log
: >"$log"
: >"$E2L_SKIP_LOG"

status=0
logged() {
    "$@" 2>&1 | tee -a "$log" || status=1
}
run() { # arguments for cargo test; always of the whole workspace, or cargo builds the engine anew
    logged cargo test --workspace --locked --no-fail-fast "$@"
}

checked() { # name, command: a check that is no cargo test
    local name=$1
    shift
    if "$@" 2>&1 | tee -a "$log"; then
        echo "check: $name passed" >>"$log"
    else
        echo "check: $name FAILED" >>"$log"
        status=1
    fi
}

checked arrows scripts/arrows.sh
E2L_PYTHON=$(scripts/python.sh) || status=1
export E2L_PYTHON
checked format-vectors "${E2L_PYTHON:-python3}" docs/format/check_vectors.py --all
run --exclude e2l-tests
# What verifies proofs also compiles for a browser. Other features than the workspace's: a target directory apart.
logged env CARGO_TARGET_DIR="$target/browser" \
    cargo check --locked --package e2l-ledger --target wasm32-unknown-unknown
if [ "${1:-}" != --fast ]; then
    # Network namespaces and Docker engines of their own need root. Nothing is compiled as root: cargo only
    # starts the finished test programs through sudo.
    if [ "$(id -u)" -ne 0 ] && command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        suites=(--config "target.'cfg(unix)'.runner=['$PWD/scripts/as-root.sh']")
    else
        suites=()
    fi
    runner=${suites[*]}
    for file in tests/tests/*.rs; do
        [ ! -e "$file" ] || suites+=(--test "$(basename "$file" .rs)")
    done
    [ "${suites[*]}" = "$runner" ] || run "${suites[@]}"
    if [ -n "$runner" ]; then
        sudo chown -R --from=root "$(id -u):$(id -g)" "$target"
    fi
    logged env CARGO_TARGET_DIR=fuzz/target cargo test --manifest-path fuzz/Cargo.toml --lib --locked --no-fail-fast
    logged scripts/fuzz.sh 5
fi

# `Running` and `Doc-tests` lines name a suite, `test result:` closes it; a suite that dies has no result.
awk -v skips="$(wc -l <"$E2L_SKIP_LOG")" '
    function close_suite() {
        if (suite != "") { failed++; line[++suites] = sprintf("%-58s %s", suite, "DIED, see its output") }
        suite = ""
    }
    /^ +Running / { close_suite(); suite = $2 == "unittests" ? $4 : $NF; sub(/^\(/, "", suite); sub(/\)$/, "", suite)
                    sub(/.*\//, "", suite); sub(/-[0-9a-f]+$/, "", suite); if ($2 == "unittests") suite = suite " (" $3 ")" }
    /^ +Doc-tests / { close_suite(); suite = $2 " (documentation)" }
    /^test result: / {
        passed += $4; failed += $6
        if ($4 + $6 + $8 > 0)
            line[++suites] = sprintf("%-58s %5d passed %3d failed  %9s", suite, $4, $6, $NF)
        suite = ""
    }
    /^error: could not compile/ { failed++; line[++suites] = $0 }
    /^check: / { line[++suites] = sprintf("%-58s %s", $2, $3); $3 == "passed" ? passed++ : failed++ }
    /^fuzz: [a-z_]+: a crash/ { failed++; line[++suites] = $0 }
    /^fuzz: [a-z_]+ +Done / { passed++; line[++suites] = sprintf("%-58s %s runs in %s s", "fuzz " $2, $4, $7) }
    END {
        close_suite()
        print "\nSuites:"
        for (i = 1; i <= suites; i++) print "  " line[i]
        printf "\n%d passed, %d failed, %d skipped\n", passed - skips, failed, skips
    }
' "$log" >"$target/test-summary.txt"

sed '$d' "$target/test-summary.txt"
sed 's/^/SKIPPED: /' "$E2L_SKIP_LOG"
tail -n 1 "$target/test-summary.txt"

if [ "${E2L_REQUIRE_DOCKER:-0}" = 1 ] && [ -s "$E2L_SKIP_LOG" ]; then
    echo "E2L_REQUIRE_DOCKER=1: a skipped test is a failure" >&2
    status=1
fi
exit "$status"
