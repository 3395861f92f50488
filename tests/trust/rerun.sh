# `lequel rerun` and `--deterministic-check`.
. "$LEQUEL_SOURCE_DIR/tests/trust/data.sh"
cp "$LEQUEL_SOURCE_DIR/tests/trust/epochs.leq" . && make_data || exit 1
backend= failures=0
[ -e "$LEQUEL_LLVM_MODULE" ] || backend=--backend=loops

expect() { # STATUS 'TEXT' ARGUMENT…
    local wanted=$1 text=$2
    "$LEQUEL" "${@:3}" >stdout 2>stderr
    local status=$?
    [ $status -eq "$wanted" ] && { [ -z "$text" ] || cat stdout stderr | grep -qF -- "$text"; } && return
    echo "lequel ${*:3}: status $status, expected $wanted and \`$text\`: $(cat stdout stderr)"
    failures=$((failures + 1))
}

mkdir inner
run="run epochs.leq --experiment classes --epochs 2 --quiet $backend"
printf '0.1,0.2,0.3\n' >bias.csv
expect 0 "" $run -D rate=0.02 --seed 7 --init w1.b=bias.csv --record h.error --every 9 --out first
expect 0 "files are the same, bit for bit" rerun first
expect 0 "" rerun first --quiet --out inner/second
[ ! -s stdout ] || { echo "--quiet is not quiet"; failures=$((failures + 1)); }
cd inner && expect 0 "files are the same, bit for bit" rerun ../first -o third && cd ..
[ -e inner/third/final/w1.W.npy ] || { echo "the new folder is not where it should be"; failures=$((failures + 1)); }

cp -r first touched && cp first.rerun/w1.W.npy touched/loss.npy
expect 1 "loss.npy: the shapes differ" rerun touched
cp first/loss.npy touched && sed -i '2s/[0-9]$/x/' touched/scores.csv && rm touched/final/w1.b.npy && cp touched/cost.npy touched/more.npy
expect 1 "scores.csv: " rerun touched
expect 1 "final/w1.b.npy: only in" rerun touched
expect 1 "more.npy: only in" rerun touched
"$LEQUEL" $run --seed 8 --out other && cp other/h.u.npy first/h.u.npy
expect 1 "numbers differ, by" rerun first

cp x.csv kept.csv && sed -i '1s/^/1/' x.csv
expect 1 '`x.csv` is not what it was then' rerun first
mv kept.csv x.csv
echo "# a remark" >>epochs.leq
expect 1 '`epochs.leq` is not what it was then' rerun first
expect 1 "run.json: cannot be read" rerun inner
echo '{"status": "complete", "arguments": ["plot", "x"]}' >inner/run.json
expect 1 "does not say how the run was started" rerun inner
echo '{"status": "running", "arguments": []}' >inner/run.json
expect 1 "is not complete (running)" rerun inner
echo '["status"' >inner/run.json
expect 1 "is no manifest of a run: byte" rerun inner

expect 0 "files are the same, bit for bit" run epochs.leq --experiment wave --duration "300 steps" $backend --out twice --deterministic-check
[ ! -e twice.again ] && [ -e twice/run.json ] || { echo "the second folder stays"; failures=$((failures + 1)); }
mkdir twice.again
expect 1 "which exists already" $run --out twice --deterministic-check

# With --deterministic, machine code and the interpreter agree to the bit.
same_files() { # FOLDER FOLDER
    local file
    [ -n "$(find "$1" -name '*.npy')" ] || { echo "nothing to compare"; failures=$((failures + 1)); }
    for file in $(cd "$1" && find . -name '*.npy'); do cmp "$1/$file" "$2/$file" || failures=$((failures + 1)); done
}
deterministic() { # MODEL ARGUMENT…
    local back
    for back in jit loops; do expect 0 "" run "$@" --backend $back --deterministic --quiet --out det.$back; done
    same_files det.jit det.loops
    rm -rf det.jit det.loops
}
size_of() { awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "train.size") column = i } END { print $column }' "$1/scores.csv"; }
if [ -e "$LEQUEL_LLVM_MODULE" ]; then
    deterministic epochs.leq --experiment classes --epochs 1
    deterministic "$LEQUEL_SOURCE_DIR/tests/trust/compartments.leq"
    # A single sample goes through large matrices in panels of rows: the same in two threads, and close to the interpreter.
    sed 's/connect w1: h -> out/population k = Leaky[300](2, 1)\n  connect wk: h -> k by Dense()\n  connect w1: k -> out/; s/Leaky\[12\]/Leaky[270]/; s/batch 8$/batch 1/; s/settle 100 steps/score size = mean(abs(k.u)) + mean(abs(h.u))/' \
        epochs.leq >wide.leq
    wide="wide.leq --experiment wave --duration 51 --record h.error,wk.W --every 51 --precision double --quiet"
    "$LEQUEL" run $wide --dump loops | grep -q 'kernel .* \[128, 270\]' || { echo "no panels"; failures=$((failures + 1)); }
    expect 0 "" run $wide --backend jit --out wide.1
    expect 0 "" run $wide --backend jit --threads 2 --out wide.2
    expect 0 "" run $wide --backend loops --out wide.loops
    same_files wide.1 wide.2
    echo "$(size_of wide.1) $(size_of wide.loops)" |
        awk '{ d = $1 - $2; if (!($1 > 0) || (d < 0 ? -d : d) > 1e-9 * $1) { print "sizes: " $0; exit 1 } }' || failures=$((failures + 1))
fi
[ $failures -eq 0 ]
