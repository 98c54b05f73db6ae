#!/usr/bin/env bash
# Compiles RocksDB's static library from the sources of the crate librocksdb-sys into DIRECTORY, with the crate's flags
# but a dozen files to a translation unit, which needs a quarter of the processor time: every one of its 340 files reads the same
# headers. The crate links it where ROCKSDB_LIB_DIR names the directory. Without it the crate compiles RocksDB itself.
#
#   scripts/rocksdb.sh DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'rocksdb: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

[ $# -eq 1 ] || fail "name the directory for the library: scripts/rocksdb.sh DIRECTORY"
mkdir -p "$1"
directory=$(cd "$1" && pwd)
per_unit=12

locked() { # version of a crate, as Cargo.lock has it
    sed -n "/^name = \"$1\"\$/{n;s/^version = \"\(.*\)\"/\1/p}" Cargo.lock
}

sources_of() { # directory of a crate's sources
    local pattern="${CARGO_HOME:-$HOME/.cargo}/registry/src/*/$1-$(locked "$1")"
    compgen -G "$pattern" | head -1
}

flags() {
    local machine
    machine=$(uname -m)
    echo -O2 -DNDEBUG -std=c++20 -fPIC -ffunction-sections -fdata-sections -w -include cstdint
    echo -DHAVE_ALIGNED_NEW -DHAVE_UINT128_EXTENSION -DLZ4=1 -DZSTD=1
    echo -DOS_LINUX -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX -DROCKSDB_SCHED_GETCPU_PRESENT
    echo -DROCKSDB_AUXV_GETAUXVAL_PRESENT -DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT
    # As .cargo/config.toml asks of the Rust code (docs/decisions/0018-what-a-processor-must-have.md).
    case $machine in
        x86_64) echo -msse2 -msse4.1 -msse4.2 -mpclmul ;;
        aarch64) echo -march=armv8-a+crc+aes+crypto ;;
    esac
}

[ "$(uname -s)" = Linux ] || fail "this script knows Linux only: let the crate compile RocksDB"
cargo fetch --locked >&2
crate=$(sources_of librocksdb-sys)
lz4=$(sources_of lz4-sys)
zstd=$(sources_of zstd-sys)
for found in "$crate" "$lz4" "$zstd"; do
    [ -d "$found" ] || fail "cargo fetched no sources of librocksdb-sys, lz4-sys or zstd-sys under ${CARGO_HOME:-$HOME/.cargo}/registry"
done

mapfile -t compiler_flags < <(flags | tr ' ' '\n')
compiler_flags+=(-I "$crate/rocksdb/include" -I "$crate/rocksdb" -I "$crate" -I "$lz4/liblz4/lib" -I "$zstd/zstd/lib")
# What the library is made of: the same again is not built again.
stamp=$(printf '%s\n' "$(basename "$crate")" "$(scripts/cxx.sh --version | head -1)" "$per_unit" "${compiler_flags[@]}" | sha256sum | cut -c1-16)
if [ -s "$directory/librocksdb.a" ] && [ "$(cat "$directory/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

work=$(mktemp -d "$directory/units.XXXXXX")
trap 'rm -rf "$work"' EXIT
{
    echo "$crate/build_version.cc"
    grep -v '^ *util/build_version.cc' "$crate/rocksdb_lib_sources.txt" | sed "s|^ *|$crate/rocksdb/|"
} | grep '\.cc$' | awk -v per="$per_unit" -v work="$work" '
    { print "#include \"" $0 "\"" > sprintf("%s/unit%03d.cc", work, int((NR - 1) / per)) }'

units=("$work"/unit*.cc)
say "compiling ${#units[@]} units with $(scripts/cxx.sh --version | head -1)"
# The largest are started by the first free processor; one failure stops all.
printf '%s\0' "${units[@]}" | xargs -0 -P "$(nproc)" -I '{}' scripts/cxx.sh "${compiler_flags[@]}" -c '{}' -o '{}.o' ||
    fail "a unit did not compile: see the compiler's message above"
ar crs "$work/librocksdb.a" "$work"/*.o
mv "$work/librocksdb.a" "$directory/librocksdb.a"
echo "$stamp" >"$directory/stamp"
say "made $directory/librocksdb.a"
