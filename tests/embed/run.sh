#!/bin/sh
# Lequel in programs of others: examples/embed.c against an installation, found by pkg-config and by CMake; and a program
# that calls an object file made by `lequel emit obj`, through its header.
set -u
[ -x "${LEQUEL:-}" ] || exit 77
[ -e "$LEQUEL_BINARY_DIR/lequel-llvm.so" ] || { echo "without the LLVM module there is nothing to embed"; exit 77; }
nm -D "$LEQUEL_BINARY_DIR/liblequel.so" 2>/dev/null | grep -q __asan_init && { echo "not with sanitizers"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0
cc=${LEQUEL_CC:-cc}

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# ---- The library ----------------------------------------------------------------------------------------------------

cmake --install "$LEQUEL_BINARY_DIR" --prefix "$work/prefix" >"$work/log" 2>&1 || { cat "$work/log"; fail "the installation"; }
LD_LIBRARY_PATH=$(dirname "$(find "$work/prefix" -name liblequel.so)")
PKG_CONFIG_PATH=$LD_LIBRARY_PATH/pkgconfig
export LD_LIBRARY_PATH PKG_CONFIG_PATH
embed=$LEQUEL_SOURCE_DIR/examples/embed.c
[ "$(wc -l <"$embed")" -lt 60 ] || fail "examples/embed.c has grown to 60 lines"

learns() { # PROGRAM: its cost falls
    "$1" >"$work/said" || fail "$1 does not run"
    awk '{ cost[NR] = $NF } END { exit !(NR == 3 && cost[3] < cost[1] / 10) }' "$work/said" ||
        { fail "$1 does not learn"; cat "$work/said"; }
}

# shellcheck disable=SC2046 # a list of words
$cc -Wall -Wextra -Werror "$embed" $(pkg-config --cflags --libs lequel) -o "$work/embed" || fail "pkg-config"
learns "$work/embed"

mkdir "$work/project"
cat >"$work/project/CMakeLists.txt" <<'TEXT'
cmake_minimum_required(VERSION 3.13)
project(embed C)
find_package(lequel 0.1 REQUIRED)
add_executable(embed embed.c)
target_link_libraries(embed PRIVATE lequel::lequel)
TEXT
cp "$embed" "$work/project"
{ cmake -S "$work/project" -B "$work/project/build" -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$work/prefix" &&
    cmake --build "$work/project/build"; } >"$work/log" 2>&1 || { cat "$work/log"; fail "find_package"; }
learns "$work/project/build/embed"

# ---- An object file -------------------------------------------------------------------------------------------------

model=$LEQUEL_SOURCE_DIR/models/golden/b1.leq
for what in llvm asm; do
    "$LEQUEL" emit $what "$model" >"$work/b1.$what" || fail "emit $what"
    grep -q lequel_entry_0 "$work/b1.$what" || fail "no entry in emit $what"
done
"$LEQUEL" emit asm "$model" --cpu x86-64 >"$work/old.asm" 2>/dev/null && grep -q '%ymm' "$work/old.asm" && fail "--cpu is not obeyed"
"$LEQUEL" emit obj "$model" -o "$work/b1.o" || fail "emit obj"
"$LEQUEL" emit header "$model" -o "$work/b1.h" || fail "emit header"
cat >"$work/caller.c" <<'TEXT'
#include "b1.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    void *arrays[LEQUEL_ARRAYS];
    LequelArguments arguments = {.batch = 1, .padded = 16, .steps = 2};
    long total = 0;
#define TAKE(n, elements) (arrays[n] = memset(aligned_alloc(64, ((elements) * 8 + 63) / 64 * 64), 0, ((elements) * 8 + 63) / 64 * 64), total += (elements))
#include "take.h"
    for (int n = 0; n < LEQUEL_ARRAYS; n++) *(double *)arrays[n] = 1;
    lequel_entry_0(arrays, &arguments);
    lequel_entry_1(arrays, &arguments);
    printf("%ld\n", total);
    return 0;
}
TEXT
sed -n 's/^#define LEQUEL_ELEMENTS_\([0-9]*\)(.*/    TAKE(\1, LEQUEL_ELEMENTS_\1(16));/p' "$work/b1.h" >"$work/take.h"
$cc -Wall -Wextra -Werror "$work/caller.c" "$work/b1.o" -o "$work/caller" -lm || fail "the header does not compile or the object does not link"
elements=$("$work/caller") || fail "the object file does not run"
[ "$((elements * 8))" -le "$("$LEQUEL" inspect "$model" --precision double | sed -n 's/^memory: \([0-9]*\) bytes.*/\1/p')" ] ||
    fail "the header's sizes are not those of an instance"

[ "$failures" -eq 0 ] && echo "all well" && exit 0
echo "$failures failures"
exit 1
