# kills.sh COUNT: kills runs by SIGKILL at random moments and resumes them, COUNT times in all. Final weights, scores and
# recordings must equal those of an undisturbed run, bit for bit.
. "$LEQUEL_SOURCE_DIR/tests/trust/data.sh"
cp "$LEQUEL_SOURCE_DIR/tests/trust/epochs.leq" . && make_data || exit 1
count=$1 failures=0
RANDOM=${SEED:-1}

# same FOLDER FOLDER: the same files with the same bytes, but for what holds times
same() {
    local left right
    left=$(cd "$1" && find . -type f ! -name run.json ! -name times.csv -exec cksum {} + | sort -k3)
    right=$(cd "$2" && find . -type f ! -name run.json ! -name times.csv -exec cksum {} + | sort -k3)
    [ "$left" = "$right" ] || { diff <(echo "$left") <(echo "$right"); return 1; }
}

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# killed KILLS ARGUMENT…: a run that is killed so often, at any time that it takes
killed() {
    local kills=$1 most done_kills=0 child status resumed=0
    shift
    rm -rf whole torn
    most=$(milliseconds)
    "$LEQUEL" run epochs.leq "$@" --quiet --out whole --checkpoint-every "$every" || return 1
    most=$(($(milliseconds) - most + 20))
    # On a busy machine few kills may come too early for a checkpoint: some more, then.
    while [ $done_kills -lt "$kills" ] || { [ $resumed -eq 0 ] && [ $done_kills -lt $((kills + 20)) ]; }; do
        "$LEQUEL" run epochs.leq "$@" --quiet --out torn --resume --checkpoint-every "$every" 2>stderr &
        child=$!
        sleep "$(awk -v ms=$((RANDOM % most + 20)) 'BEGIN { print ms / 1000 }')"
        kill -KILL $child 2>/dev/null
        wait $child 2>/dev/null
        status=$?
        case $status in
        137) done_kills=$((done_kills + 1)) ;;
        0) same whole torn || return 1; rm -rf torn ;; # it was faster: once more from the beginning
        *) echo "status $status"; cat stderr; return 1 ;;
        esac
        [ -e torn/checkpoint ] && resumed=$((resumed + 1))
    done
    "$LEQUEL" run epochs.leq "$@" --quiet --out torn --resume --checkpoint-every "$every" || return 1
    echo "$*: $done_kills kills, $resumed times with a checkpoint"
    [ $resumed -gt 0 ] || { echo "no kill left a checkpoint, so this says nothing"; return 1; }
    same whole torn || return 1
    [ ! -e torn/checkpoint ] && [ -z "$(find torn -name '*.part')" ] || { echo "left over:"; ls torn; return 1; }
}

if [ -e "$LEQUEL_LLVM_MODULE" ]; then
    backend="" epochs=150 duration=6000
else
    backend="--backend=loops" epochs=4 duration=600
fi
every="1100 steps"
killed $((count * 4 / 10)) $backend --experiment classes --epochs $epochs --seed 3 || failures=$((failures + 1))
every="397 steps"
killed $((count * 3 / 10)) $backend --experiment wave --duration "$duration steps" || failures=$((failures + 1))
every="0.1 s"
killed $((count * 2 / 10)) $backend --precision double --experiment classes --epochs $epochs \
    --record out.error --every 3 || failures=$((failures + 1))
every="50 steps"
killed $((count / 10)) --backend=reference --experiment classes --epochs 3 || failures=$((failures + 1))
[ $failures -eq 0 ]
