#!/bin/bash
# Prints the tables of docs/performance.md: table.sh FOLDER-OF-THE-BENCHES [ROUNDS]
# Run by `cmake --build BUILD --target bench-table`. ROUNDS (or the variable BENCH_ROUNDS) is 21 unless told; 3 gives a first
# look in some minutes. Nothing is downloaded; peers that are not installed are left out. Debian: apt-get install
# libopenblas-dev python3-torch python3-brian.
set -u
benches=$1
rounds=${2:-${BENCH_ROUNDS:-21}}
failures=0
limit=${BENCH_SECONDS:-20} # of a row, in processor time: rows that take longer get fewer rounds, but 3
run() { "$@" || { failures=$((failures + 1)) && echo "FAILED: $*"; } }

load() { cut -d' ' -f1-3 /proc/loadavg 2>/dev/null || uptime; }
processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -1)
features=$(grep -m1 -ow 'avx512f\|avx2' /proc/cpuinfo 2>/dev/null | sort -r | tail -1)
echo "$(date -u +%F), ${processor:-$(uname -m)}, $(getconf _NPROCESSORS_ONLN) processors, vectors: ${features:-other}, $(uname -s)"
echo "Load before: $(load). Rounds: $rounds. C compiler of the OpenBLAS peer: $("${LEQUEL_CC:-cc}" --version | head -1)."

echo
echo "### Contractions"
echo
run "$benches/bench_kernels" table 53x32 64x32 256x32 1024x32 64x256 256x256 1024x256
echo
echo "### GLE networks, one sample"
echo
run "$benches/bench_networks" rounds="$rounds" seconds="$limit" widths=53,64,256,750,1024,4096 batches=1
echo
echo "### GLE networks, batches"
echo
run "$benches/bench_networks" rounds="$rounds" seconds="$limit" widths=53,64,256,750,1024,4096 batches=32,100,256 \
    peers=blas,product,outer
echo
echo "### The published MNIST-1D network"
echo
run "$benches/bench_networks" rounds="$rounds" seconds="$limit" network=mnist1d widths=53 batches=1 peers=product,outer
echo
run "$benches/bench_networks" rounds="$rounds" seconds="$limit" network=mnist1d widths=53 batches=1 precision=double peers=product,outer,brian
echo
run "$benches/bench_networks" rounds="$rounds" seconds="$limit" network=mnist1d widths=53 batches=100 optimiser=adam peers=product,outer
echo
echo "### Sequences, compilation, commands"
echo
run "$benches/bench_processes" "$LEQUEL" "$((rounds > 7 ? 7 : rounds))"
echo
echo "Load after: $(load)."
exit $((failures > 0))
