#!/bin/sh
# The published experiments, shortened: LagLine until the student has found the teacher, MNIST-1D until it clearly learns.
set -u
[ -x "${LEQUEL:-}" ] || exit 77
work=$(mktemp -d) && cd "$work" || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

# within NAME VALUE LOW HIGH
within() {
    if awk -v v="$2" -v low="$3" -v high="$4" 'BEGIN { exit !(v != "" && v + 0 >= low && v + 0 <= high) }'; then
        echo "$1 = $2"
    else
        echo "$1 = $2, expected $3 .. $4"
        failures=$((failures + 1))
    fi
}

learned() { # NAME: its value in the line of learned parameters
    sed -n "s/^learned:.*[ ,]$1 \([-0-9.e]*\).*/\1/p" log
}

"$LEQUEL" run "$LEQUEL_SOURCE_DIR/models/lagline.leq" --duration 1000 --out lagline >log || failures=$((failures + 1))
within w0.W "$(learned w0.W)" 0.95 1.05
within w1.W "$(learned w1.W)" 1.9 2.1
within s0.tau_m "$(learned s0.tau_m)" 0.95 1.05
within s1.tau_m "$(learned s1.tau_m)" 1.9 2.1

"$LEQUEL" run "$LEQUEL_SOURCE_DIR/models/mnist1d.leq" --epochs 6 --out mnist1d >log || failures=$((failures + 1))
column() { # NAME: its last value in scores.csv
    awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i } END { print $c }' mnist1d/scores.csv
}
within train.accuracy "$(column train.accuracy)" 0.4 1
within train.loss "$(column train.loss)" 0 2.15

[ "$failures" -eq 0 ] || { cat log; exit 1; }
