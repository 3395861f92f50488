#!/bin/sh
# The published experiments, shortened where they are long: LagLine and LagNet until the student has found the teacher,
# Mackey-Glass in full with its three arms, MNIST-1D until it clearly learns; the microcircuits, Oja's rule and the
# spiking neuron in full.
set -u
[ -x "${LEQUEL:-}" ] || exit 77
work=$(mktemp -d) && cd "$work" || exit 1
trap 'rm -rf "$work"' EXIT
models=$LEQUEL_SOURCE_DIR/models
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

run() { # MODEL OPTIONS…
    model=$1
    shift
    rm -rf "$model"
    "$LEQUEL" run "$models/$model.leq" "$@" --out "$model" >log || { cat log; failures=$((failures + 1)); }
}

learned() { # NAME: its value in the line of learned parameters
    sed -n "s/^learned:.*[ ,]$1 \([-0-9.e]*\).*/\1/p" log
}

column() { # MODEL NAME: its last value in scores.csv
    awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i } END { print $c }' "$1/scores.csv"
}

residual() { # of LagLine: the squared error, over the last tenth of the run; the cost is 1/200 of it
    awk '/100 %/ { for (i = 1; i < NF; i++) if ($i == "cost") print 200*$(i + 1) }' log
}

for seed in 0 1 2 3 4; do
    run lagline --precision double --duration 1000 --seed "$seed"
    within "LagLine, seed $seed, residual" "$(residual)" 0 1e-9
    within w0.W "$(learned w0.W)" 0.999 1.001
    within w1.W "$(learned w1.W)" 1.999 2.001
    within s0.tau_m "$(learned s0.tau_m)" 0.999 1.001
    within s1.tau_m "$(learned s1.tau_m)" 1.999 2.001
    run lagline --precision double --duration 1000 --seed "$seed" --dynamics instant
    within "LagLine, instantaneous errors, residual" "$(residual)" 1e-3 1
done

run lagnet --precision double
within "LagNet, w1.W[0]" "$(learned w1.W)" -0.51 -0.49
within "LagNet, w1.W[1]" "$(sed -n 's/^learned: w1.W [^ ]* //p' log)" 0.99 1.01

# The means over five seeds: the measured ones are 0.151, 0.251 and 0.8.
mean_error() { # OPTIONS…
    total=0
    for seed in 0 1 2 3 4; do
        run mackey_glass --seed "$seed" "$@"
        total="$total + $(column mackey_glass test.nrmse)"
    done
    awk "BEGIN { print ($total) / 5 }"
}
within "Mackey-Glass" "$(mean_error)" 0 0.16
within "Mackey-Glass, the readout alone" "$(mean_error -D hidden=0)" 0.17 0.4
within "Mackey-Glass, instantaneous errors" "$(mean_error --dynamics instant)" 0.4 2
within "Mackey-Glass, its last value as prediction" "$(column mackey_glass test.persistence)" 0.8 0.85

run mnist1d --epochs 6
within "MNIST-1D, accuracy" "$(column mnist1d train.accuracy)" 0.4 1
within "MNIST-1D, loss" "$(column mnist1d train.loss)" 0 2.15
run mnist1d_lag --epochs 3 -D rate=1e-3
within "MNIST-1D with fixed memory, accuracy" "$(column mnist1d_lag train.accuracy)" 0.4 1

for seed in 0 1 2; do
    run oja --seed "$seed"
    within "Oja, seed $seed, cosine with the first principal component" "$(column oja train.cosine)" 0.9999 1.0001
    within "Oja, length" "$(column oja train.length)" 0.99 1.01
done

for seed in 0 1; do
    run microcircuit_bars --seed "$seed"
    within "Bars, seed $seed, with the teacher" "$(column microcircuit_bars train.accuracy)" 1 1
    within "Bars, without it" "$(column microcircuit_bars test.accuracy)" 1 1
    run microcircuit_bars --seed "$seed" -D LE=0 -D lag=5
    within "Bars, without lookahead" "$(column microcircuit_bars train.accuracy)" 0 0.69
done

run microcircuit_mimic
within "Mimicry, error" "$(column microcircuit_mimic test.error)" 0 0.006
within "Mimicry, spread of what is mimicked" "$(column microcircuit_mimic test.spread)" 0.08 0.1

# Spikes of the same equations in steps of 0.001 ms: at 11.791, 25.376, 41.197 … 168.075 ms.
run adex --precision double
od -An -v -t f8 -w8 adex/p.spike.npy | tail -n 20000 | awk '$1 == 1 { print (NR - 1) * 0.01 }' >spikes
within "AdEx, spikes" "$(grep -c . spikes)" 8 8
within "AdEx, the first one" "$(sed -n 1p spikes)" 11.78 11.8001
within "AdEx, the last one" "$(sed -n 8p spikes)" 168 168.25

# ELiSe: the means over 2000 scaffolds are 72.4 edges and 49.4 latent neurons; the melody after a quarter of the cycles.
summary=$(awk -f "$models/data/elise_scaffold.awk" -v summary=1000 |
    awk '{ edges += $1; reached += $2 } END { print edges/NR, reached/NR }')
within "ELiSe, edges of a scaffold" "${summary% *}" 71.4 73.4
within "ELiSe, neurons that it reaches" "${summary#* }" 49.2 49.6
replay() { # NAME: of the stage that has this score
    awk -F, -v name="train.$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i }
        NR > 1 && $c != "nan" { print $c }' elise_fuer_elise/scores.csv
}
run elise_fuer_elise --precision double --seed 1 -D scaffold=1 -D cycles=800
within "ELiSe, correlation of free replay" "$(replay replay)" 0.75 1
run elise_fuer_elise --precision double --seed 1 -D scaffold=1 -D cycles=300 -D memory=0
within "ELiSe, a reservoir that does not learn" "$(replay replay)" -1 0.3

[ "$failures" -eq 0 ]
