#!/usr/bin/env bash
# Counts the instructions of the apply path, from a proposal's bytes to the durable block, under callgrind: a regression
# shows however noisy the machine is. Compares with what is noted and fails when one is dearer by more than 3 in 100.
#
#   scripts/instructions.sh           counts and compares
#   scripts/instructions.sh --bless   notes what it counted
#
# The counts are this processor's: code for other instruction sets (AVX2 in BLAKE3) has others.
set -euo pipefail
cd "$(dirname "$0")/.."

noted=host/execution/benches/instructions.txt
limit=103
target=${CARGO_TARGET_DIR:-target}

command -v valgrind >/dev/null ||
    { echo 'instructions: valgrind is missing: apt-get install valgrind' >&2; exit 1; }
program=$(cargo build --workspace --locked --bench apply_path --message-format=json |
    sed -n 's/.*"name":"apply_path".*"executable":"\([^"]*\)".*/\1/p')
[ -x "$program" ] || { echo 'instructions: the benchmark was not built' >&2; exit 1; }

count() { # blocks, events in each: instructions for one event
    local log=$target/callgrind-$2.log
    valgrind --tool=callgrind --callgrind-out-file="$target/callgrind-$2.out" --collect-atstart=no \
        --toggle-collect='apply_path::counted' --toggle-collect='*10apply_path7counted' \
        "$program" "$1" "$2" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
    local collected
    collected=$(sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p' "$log")
    [ "${collected:-0}" -gt 0 ] || { echo "instructions: nothing was counted, see $log" >&2; exit 1; }
    echo $((collected / $1 / $2))
}

status=0
new=''
while read -r events blocks; do
    found=$(count "$blocks" "$events")
    new+="$events $found"$'\n'
    known=$(sed -n "s/^$events \([0-9]*\)$/\1/p" "$noted" 2>/dev/null || true)
    echo "instructions per event, $events in a block: $found (noted: ${known:-nothing})"
    if [ -n "$known" ] && [ $((found * 100)) -gt $((known * limit)) ]; then
        echo "instructions: dearer by more than 3 in 100" >&2
        status=1
    fi
done <<<$'1 40\n1000 10'

if [ "${1:-}" = --bless ]; then
    { echo '# Events in a block, instructions for each. Written by scripts/instructions.sh --bless.'; printf '%s' "$new"; } >"$noted"
    exit 0
fi
exit $status
