#!/usr/bin/env bash
# Every fuzz target for FUZZ_SECONDS (8: about a minute in all): a smoke test. Crashes that were
# found before are in corpus/crashes and must not come back. To search for new ones, a quarter of an hour each:
#   FUZZ_SECONDS=900 FUZZ_KEEP=folder ctest -R fuzz
set -u
targets=$LEQUEL_BINARY_DIR/tests
[ -x "$targets/fuzz_parse" ] || exit 77
source=$LEQUEL_SOURCE_DIR/tests/fuzz
work=${FUZZ_KEEP:-$(mktemp -d)}
[ -n "${FUZZ_KEEP:-}" ] || trap 'rm -rf "$work"' EXIT
seconds=${FUZZ_SECONDS:-8} failures=0 TIMEFORMAT=%U

. "$source/seeds.sh"

for target in ${FUZZ_TARGETS:-parse check pipeline data checkpoint manifest resume cache}; do
    case $target in
    parse | check | pipeline) dictionary=leq.dict most=3000 ;;
    cache) dictionary=data.dict most=6000 ;; # a page of code
    *) dictionary=data.dict most=1500 ;;
    esac
    corpus=$work/$target
    mkdir -p "$corpus" "$work/crashes"
    seeds "$target" "$corpus"
    for crash in "$source"/corpus/crashes/"$target"-*; do
        [ ! -e "$crash" ] || "$targets/fuzz_$target" -timeout="${FUZZ_TIMEOUT:-10}" -rss_limit_mb=2048 "$crash" >"$work/log" 2>&1 ||
            { echo "back again: $crash"; tail -n 30 "$work/log"; failures=$((failures + 1)); }
    done
    # What a search is worth is the time of the processor: on a busy machine it is a part of the seconds.
    {
        time "$targets/fuzz_$target" -dict="$source/$dictionary" -max_len=$most -max_total_time="$seconds" \
            -timeout="${FUZZ_TIMEOUT:-10}" -rss_limit_mb=2048 -malloc_limit_mb=1024 -print_final_stats=1 \
            -artifact_prefix="$work/crashes/$target-" "$corpus" >"$work/$target.log" 2>&1
    } 2>"$work/time"
    status=$?
    echo "$target: $(grep -o 'stat::number_of_executed_units: *[0-9]*' "$work/$target.log" | grep -o '[0-9]*$') executions," \
        "$(grep -o 'cov: [0-9]*' "$work/$target.log" | tail -n 1), $(cat "$work/time") seconds of processor"
    [ $status -eq 0 ] || { tail -n 60 "$work/$target.log"; failures=$((failures + 1)); }
done
[ $failures -eq 0 ]
