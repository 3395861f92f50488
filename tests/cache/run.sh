#!/usr/bin/env bash
# Compiled code on the disk, as users meet it: the same results with and without it, seeds and processes that share it,
# folders that cannot be used, and what it saves. Limits on times are loose: this must hold on a busy machine.
set -u
work=$(mktemp -d) && cd "$work" || exit 1
trap 'rm -rf "$work"' EXIT
[ -x "${LEQUEL:-}" ] && [ -r "${LEQUEL_LLVM_MODULE:-}" ] || exit 77
models=$LEQUEL_SOURCE_DIR/models deep=$LEQUEL_SOURCE_DIR/tests/cache/deep.leq
unset LEQUEL_CACHE LEQUEL_CACHE_LIMIT
export XDG_CACHE_HOME=$work/home
failures=0

fail() {
    echo "not so: $*"
    failures=$((failures + 1))
}
holds() { # 'DESCRIPTION' COMMAND…
    local what=$1
    shift
    "$@" >/dev/null 2>&1 || fail "$what"
}
run() { # FOLDER ARGUMENT…: times as JSON in FOLDER.json
    local out=$1
    shift
    "$LEQUEL" run "$@" --out "$out" --quiet --time-passes --json 2>"$out.json" >"$out.out" ||
        { fail "lequel run $* works"; cat "$out.json"; }
}
cached() { grep -q '"cached": true' "$1.json"; }
compiled() { grep -q '"cached": false' "$1.json"; }
phase() { # FOLDER NAME: milliseconds, 0 for none
    sed -n "s/.*\"name\": \"$2\", \"ms\": \([0-9.]*\).*/\1/p" "$1.json" | grep . || echo 0
}
sum() { awk 'BEGIN { for (i = 1; i < ARGC; i++) s += ARGV[i]; print s }' "$@"; }
code_time() { # FOLDER: milliseconds that code took, made or loaded
    sum "$(phase "$1" cache)" "$(phase "$1" 'open LLVM')" "$(phase "$1" IR)" "$(phase "$1" passes)" \
        "$(phase "$1" 'code generation')" "$(phase "$1" link)"
}
same() { # FOLDER FOLDER: all recordings and weights
    diff -r -x run.json -x times.csv -x checkpoint "$1" "$2" >/dev/null
}
count() { find "${1:-$XDG_CACHE_HOME/lequel}" -name '*.code' | wc -l; }
least() { sort -n | head -n 1; }

short=(models/lagline.leq --duration "200 steps")
short[0]=$models/lagline.leq

# ---- The same with and without.
run first "${short[@]}"
run second "${short[@]}"
run third "${short[@]}" --no-cache
LEQUEL_CACHE=never run fourth "${short[@]}"
holds "the first run compiles" compiled first
holds "the second one does not" cached second
holds "LLVM is not opened for it" test "$(phase second 'open LLVM')" = 0
holds "--no-cache compiles" compiled third
holds "LEQUEL_CACHE=never compiles" compiled fourth
for folder in second third fourth; do holds "$folder has the results of the first" same first $folder; done
holds "one program is kept" test "$(count)" -eq 1
holds "in a folder of the user's own" test "$(stat -c %a "$XDG_CACHE_HOME/lequel")" = 700
run other "${short[@]}" --seed 5
holds "another seed shares it" cached other
run double "${short[@]}" --precision double
holds "another precision does not" compiled double
run elsewhere "${short[@]}" --cache "$work/named"
holds "--cache names a folder" test "$(count named)" -eq 1

# ---- Folders that cannot be used.
mkdir open && chmod 777 open
for folder in /dev/null/cache /proc/lequel "$work/open" "$deep"; do
    run unusable "${short[@]}" --cache "$folder"
    holds "a run without a usable cache ($folder)" same first unusable
done
holds "nothing is put where others can write" test "$(count open)" -eq 0
file=$(find "$XDG_CACHE_HOME" -name '*.code' | head -n 1)
printf 'x' | dd of="$file" bs=1 seek=2000 conv=notrunc 2>/dev/null
file=$(find "$XDG_CACHE_HOME" -name '*.code' | tail -n 1)
printf 'x' | dd of="$file" bs=1 seek=2000 conv=notrunc 2>/dev/null
run damaged "${short[@]}"
holds "a damaged file is not used" compiled damaged
holds "and changes no result" same first damaged
run mended "${short[@]}"
holds "it was replaced" cached mended

# ---- lequel cache.
"$LEQUEL" cache >said 2>&1
holds "lequel cache counts" grep -q ': [0-9]* programs, ' said
"$LEQUEL" cache --clear >said 2>&1
holds "lequel cache --clear removes" test "$(count)" -eq 0
"$LEQUEL" cache --cache "$work/open" >said 2>&1
holds "a folder that would not be used is refused" test $? -eq 1
holds "with the reason" grep -q 'others can write to it' said
"$LEQUEL" run "${short[@]}" --json >said 2>&1
holds "--json alone is a wrong command line" test $? -eq 2

# ---- Many at once: one compiles.
for i in 1 2 3 4; do run "many$i" "${short[@]}" & done
wait
for i in 1 2 3 4; do holds "process $i has the right results" same first "many$i"; done
holds "one of four processes compiles" test "$(grep -l '"cached": false' many?.json | wc -l)" -eq 1
"$LEQUEL" cache --clear >said
"$LEQUEL" sweep "${short[@]}" --seeds 0..5 --jobs 2 --out swept --quiet >said 2>&1 || fail "a sweep works"
holds "seeds of a sweep share one program" test "$(count)" -eq 1
holds "and have their own results" test "$(cut -d, -f2 swept/sweep.csv | grep -c complete)" -eq 6
holds "the run with seed 0 is the same as alone" same first "swept/seed=0"
"$LEQUEL" sweep "${short[@]}" --seeds 0..1 --out swept2 --quiet --cache "$work/sweeps" >said 2>&1
holds "--cache goes to the runs of a sweep" test "$(count sweeps)" -eq 1

# ---- The table.
"$LEQUEL" run "${short[@]}" --out table --quiet --time-passes >said 2>table.txt
for row in parse check derive step fuse cache 'first step' 'start to first step'; do
    holds "the table has $row" grep -q "^$row  *[0-9]" table.txt
done
holds "and nothing goes to standard output" test ! -s said
command -v python3 >/dev/null && holds "the JSON can be read" python3 -m json.tool second.json

# ---- What it saves: the best of five.
for i in 1 2 3 4 5; do
    run "cold$i" "$models/mnist1d.leq" --epochs 0 --no-cache
    run "warm$i" "$models/mnist1d.leq" --epochs 0
done
cold=$(for i in 1 2 3 4 5; do code_time "cold$i"; done | least)
warm=$(for i in 2 3 4 5; do code_time "warm$i"; done | least)
echo "code of mnist1d: $cold ms compiled, $warm ms from the cache"
holds "loading takes less than a quarter of compiling" awk "BEGIN { exit !(4 * $warm < $cold) }"
# Everything before the first step but data, which no cache can save. Sanitizers are another matter.
front() { sum "$(phase "$1" parse)" "$(phase "$1" check)" "$(phase "$1" derive)" "$(phase "$1" step)" \
    "$(phase "$1" fuse)" "$(code_time "$1")"; }
start=$(for i in 2 3 4 5; do front "warm$i"; done | least)
echo "from the file to code with the cache: $start ms"
grep -q 'fsanitize' "$LEQUEL_BINARY_DIR/build.ninja" 2>/dev/null ||
    holds "a warm start takes less than 60 ms" awk "BEGIN { exit !($start < 60) }"

# ---- Depth: 50 layers take hardly longer to compile than 3, and passes do not grow as pairs of layers do.
for depth in 3 50; do
    for i in 1 2 3; do run "deep$depth-$i" "$deep" -D depth=$depth --duration "2 steps" --no-cache; done
done
three=$(for i in 1 2 3; do phase "deep3-$i" 'code generation'; done | least)
fifty=$(for i in 1 2 3; do phase "deep50-$i" 'code generation'; done | least)
echo "code generation of 3 layers: $three ms, of 50: $fifty ms"
holds "kernels are compiled once, whatever the depth" awk "BEGIN { exit !($fifty < 5 * $three) }"
for name in derive step; do
    three=$(for i in 1 2 3; do phase "deep3-$i" $name; done | least)
    fifty=$(for i in 1 2 3; do phase "deep50-$i" $name; done | least)
    echo "$name of 3 layers: $three ms, of 50: $fifty ms"
    holds "$name grows far less than pairs of layers" awk "BEGIN { exit !($fifty < 150 * ($three + 0.1)) }"
done

# ---- The linker for aarch64, in an emulator, with every kind of reference that it knows.
objects=$LEQUEL_SOURCE_DIR/tests/cache
link_check() { # COMPILER RUNNER…
    local compiler=$1
    shift
    for level in -O0 -O1 -O2 -O3; do
        "$compiler" $level -c -fPIC -ffreestanding -fno-asynchronous-unwind-tables -o object.o "$objects/object.c" &&
            "$compiler" -O1 -static -I"$LEQUEL_SOURCE_DIR" -o check "$objects/load.c" \
                "$LEQUEL_SOURCE_DIR"/runtime/image.c "$LEQUEL_SOURCE_DIR"/compiler/support/{text,arena}.c -lm &&
            "$@" ./check object.o || fail "$compiler $level: the object is linked, loaded and right"
    done
}
link_check "${LEQUEL_CC:-cc}"
if command -v aarch64-linux-gnu-gcc qemu-aarch64 >/dev/null; then
    link_check aarch64-linux-gnu-gcc qemu-aarch64
else
    echo "no aarch64 compiler and emulator: not tested"
fi
[ $failures -eq 0 ]
