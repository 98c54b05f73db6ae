#!/usr/bin/env bash
# Brings what building event2ledger needs, and with --tests what its tests need: Debian packages, the Rust
# toolchain and the WebAssembly target. Says what it installs and why; changes nothing that is there.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

with_tests=no
case "${1:-}" in
    '') ;;
    --tests) with_tests=yes ;;
    *) fail "unknown argument \`$1\`: use scripts/setup.sh [--tests]" ;;
esac

if [ "$(uname -m)" = x86_64 ] && ! grep -qw sse4_2 /proc/cpuinfo; then
    fail "this processor lacks SSE 4.2, for which the programs are built: see docs/decisions/0018-what-a-processor-must-have.md"
fi

# --- What is missing ----------------------------------------------------------------------------------------

packages=()
need() { # package, reason
    packages+=("$1")
    say "missing: $1 ($2)"
}

has_any() { # whether a file matches one of the patterns
    compgen -G "$1" >/dev/null || { [ $# -gt 1 ] && shift && has_any "$@"; }
}

has_libclang() {
    { [ -n "${LIBCLANG_PATH:-}" ] || has_any '/usr/lib/llvm-*/lib/libclang*.so*' '/usr/lib/*/libclang*.so*' \
        '/usr/lib/libclang*.so*' '/usr/lib64/libclang*.so*'; } &&
        { [ -n "${LIBCLANG_PATH:-}" ] || has_any '/usr/lib/llvm-*/lib/clang/*/include/stddef.h' \
            '/usr/lib/clang/*/include/stddef.h' '/usr/lib64/clang/*/include/stddef.h'; }
}

can_make_venv() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

# A path, not a command: /usr/sbin is not in the path of every user, and the tests look there too.
has_tool() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }

is_static_busybox() {
    local path
    path=$(command -v busybox) || return 1
    ! ldd "$path" >/dev/null 2>&1
}

engine_answers() { # as this user, on the socket that the tests use
    has_tool docker && timeout 10 docker info >/dev/null 2>&1
}

as_root=()
can_be_root() {
    [ "$(id -u)" -eq 0 ] && return 0
    command -v sudo >/dev/null || return 1
    as_root=(sudo)
    # Without a terminal sudo can only work where it asks for no password.
    [ -t 0 ] || sudo -n true 2>/dev/null
}

find_missing() {
    has_tool cc && has_tool c++ || need build-essential "C and C++ compiler: RocksDB, compression, cryptography"
    has_tool clang++ || need clang "compiles RocksDB in two thirds of g++'s time"
    has_libclang || need libclang-dev "generates the Rust bindings of RocksDB"
    has_tool pkg-config || need pkg-config "finds system libraries during the build"
    [ "$with_tests" = yes ] || return 0
    has_tool python3 || need python3 "second implementation of the formats"
    can_make_venv || need python3-venv "blake3 and cryptography from PyPI for it (scripts/python.sh)"
    has_tool ip || need iproute2 "network namespaces of the Swarm test"
    has_tool iptables || need iptables "Docker engines of the Swarm test"
    is_static_busybox || need busybox-static "image of the test containers; no registry is used"
    has_tool podman || need podman "the collector's tests read it"
    { has_tool containerd && has_tool ctr; } || need containerd "the collector's tests read it"
    has_tool runc || need runc "runs the containers of podman and containerd"
    { has_tool docker && has_tool dockerd; } || engine_answers || need docker.io "the tests run against real Docker engines"
}

# --- Debian packages ----------------------------------------------------------------------------------------

install_packages() {
    [ ${#packages[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null ||
        fail "this is not a Debian system: install the equivalents of: ${packages[*]}; then run again"
    can_be_root ||
        fail "neither root nor sudo: have an administrator run: apt-get install ${packages[*]}; then run again"
    say "installing Debian packages: ${packages[*]}"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-install-recommends)
    "${apt[@]}" update >&2 || say "apt-get update failed; trying with the package lists that are there"
    # From Debian 13 on the client is a package of its own, which docker.io only recommends.
    if [[ " ${packages[*]} " == *" docker.io "* ]] && apt-cache show docker-cli >/dev/null 2>&1; then
        packages+=(docker-cli)
    fi
    "${apt[@]}" install "${packages[@]}" >&2 ||
        fail "apt-get could not install ${packages[*]}: see its message above; check network and sources"
}

# --- Docker engine ------------------------------------------------------------------------------------------

start_engine() {
    [ "$with_tests" = yes ] || return 0
    engine_answers && return 0
    if ! can_be_root; then
        say "no Docker engine answers, and there is neither root nor sudo to start one:"
        say "the tests that need one will be skipped, and counted as skipped"
        return 0
    fi
    if ! "${as_root[@]}" timeout 10 docker info >/dev/null 2>&1; then
        say "starting the Docker engine"
        if [ -d /run/systemd/system ]; then
            "${as_root[@]}" systemctl start docker >&2 || true
        else
            "${as_root[@]}" service docker start >&2 || true
        fi
        wait_for_engine
    fi
    engine_answers && return 0
    if "${as_root[@]}" timeout 10 docker info >/dev/null 2>&1; then
        say "the Docker engine answers to root only: scripts/test.sh runs the engine suites through sudo"
    else
        say "the Docker engine does not start (see /var/log/docker.log or journalctl -u docker):"
        say "the tests that need the machine's engine will be skipped, and counted as skipped"
    fi
}

wait_for_engine() {
    for _ in $(seq 60); do
        "${as_root[@]}" timeout 10 docker info >/dev/null 2>&1 && return 0
        sleep 0.5
    done
}

# --- Rust ---------------------------------------------------------------------------------------------------

check_rust() {
    # rustup writes this file; a shell that was open before does not know of it.
    if ! command -v cargo >/dev/null && [ -f "$HOME/.cargo/env" ]; then
        # shellcheck disable=SC1091
        . "$HOME/.cargo/env"
    fi
    command -v cargo >/dev/null ||
        fail "cargo is missing: install Rust with rustup (https://rustup.rs), open a new shell, run again"
    local channel target sysroot
    channel=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' rust-toolchain.toml)
    target=$(sed -n 's/^targets *= *\["\(.*\)"\]/\1/p' rust-toolchain.toml)
    if command -v rustup >/dev/null; then
        if ! sysroot=$(RUSTUP_AUTO_INSTALL=0 rustc --print sysroot 2>/dev/null); then
            say "installing the Rust toolchain $channel with rustfmt, clippy and $target (rust-toolchain.toml)"
            rustup toolchain install "$channel" --profile minimal -c rustfmt -c clippy -t "$target" >&2 ||
                fail "rustup could not install $channel: see its message above; check the network"
            sysroot=$(rustc --print sysroot)
        fi
        if [ ! -d "$sysroot/lib/rustlib/$target/lib" ]; then
            say "installing the Rust target $target: contracts are compiled for it"
            rustup target add --toolchain "$channel" "$target" >&2 ||
                fail "rustup could not install $target: see its message above; check the network"
        fi
        return 0
    fi
    sysroot=$(rustc --print sysroot)
    [[ "$(rustc --version)" == "rustc $channel"* ]] ||
        say "this is $(rustc --version), the project is built with $channel: contract digests may differ"
    [ -d "$sysroot/lib/rustlib/$target/lib" ] ||
        fail "this Rust lacks the target $target: install Rust with rustup (https://rustup.rs), run again"
}

find_missing
install_packages
start_engine
check_rust
say "everything is there"
