# commands.sh EACH: the other commands that write, with every EACH-th file-system call failing in turn, and once all from there
# on. A failure is told with exit status 1; a file is what it was or what it becomes; done again, all is as undisturbed.
each=$1 failures=0
model=$LEQUEL_SOURCE_DIR/models/lagline.leq
awk '{ sub(/ = /, "   =  ") } 1' "$model" >ugly.leq
"$LEQUEL" run "$model" --backend=loops --duration "40 steps" --save-states --quiet --out run || exit 1

fail() {
    echo "$name, call $call: $*"
    cat stderr
    failures=$((failures + 1))
}

clean() { (cd "$1" && find . -type f ! -name run.json ! -name times.csv ! -name '*.part' -exec cksum {} + | sort -k3); }

# What stands at the beginning: files of an earlier use, longer than what is written.
prepare() {
    rm -rf out && mkdir out && cp ugly.leq out/model.leq && cp -R run/. out/
    for file in text.txt model.c model.h analysis.svg loss.svg; do yes old | head -n 40000 >"out/$file"; done
}

inject() { # CALL FROM ERRNO ARGUMENT…
    call=$1
    FAIL_FROM=$2 FAIL_ERRNO=$3 FAIL_CALL=$1 FAIL_UNDER=$PWD/out LD_PRELOAD=$LEQUEL_FAIL_SHIM \
        ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 "$LEQUEL" "${@:4}" >stdout 2>stderr
    status=$?
}

# Every file is the old one, the new one, or a temporary one that nobody reads.
whole() {
    (cd out && find . -type f ! -name run.json ! -name times.csv ! -name '*.part') | while read -r file; do
        cmp -s "out/$file" "old/$file" || cmp -s "out/$file" "new/$file" || echo "$file"
    done
}

try() { # NAME ARGUMENT…
    name=$1
    shift
    prepare && rm -rf old new log && cp -R out old
    FAIL_LOG=$PWD/log inject 0 0 5 "$@"
    cp -R out new
    local total
    total=$(grep -c . log)
    [ "$status" -eq 0 ] && [ "$total" -gt 0 ] || fail "undisturbed: status $status, $total calls"
    for n in $(seq 1 "$each" "$total"); do
        for from in 0 1; do
            prepare
            inject "$n" $from $((n % 2 ? 5 : 28)) "$@"
            case $status in
            0) [ "$(clean out)" = "$(clean new)" ] || fail "not told, and the results differ" ;;
            1) grep -qE '^lequel: |: failed, see ' stderr || fail "expected a message" ;;
            *) fail "status $status" ;;
            esac
            broken=
            # The table of a sweep says which runs have failed; a picture is drawn of what can be read.
            [ "$name" = sweep ] || { [ $status -eq 1 ] && grep -q '^left out: ' stdout; } || broken=$(whole)
            [ -z "$broken" ] || fail "neither old nor new: $broken"
            "$LEQUEL" "$@" >stdout 2>stderr || fail "cannot be done again"
            [ "$(clean out)" = "$(clean new)" ] || fail "done again, another result"
        done
    done
    echo "$total calls of $name"
}

try derive derive "$model" --output out/text.txt
try html derive "$model" --format html --output out/text.txt
try analyze analyze "$model" --output out
try emit emit c "$model" --main --output out
try plot plot out
try fmt fmt out/model.leq
try sweep sweep "$model" -D rate=0.001,0.002 --backend loops --duration "20 steps" --jobs 1 --out out/sweep
[ $failures -eq 0 ]
