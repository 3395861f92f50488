#!/bin/sh
# A model with units gives the same numbers as without, to the bit: NAME.leq in units of all kinds, NAME.plain.leq the same
# in ms, mV and pA with none, experiments and all.
set -u
[ -x "${LEQUEL:-}" ] || exit 77
here=$LEQUEL_SOURCE_DIR/tests/units
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
    echo "FAILED: $1"
    failures=$((failures + 1))
}

run() { # MODEL FOLDER OPTION…
    model=$1
    folder=$2
    shift 2
    "$LEQUEL" run "$here/$model.leq" --quiet --out "$folder" "$@" || fail "$model $*"
    rm -f "$folder/run.json" "$folder/times.csv" # which name the file, and tell the time
}

backends="loops reference"
[ -e "$LEQUEL_BINARY_DIR/lequel-llvm.so" ] && backends="jit $backends"
for plain in "$here"/*.plain.leq; do
    name=$(basename "$plain" .plain.leq)
    grep -Eq '[0-9] (h|s|m?s|us|m?V|uV|nS|pA|pF)\b' "$plain" && fail "$name.plain.leq has units"
    for backend in $backends; do
        for precision in double float; do
            case $backend$precision in referencefloat) continue ;; esac
            rm -rf "$work/with" "$work/without"
            run "$name" "$work/with" --backend $backend --precision $precision
            run "$name.plain" "$work/without" --backend $backend --precision $precision
            [ "$(find "$work/with" -name '*.npy' | wc -l)" -gt 4 ] || fail "$name records too little"
            diff -r "$work/with" "$work/without" || fail "$name, $backend, $precision: other numbers without units"
        done
    done
done
[ $failures -eq 0 ] || exit 1
