#!/usr/bin/env bash
# The command line: exit statuses, where messages go, suggestions, files that a run leaves.
set -u
work=$(mktemp -d) && cd "$work" || exit 1
trap 'rm -rf "$work"' EXIT
[ -x "${LEQUEL:-}" ] || exit 77
models=$LEQUEL_SOURCE_DIR/models
failures=0

# expect STATUS 'TEXT ON STDERR' ARGUMENT…
expect() {
    local status=$1 text=$2
    shift 2
    "$LEQUEL" "$@" >stdout 2>stderr </dev/null
    local got=$?
    if [ $got -ne "$status" ] || { [ -n "$text" ] && ! grep -qF -- "$text" stderr; }; then
        echo "lequel $*: status $got, expected $status and: $text"
        cat stderr
        failures=$((failures + 1))
    fi
}

# holds 'DESCRIPTION' COMMAND…
holds() {
    local what=$1
    shift
    if ! "$@" >/dev/null 2>&1; then
        echo "not so: $what"
        failures=$((failures + 1))
    fi
}

quick=(run "$models/lagline.leq" --backend=loops --duration "20 steps" --quiet)

expect 0 "" --version
expect 0 "" --help
expect 0 "" run --help
holds "help of a command has an example" grep -q '^example: lequel run' stdout
expect 0 "" help fmt
expect 2 "usage: lequel COMMAND"
expect 2 'did you mean `inspect`?' inspct
expect 2 'did you mean `--duration`?' run model.leq --duraton 5
expect 2 'needs a value' run model.leq --seed
expect 2 'expected a whole number' run model.leq --seed five
expect 2 'expected one of float, double' run model.leq --precision half
expect 2 'one argument too many' plot a b
expect 2 '`lequel derive` needs FILE' derive
expect 1 'E0001' check no_such_file.leq
expect 0 "" check "$models/lagline.leq"
expect 0 "" explain E0102
expect 1 'did you mean' explain E012
expect 1 'did you mean `s0.tau_m`?' "${quick[@]}" --out a --record s0.tau
expect 1 'did you mean `w0.W`?' "${quick[@]}" --out a --init w0.V=x.npy
expect 1 'has no epochs' "${quick[@]}" --out a --epochs 3
expect 1 'no whole number of steps' run "$models/lagline.leq" --backend=loops --duration 0.005
expect 1 'no duration' run "$models/lagline.leq" --backend=loops --duration long

# Every representation has a text, the same one each time.
whats=(ast model energy equations step loops)
[ ! -e "${LEQUEL_LLVM_MODULE:-}" ] || whats+=(llvm asm)
for what in "${whats[@]}"; do
    for model in lagline microcircuit_mimic oja adex; do
        expect 0 "" run "$models/$model.leq" --dump "$what"
        cp stdout first
        expect 0 "" run "$models/$model.leq" --dump "$what"
        case $model-$what in
        lagline-* | *-step | *-loops | *-ast | *-model) holds "$what of $model has lines" test "$(grep -c . first)" -gt 3 ;;
        esac # others have no energy
        holds "$what of $model is the same again" cmp first stdout
    done
done
expect 0 "" run "$models/lagline.leq" --dump step --dynamics bptt --backend loops
holds "offline principles dump the steps backward" grep -q '^# backward in time' stdout

expect 0 "" "${quick[@]}" --out results/deep --seed 3 --record s0.u,s1.error --every 5
for file in steps s0.tau_m w1.W cost s0.u s1.error final/s0.tau_m final/w1.W; do
    holds "a run leaves $file.npy" test -s "results/deep/$file.npy"
done
holds "run.json says how it ended" grep -q '"status": "complete"' results/deep/run.json
holds "run.json has the seed" grep -q '"seed": 3' results/deep/run.json
holds "nothing half written stays" test -z "$(find results -name '*.part')"
expect 1 'its shape is [1, 1], that of' "${quick[@]}" --out b --init w0.W=results/deep/w0.W.npy
expect 0 "" "${quick[@]}" --out b --init w0.W=results/deep/final/w0.W.npy
expect 0 "" "${quick[@]}" --out c --seed 3 --record s0.u,s1.error --every 5
holds "the same seed gives the same bytes" cmp results/deep/s0.u.npy c/s0.u.npy
holds "and the same weights" cmp results/deep/final/w1.W.npy c/final/w1.W.npy
expect 0 "" plot c
holds "a plot" test -s c/traces.svg
expect 0 "" plot c --from 10 --to "20 steps"
expect 2 'expected a time or steps' plot c --from soon
expect 1 'names no unit of time' plot c --from "20 ms"
expect 1 'ends before it begins' plot c --from 20 --to 10

printf 'neuron  Slow( tau ) { state u=0\n energy 1/2*u^2 }\n' >untidy.leq
expect 1 "" fmt --check untidy.leq
expect 0 "" fmt untidy.leq
expect 0 "" fmt --check untidy.leq

"$LEQUEL" run "$models/lagline.leq" --backend=loops --out stopped >stdout 2>stderr &
child=$!
for _ in $(seq 100); do
    [ -e stopped/run.json ] && break
    sleep 0.1
done
sleep 0.3
kill -TERM $child
wait $child
status=$?
holds "SIGTERM ends a run with status 130" test $status -eq 130
holds "and it is said" grep -q '"status": "interrupted"' stopped/run.json
holds "and recordings are kept" test -s stopped/cost.npy

# ---- A sweep: every combination once, one table, complete runs are left alone.
sweep=(sweep "$models/lagline.leq" --backend=loops --duration "20 steps" --out swept)
expect 2 'needs a folder' sweep "$models/lagline.leq"
expect 2 'expected `0..9`' "${sweep[@]}" --seeds 3..1
expect 2 'as in `-D tau=0.5,1,2`' "${sweep[@]}" -D rate
expect 2 '`rate`: the value `1e-3` stands there twice' "${sweep[@]}" -D rate=1e-3,1e-4,1e-3
expect 2 '`seed`: the value `2` stands there twice' "${sweep[@]}" --seeds 0..3,2
expect 2 '`rate` is given values twice' "${sweep[@]}" -D rate=1e-3 -D rate=1e-4
expect 2 'expected at most 250' "${sweep[@]}" -D rate="$(printf '1%.0s' $(seq 250))"
expect 0 "" "${sweep[@]}" -D rate=1e-4,1e-3 --seeds 0..1 --dynamics gle --dynamics instant --jobs 2
holds "a sweep runs every combination" test "$(grep -c ',complete,' swept/sweep.csv)" -eq 8
holds "a sweep's table names what varies" grep -q '^rate,dynamics,seed,status,' swept/sweep.csv
holds "a sweep leaves no empty messages" test -z "$(find swept -name '*.log')"
cp swept/sweep.csv before.csv
touch -r before.csv swept/*/run.json
expect 0 "" "${sweep[@]}" -D rate=1e-4,1e-3 --seeds 0..1 --dynamics gle --dynamics instant --jobs 2
holds "a sweep repeats to the same table" cmp swept/sweep.csv before.csv
holds "a sweep leaves complete runs alone" test -z "$(find swept -name run.json -newer before.csv)"
expect 1 "" "${sweep[@]}" -D rate=1e-4 -D wrong=1,2
holds "what failed is told" grep -q 'failed, see swept/' stderr
holds "a failed run is a row of the table" test "$(grep -c ',failed' swept/sweep.csv)" -eq 2
expect 1 'rate=1e-3,seed=7,seed=0: failed' "${sweep[@]}" -D rate=1e-3 -D seed=7 # no parameter of the network
holds "such a sweep says so" grep -q 'has no parameter `seed`' "swept/rate=1e-3,seed=7,seed=0.log"
expect 0 "" "${sweep[@]}" --seeds 9223372036854775807
expect 1 'swept/sweep.csv: is no folder' sweep "$models/lagline.leq" --out swept/sweep.csv

# A sweep that is interrupted starts nothing more, and goes on when it is given again.
"$LEQUEL" sweep "$models/lagline.leq" --backend=loops --duration "3000 steps" --seeds 0..9 --jobs 1 --out stopped >/dev/null 2>&1 &
child=$!
for _ in $(seq 200); do [ -e stopped/sweep.csv ] && break; sleep 0.05; done
kill -INT $child
wait $child
holds "an interrupted sweep says so" test $? -eq 130
holds "an interrupted sweep leaves runs to do" grep -q ',waiting' stopped/sweep.csv
expect 2 'expected 1 to 256 values' "${sweep[@]}" -D rate=1e-3,,1e-4
expect 2 'more than 100000 runs' "${sweep[@]}" -D a="$(seq -s, 250)" -D b="$(seq -s, 250)" -D c=1,2
expect 2 'too long a name' "${sweep[@]}" -D "$(printf 'n%.0s' $(seq 70))=1"

# ---- Options of `emit` that do not go together.
expect 2 '`--main` goes with `lequel emit c`' emit asm "$models/lagline.leq" --main
expect 2 '`--fixed` goes with neither' emit c "$models/lagline.leq" -o refused --fixed Q16.16 --simd
expect 2 '`--states` goes with `--weights RUN`' emit c "$models/lagline.leq" -o refused --states
expect 2 '`--cpu` goes with' emit c "$models/lagline.leq" -o refused --cpu native
expect 2 'needs a folder' emit c "$models/lagline.leq"
expect 2 'needs a file' emit obj "$models/lagline.leq"
expect 1 'is no format of fixed-point numbers' emit c "$models/lagline.leq" -o refused --fixed Q8.8
holds "refused C is not there" test ! -e refused

# ---- Code for a processor: an unknown one is a mistake, and no end of the program.
if [ -e "${LEQUEL_LLVM_MODULE:-}" ]; then
    expect 1 'LLVM knows no processor `nothing`' emit obj "$models/lagline.leq" --cpu nothing --output code.o
    holds "what cannot be made is not there" test ! -e code.o
    if [ "$(uname -m)" = x86_64 ]; then
        expect 1 'LLVM makes no code of 64 bits for the processor `pentium3`' emit obj "$models/lagline.leq" --cpu pentium3 --output code.o
        expect 0 "" emit asm "$models/lagline.leq" --cpu x86-64-v3 --output code.s
    fi
    expect 0 "" emit asm "$models/lagline.leq" --cpu native --output native.s
    expect 0 "" emit asm "$models/lagline.leq" --output this.s
    holds "native is this processor" cmp native.s this.s
fi

[ $failures -eq 0 ]
