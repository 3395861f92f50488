# Interruptions by signal, what `--resume` says, full disks and folders that cannot be written.
. "$LEQUEL_SOURCE_DIR/tests/trust/data.sh"
cp "$LEQUEL_SOURCE_DIR/tests/trust/epochs.leq" . && make_data || exit 1
backend= epochs=60
[ -e "$LEQUEL_LLVM_MODULE" ] || backend=--backend=loops epochs=4
failures=0
options="--experiment classes --epochs $epochs --quiet $backend"

wrong() {
    echo "not so: $*"
    failures=$((failures + 1))
}

# expect STATUS 'TEXT' ARGUMENT…: of `lequel run epochs.leq`
expect() {
    local wanted=$1 text=$2
    "$LEQUEL" run epochs.leq "${@:3}" >stdout 2>stderr
    local status=$?
    [ $status -eq "$wanted" ] && { [ -z "$text" ] || cat stdout stderr | grep -qF -- "$text"; } ||
        wrong "status $status, expected $wanted and \`$text\`: $(cat stdout stderr)"
}

clean() {
    (cd "$1" && find . -type f ! -name run.json ! -name times.csv -exec cksum {} + | sort -k3)
}

interrupt() { # SIGNAL ARGUMENT…: ends a run that has begun
    local child
    "$LEQUEL" run epochs.leq "${@:2}" >stdout 2>stderr &
    child=$!
    for _ in $(seq 200); do
        [ -e out/scores.csv ] && break
        sleep 0.02
    done
    kill -"$1" $child
    wait $child
}

long="--experiment classes --epochs 3000 --quiet $backend"
for signal in TERM INT TERM; do
    [ $signal = INT ] && continue # shells start background jobs with SIGINT ignored
    rm -rf out
    interrupt $signal $long --out out
    [ $? -eq 130 ] || wrong "SIG$signal ends a run with status 130"
    grep -q -- '`--resume` goes on' stderr || wrong "it says how to go on"
    [ -s out/checkpoint ] && [ -s out/loss.npy ] || wrong "a checkpoint and the recordings are there"
    grep -q '"status": "interrupted"' out/run.json || wrong "the manifest says interrupted"
done

expect 1 'it has `seed: 0`, this run `seed: 5`' $long --out out --resume --seed 5
expect 1 'it has `parameters:`, this run `parameters: rate=0.5`' $long --out out --resume -D rate=0.5
expect 1 'it has `precision: float`, this run `precision: double`' $long --out out --resume --precision double
sed 's/settle 5/settle 6/' epochs.leq >other.leq
"$LEQUEL" run other.leq $long --out out --resume >stdout 2>stderr && wrong "another model is refused"
grep -q 'the model files have changed' stderr || wrong "and it is said: $(cat stderr)"
cp y.csv kept.csv && sed -i '1s/.*/2/' y.csv
expect 1 'the data files have changed' $long --out out --resume
mv kept.csv y.csv
grep -q '"status": "interrupted"' out/run.json || wrong "the refused runs changed nothing"

# A run goes on in the folder and ends like an undisturbed one, also when it is killed in between.
rm -rf out && interrupt TERM $options --out out
"$LEQUEL" run epochs.leq $options --out whole || wrong "a run"
expect 0 "" $options --out out --resume
[ "$(clean out)" = "$(clean whole)" ] || wrong "an interrupted run goes on to the same files"
expect 0 "holds the complete results" --experiment classes --epochs $epochs $backend --out out --resume
expect 0 "" $options --out anew --resume
[ "$(clean anew)" = "$(clean whole)" ] || wrong "--resume without a checkpoint begins anew"
for value in "0 s" "10 weeks" "-5 s" "x" "0.5 steps"; do
    expect 2 'expected `30 s`' $options --out out --checkpoint-every "$value"
done
rm -rf out && interrupt TERM $long --out out --checkpoint-every never
[ ! -e out/checkpoint ] || wrong "never means never"

# Two runs at once.
rm -rf out
"$LEQUEL" run epochs.leq $long --out out 2>first &
child=$!
for _ in $(seq 200); do
    [ -e out/scores.csv ] && break
    sleep 0.02
done
expect 1 'another run is writing to this folder' $options --out out
kill -KILL $child
wait $child 2>/dev/null

# What a killed run recorded can be read, up to its last checkpoint.
rm -rf out
"$LEQUEL" run epochs.leq $long --out out --checkpoint-every 500steps 2>first &
child=$!
for _ in $(seq 400); do
    [ -e out/checkpoint ] && break
    sleep 0.02
done
sleep 0.2
kill -KILL $child
wait $child 2>/dev/null
mkdir seen && cp out/loss.npy.part out/steps.npy.part seen
expect 1 'its shape is [12, 4], that of' $options --out x --init w0.W=seen/loss.npy.part

# A file at its limit of size, a full disk, a folder that may not be written.
rm -rf out && cp -r whole out
(ulimit -f 16; "$LEQUEL" run epochs.leq $options --seed 4 --record h.error --every 1 --out out 2>stderr)
[ $? -eq 1 ] && grep -q 'File too large' stderr || wrong "a file at its limit: $(cat stderr)"
[ "$(cd out && cksum loss.npy final/*)" = "$(cd whole && cksum loss.npy final/*)" ] || wrong "earlier results stay"
mkdir disk
if mount -t tmpfs -o size=300k tmpfs disk 2>/dev/null; then
    expect 1 'No space left on device' $options --record h.error --every 1 --out disk/out
    umount disk
else
    echo "no full disk tried: no tmpfs can be mounted here"
fi
mkdir closed && chmod 500 closed
if [ "$(id -u)" -ne 0 ]; then
    expect 1 'Permission denied' $options --out closed/out
    expect 1 'Permission denied' $options --out closed
else
    echo "no closed folder tried: root may write everywhere"
fi
[ $failures -eq 0 ]
