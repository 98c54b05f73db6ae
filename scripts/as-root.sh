#!/usr/bin/env bash
# Runs a test program as root with the variables that tests read. scripts/test.sh sets it as cargo's runner.
set -euo pipefail
keep=()
for name in $(compgen -e); do
    case $name in
        PATH | HOME | TMPDIR | LD_LIBRARY_PATH | DOCKER_HOST | RUST* | E2L_* | \
            CARGO | CARGO_HOME | CARGO_MANIFEST* | CARGO_PKG* | CARGO_BIN* | CARGO_TARGET*) keep+=("$name=${!name}") ;;
    esac
done
exec sudo env "${keep[@]}" "$@"
