#!/bin/sh
# Golden equality: every model of models/golden replays the trajectory of another implementation, on every back end, and
# every recorded value equals it within 1e-12 (README.md).
set -u
[ -x "${LEQUEL:-}" ] || exit 77
compare=$LEQUEL_BINARY_DIR/tests/golden-compare
[ -x "$compare" ] || { echo "golden-compare is not built"; exit 1; }
golden=$LEQUEL_SOURCE_DIR/tests/golden
models=$LEQUEL_SOURCE_DIR/models/golden
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0
compared=0

fail() {
    echo "FAILED: $1"
    failures=$((failures + 1))
}

backends="reference loops"
if [ -e "$LEQUEL_BINARY_DIR/lequel-llvm.so" ]; then
    backends="jit $backends"
else
    echo "without the LLVM module: jit is not compared"
fi

for model in "$models"/*.leq; do
    case=$(basename "$model" .leq)
    for backend in $backends; do
        echo "$case, $backend"
        compared=$((compared + 1))
        out=$work/$case-$backend
        "$LEQUEL" run "$model" --backend "$backend" --precision double --quiet --out "$out" ||
            { fail "$case does not run on $backend"; continue; }
        "$compare" "$out" "$golden/$case.state.csv.gz" "$golden/$case.params.csv.gz" || fail "$case on $backend"
    done
done

# Every case has its model, and none is left out.
for state in "$golden"/*.state.csv.gz; do
    case=$(basename "$state" .state.csv.gz)
    [ -e "$models/$case.leq" ] || fail "no model replays $case"
done
[ "$compared" -gt 0 ] || fail "nothing was compared"

# The comparison itself: it sees a weight that is 1e-11 off, and does not pass over a recording that is missing.
printf '0.19709700001\n-0.116206\n0.141544\n0.079564\n' >"$work/b.csv"
"$LEQUEL" run "$models/b1.leq" --backend reference --precision double --quiet --init w1.b="$work/b.csv" \
    --out "$work/off" || fail "b1 with another bias does not run"
"$compare" "$work/off" "$golden/b1.state.csv.gz" >"$work/said" 2>&1 && fail "a bias that is 1e-11 off is not noticed"
grep -q 'first in step 0: h1.u_ahead.tau_r.0.0 is' "$work/said" || fail "the first deviation is not named"
rm "$work/off/h2.error.npy"
"$compare" "$work/off" "$golden/b1.state.csv.gz" >"$work/said" 2>&1 && fail "a missing recording is not noticed"
grep -q 'h2.error.npy' "$work/said" || fail "the missing recording is not named"

[ "$failures" -eq 0 ] && echo "all $compared comparisons equal" && exit 0
echo "$failures failures"
exit 1
