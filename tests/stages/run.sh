#!/bin/bash
# Experiments in stages: the back ends agree, a run that was killed goes on to the same bits, and what emitted code and
# the command line say.
set -u
[ -x "${LEQUEL:-}" ] || exit 77
models=$LEQUEL_SOURCE_DIR/tests/stages
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
backends="loops reference"
[ -e "$LEQUEL_LLVM_MODULE" ] && backends="jit $backends"
first=${backends%% *}

wrong() {
    echo "not so: $*"
    failures=$((failures + 1))
}

# Two tables of numbers, within rounding.
same_numbers() {
    paste -d, "$1" "$2" | awk -F, -v n="$(head -1 "$1" | tr ',' '\n' | wc -l)" '
        NR == 1 { next }
        { for (i = 1; i <= n; i++) { a = $i; b = $(i + n)
            if (a == b) continue
            d = a - b; if (d < 0) d = -d
            s = a < 0 ? -a : a; if (d > 1e-10 * (s + 1e-3)) { print "row " NR ": " a " and " b; bad = 1 } } }
        END { exit bad || NR < 2 }'
}

for model in along samples; do
    for backend in $backends; do
        "$LEQUEL" run "$models/$model.leq" --precision double --backend "$backend" --quiet --out "$model.$backend" ||
            wrong "$model runs on $backend"
        same_numbers "$model.$first/scores.csv" "$model.$backend/scores.csv" || wrong "$model on $backend"
    done
done

# Killed again and again, at some step of each stage.
for model in along samples; do
    for pause in 0.05 0.2 0.4; do
        "$LEQUEL" run "$models/$model.leq" --precision double --backend reference --quiet --out "$model.again" --resume \
            --checkpoint-every "7 steps" &
        child=$!
        for _ in $(seq 100); do
            [ -e "$model.again/checkpoint" ] && break
            sleep 0.02
        done
        sleep "$pause"
        kill -KILL $child 2>/dev/null
        wait $child 2>/dev/null
    done
    "$LEQUEL" run "$models/$model.leq" --precision double --backend reference --quiet --out "$model.again" --resume ||
        wrong "$model goes on"
    for file in $(cd "$model.reference" && find . -name '*.npy' -o -name scores.csv); do
        cmp -s "$model.reference/$file" "$model.again/$file" || wrong "$model: $file is the same when resumed"
    done
done

"$LEQUEL" run "$models/along.leq" --duration 5 >said 2>&1 && wrong "another duration is refused"
grep -q 'as long as its stages' said || wrong "and it is said: $(cat said)"
"$LEQUEL" emit c "$models/samples.leq" -o emitted >said 2>&1 && wrong "rules at the end are refused in C"
grep -q 'on end of' said || wrong "and it is said: $(cat said)"
"$LEQUEL" emit c "$models/along.leq" -o emitted >said 2>&1 || wrong "a model with stages is emitted: $(cat said)"

[ $failures -eq 0 ] && exit 0
echo "$failures failures"
exit 1
