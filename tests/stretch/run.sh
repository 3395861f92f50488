#!/bin/bash
# Many steps by one call of compiled code are the same steps one by one (`--trap 1` looks between them), bit for bit:
# every kind of data and experiment, in both precisions, by the interpreter, with threads, and across checkpoints.
set -u
[ -x "${LEQUEL:-}" ] || exit 77
[ -e "$LEQUEL_LLVM_MODULE" ] || exit 77
here=$LEQUEL_SOURCE_DIR/tests/stretch
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

wrong() {
    echo "not so: $*"
    failures=$((failures + 1))
}

run() { # folder options…
    "$LEQUEL" run --quiet --out "$@" || wrong "run $*"
}

same() { # two folders: all recordings, scores and weights
    local file count=0
    for file in $(cd "$1" && find . -name '*.npy' -o -name scores.csv); do
        cmp -s "$1/$file" "$2/$file" || wrong "$file is the same in $1 and $2"
        count=$((count + 1))
    done
    [ "$count" -gt 3 ] || wrong "$1 holds results"
}

differs() { # that the comparison can fail
    for file in $(cd "$1" && find . -name '*.npy'); do cmp -s "$1/$file" "$2/$file" || return; done
    wrong "$1 and $2 differ"
}

both() { # name file options…
    local name=$1
    shift
    run "$name" "$@"
    run "$name.single" "$@" --trap 1
    same "$name" "$name.single"
}

for precision in float double; do
    both "samples.$precision" "$here/samples.leq" --precision $precision
    both "signal.$precision" "$here/signal.leq" --precision $precision
    both "alone.$precision" "$here/signal.leq" --precision $precision -D samples=1
done
run signal.seed "$here/signal.leq" --precision float --seed 1
differs signal.float signal.seed
run samples.deterministic "$here/samples.leq" --deterministic --precision double
both samples.loops "$here/samples.leq" --precision double --deterministic --backend loops
same samples.loops samples.deterministic
both offline "$here/signal.leq" --dynamics "tbptt(window = 6)" --precision double
both staged "$LEQUEL_SOURCE_DIR/tests/stages/along.leq" --precision double
both presented "$LEQUEL_SOURCE_DIR/tests/stages/samples.leq" --precision float

# Wide enough for threads to divide its steps.
both wide "$here/signal.leq" -D n=300 -D samples=32 --duration "300 steps" --threads 2
run wide.alone "$here/signal.leq" -D n=300 -D samples=32 --duration "300 steps"
same wide wide.alone

# Checkpoints fall where they are asked for, and a run that was killed goes on.
for pause in 0.05 0.1 0.2; do
    "$LEQUEL" run "$here/signal.leq" --precision double --quiet --out again --resume --checkpoint-every "37 steps" &
    child=$!
    sleep $pause
    kill -KILL $child 2>/dev/null
    wait $child 2>/dev/null
done
run again "$here/signal.leq" --precision double --resume --checkpoint-every "37 steps"
same signal.double again

# A signal ends a run that would take a minute (SIGTERM: a shell has what it starts with & ignore Ctrl-C).
"$LEQUEL" run "$here/signal.leq" --quiet --out long -D samples=1 --duration "3000000 steps" &
child=$!
for _ in $(seq 200); do
    [ -s long/run.json ] && break
    sleep 0.02
done
sleep 0.3
before=$(date +%s%N)
kill -TERM $child
wait $child
after=$(date +%s%N)
[ $(((after - before) / 1000000)) -lt 2000 ] || wrong "a run ends at once: $(((after - before) / 1000000)) ms"
grep -q '"status": "interrupted"' long/run.json || wrong "an interrupted run says so"

[ "$failures" -eq 0 ] && echo "all well" && exit 0
echo "$failures failures"
exit 1
