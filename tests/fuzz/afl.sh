#!/usr/bin/env bash
# A search by AFL++ in a build of the preset `afl`: tests/fuzz/afl.sh BUILD
#   AFL_SECONDS  for each target (600)
#   AFL_KEEP     the folder of what was found (BUILD/afl); a later search goes on from there
#   FUZZ_TARGETS "parse check data": these only
# A line for each target, "failed" when it found a crash or a hang: BUILD/afl/TARGET/default/crashes.
set -u
build=$(cd "$1" && pwd) || exit 1
source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
keep=${AFL_KEEP:-$build/afl} failures=0
export AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_AUTORESUME=1 AFL_NO_AFFINITY=1
. "$source/seeds.sh"

for target in ${FUZZ_TARGETS:-parse check pipeline data checkpoint manifest}; do
    case $target in
    parse | check | pipeline) dictionary=leq.dict ;;
    *) dictionary=data.dict ;;
    esac
    rm -rf "$keep/seeds/$target"
    mkdir -p "$keep/seeds/$target" "$keep/$target"
    seeds "$target" "$keep/seeds/$target"
    afl-fuzz -i "$keep/seeds/$target" -o "$keep/$target" -x "$source/$dictionary" -V "${AFL_SECONDS:-600}" -t 10000+ \
        -m none -- "$build/tests/fuzz_$target" >"$keep/$target.log" 2>&1
    status=$?
    statistics=$keep/$target/default/fuzzer_stats
    value() { sed -n "s/^$1 *: //p" "$statistics" 2>/dev/null; }
    line="$target: $(value execs_done) executions, $(value edges_found) edges, $(value saved_crashes) crashes, $(value saved_hangs) hangs"
    if [ $status -eq 0 ] && [ "$(value saved_crashes)" = 0 ] && [ "$(value saved_hangs)" = 0 ]; then
        echo "passed: $line"
    else
        echo "failed: $line"
        [ -e "$statistics" ] || tail -n 30 "$keep/$target.log"
        failures=$((failures + 1))
    fi
done
[ $failures -eq 0 ]
