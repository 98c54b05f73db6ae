#!/bin/sh
# The C++ compiler of RocksDB (.cargo/config.toml names this file): clang++ where there is one, because it needs a third
# less time than g++; else the machine's own.
#
# RocksDB's files are compiled a dozen at a time. Each reads the same headers, and they are most of the work: all 340
# need a quarter of the processor time then (docs/decisions/0002-one-profile.md). The crate librocksdb-sys asks for one
# file after another, in its directory, with its own flags: the first of a dozen stands for all, the others are empty.
# E2L_CXX_TOGETHER=1 compiles each by itself.
set -eu

together=${E2L_CXX_TOGETHER:-12}

if command -v clang++ >/dev/null 2>&1; then
    compiler=clang++
else
    compiler=c++
fi

source='' object='' previous=''
for argument; do
    case $argument in rocksdb/*.cc) source=$argument ;; esac
    [ "$previous" != -o ] || object=$argument
    previous=$argument
done

# What stands for the file: nothing for one that is not RocksDB's, `empty`, or the files that are compiled with it.
members=''
if [ -n "$source" ] && [ -n "$object" ] && [ -r rocksdb_lib_sources.txt ]; then
    members=$(awk -v together="$together" -v wanted="$source" '
        { sub(/^[ \t]+/, ""); sub(/[ \t\r]+$/, "") }
        # The crate has one of its own.
        $0 == "" || $0 == "util/build_version.cc" { next }
        { place[count] = "rocksdb/" $0; if (place[count] == wanted) { found = 1; at = count }; count++ }
        END {
            if (!found) exit
            if (at % together) { print "empty"; exit }
            for (i = at; i < at + together && i < count; i++) print place[i]
        }
    ' count=0 rocksdb_lib_sources.txt)
fi

case $members in
    '') exec "$compiler" "$@" ;;
    empty) unit=/dev/null ;;
    *)
        unit=$object.together.cc
        for member in $members; do
            printf '#include "%s/%s"\n' "$PWD" "$member"
        done >"$unit"
        ;;
esac

for argument; do
    shift
    [ "$argument" != "$source" ] || argument=$unit
    [ "$argument" != -c ] || set -- "$@" -x c++
    set -- "$@" "$argument"
done
exec "$compiler" "$@"
