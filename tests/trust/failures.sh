# failures.sh EACH: makes file-system calls of a run fail, every EACH-th one in turn, and once all from there on. A failure is
# told with exit status 1, leaves earlier results as they were or complete, and can be resumed to the undisturbed result;
# one that is not told must have done no harm.
. "$LEQUEL_SOURCE_DIR/tests/trust/data.sh"
cp "$LEQUEL_SOURCE_DIR/tests/trust/epochs.leq" . && make_data || exit 1
[ -e "$LEQUEL_LLVM_MODULE" ] || backend=--backend=loops
each=$1 failures=0
options="--experiment classes --epochs 2 --quiet ${backend-}"

clean() { # FOLDER: its results, without what holds times
    (cd "$1" && find . -type f ! -name run.json ! -name times.csv -exec cksum {} + | sort -k3)
}

fail() {
    echo "call $call: $*"
    cat stderr
    failures=$((failures + 1))
}

# Every earlier result is there, as it was or as the new run makes it; the table of scores grows while a run goes on.
intact() {
    local file
    (cd old && find . -type f ! -name run.json ! -name times.csv) | while read -r file; do
        cmp -s "old/$file" "out/$file" || cmp -s "new/$file" "out/$file" && continue
        [ "$file" = ./scores.csv ] && cmp -s out/scores.csv <(head -n "$(grep -c , out/scores.csv)" new/scores.csv) && continue
        echo "$file"
    done
}

inject() { # CALL FROM ERRNO ARGUMENT…
    call=$1
    FAIL_FROM=$2 FAIL_ERRNO=$3 FAIL_CALL=$1 FAIL_UNDER=$PWD/out LD_PRELOAD=$LEQUEL_FAIL_SHIM \
        ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 "$LEQUEL" run epochs.leq $options "${@:4}" --out out 2>stderr
    status=$?
}

check() { # what a run with an injected failure left
    case $status in
    0) [ "$(clean out)" = "$(clean new)" ] || fail "not told, and the results differ" ;;
    1) [ "$(grep -c . stderr)" -eq 1 ] && grep -q '^lequel: ' stderr || fail "expected one message" ;;
    *) fail "status $status" ;;
    esac
    "$LEQUEL" run epochs.leq $options --seed 2 $every --out out --resume 2>stderr || fail "cannot be resumed"
    [ "$(clean out)" = "$(clean new)" ] || fail "resumed to another result"
}

every="--checkpoint-every 300steps"
"$LEQUEL" run epochs.leq $options --seed 1 --out old && "$LEQUEL" run epochs.leq $options --seed 2 --out new || exit 1

# A run into a folder with earlier results.
rm -rf out && cp -r old out
FAIL_LOG=$PWD/log inject 0 0 5 --seed 2 $every
total=$(grep -c . log)
[ "$status" -eq 0 ] && [ "$total" -gt 60 ] || fail "expected a run with more than 60 calls, found $total"
for n in $(seq 1 "$each" "$total"); do
    for from in 0 1; do
        rm -rf out && cp -r old out
        inject "$n" $from $((n % 2 ? 5 : 28)) --seed 2 $every
        [ $from -eq 0 ] || [ "$status" -eq 1 ] || [ "$n" -gt $((total - 8)) ] || fail "all calls from here on fail, unnoticed"
        broken=$(intact)
        [ -z "$broken" ] || fail "an earlier result is damaged: $broken"
        check
    done
done
echo "$total calls of a run"

# A resumed one: interrupted first, so that recordings grow in place.
interrupted() {
    rm -rf out part && cp -r old out
    FAIL_CALL=$((total * 2 / 3)) FAIL_FROM=1 FAIL_ERRNO=28 FAIL_UNDER=$PWD/out LD_PRELOAD=$LEQUEL_FAIL_SHIM \
        ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 \
        "$LEQUEL" run epochs.leq $options --seed 2 $every --out out 2>stderr
    [ -e out/checkpoint ] || { echo "no checkpoint to resume from"; exit 1; }
}
interrupted
rm -f log
FAIL_LOG=$PWD/log inject 0 0 5 --seed 2 $every --resume
again=$(grep -c . log)
for n in $(seq 1 "$each" "$again"); do
    interrupted
    inject "$n" $((n % 2)) $((n % 3 ? 5 : 28)) --seed 2 $every --resume
    check
done
echo "$again calls of a resumed one"
[ $failures -eq 0 ]
