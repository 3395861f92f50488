# Mistakes that only a run can see: data that do not fit the model that they are for, first values from files, and command
# lines that contradict themselves.
. "$LEQUEL_SOURCE_DIR/tests/trust/data.sh"
cp "$LEQUEL_SOURCE_DIR/tests/trust/epochs.leq" . && make_data || exit 1
failures=0

expect() { # STATUS 'TEXT' ARGUMENT…
    local wanted=$1 text=$2
    "$LEQUEL" "${@:3}" >stdout 2>stderr </dev/null
    local status=$?
    [ $status -eq "$wanted" ] && { [ -z "$text" ] || grep -qF -- "$text" stderr; } && return
    echo "lequel ${*:3}: status $status, expected $wanted and \`$text\`: $(cat stderr)"
    failures=$((failures + 1))
}

# wrong 'SED' 'TEXT': what a run of the changed model says.
wrong() {
    sed "$1" epochs.leq >changed.leq
    cmp -s epochs.leq changed.leq && { echo "nothing is changed by $1"; failures=$((failures + 1)); }
    expect 1 "$2" run changed.leq --backend=loops --quiet --experiment "${experiment:-classes}" --out out
}

# ---- Samples.
wrong 's/label y\[3\]/label y[2]/; s/out = Leaky\[3\]/out = Leaky[2]/' 'has the class 2, but `y[2]` takes 0 to 1'
wrong 's/"x.csv", "y.csv"/"x.csv"/' 'the samples have no classes to present as `y`'
wrong 's/"tx.csv", "ty.csv"/"tx.csv", "y.csv"/' '40 samples in `tx.csv`, but 160 classes in `y.csv`'
wrong 's/x = sample,/x = sample[t],/' 'a sample has 4 values, but 40 steps of the input `x[4]` need 160'
wrong 's/y = class for/y = class(t - 100 steps) for/' '`y` is 100 steps late, but a presentation has only 40'
wrong 's/"x.csv"/"nowhere.csv"/' 'nowhere.csv: cannot be opened'
wrong 's/samples("x.csv", "y.csv")/mnist1d(split = trian)/' 'did you mean `train`?'
wrong 's/x = sample,/x = s,/; s/^  data train/  data s = ou(tau = 1)\n  data train/' '`x` is fed by a signal, which does not go with samples'
wrong 's/batch 16/batch 161/' '161'
echo 7 >one.csv
wrong 's/"x.csv"/"one.csv"/' 'one.csv'

# ---- Signals.
experiment=wave
expect 1 'a run of 90 steps is over before it has settled, after 100' \
    run epochs.leq --backend=loops --experiment wave --duration "90 steps" --out out
wrong 's/ou(tau = 10)/ou(tau = 10, sigma = 0 - 1)/; s/x = s,/x = n,/' 'changed.leq:34:12: ou: expected a finite mean and a sigma of at least 0'
wrong 's/duration 12000/duration 12001 steps/' 'one for each step, but the run has'
wrong 's/duration 12000/duration 12000\n  evaluate classes every 1 epoch/' 'E0'
sed 's/^1$/3/' classes.csv >beyond.csv
wrong 's/"classes.csv"/"beyond.csv"/; s/duration 12000/duration 1000 steps/' 'has the class 3, but `y[3]` takes 0 to 2'

# A cycle comes again, to the bit.
sed 's/x = s,/x = c,/; s/^  data n = .*/&\n  data c = cycle(smooth(n, sigma = 3 steps), period = 50 steps)/' epochs.leq >cycle.leq
expect 0 '' run cycle.leq --backend=loops --quiet --experiment wave --duration "200 steps" --record x --every 1 --out cycle
half=$((($(stat -c %s cycle/x.npy) - 128) / 2))
cmp <(tail -c $((2 * half)) cycle/x.npy | head -c $half) <(tail -c $half cycle/x.npy) || failures=$((failures + 1))
cmp -s <(tail -c $((2 * half)) cycle/x.npy | head -c $((half / 4))) <(tail -c $((half / 4)) cycle/x.npy) && { echo "a cycle that stands still"; failures=$((failures + 1)); }

expect 0 '' gradcheck epochs.leq --experiment classes
grep -q '^adjoint beside bptt' stdout || { echo "no gradients of samples"; failures=$((failures + 1)); }

# ---- First values from a file beside the model.
mkdir -p beside
awk 'BEGIN { for (i = 0; i < 12; i++) print i / 8 ",-0.5,1,2" }' >beside/first.csv
sed 's/w0: x -> h by Dense()/w0: x -> h by Linear(w0 = load("first.csv"))/; /learn all/d; /anneal/d' epochs.leq >beside/model.leq
expect 0 '' run beside/model.leq --backend=loops --quiet --experiment wave --duration "200 steps" --record w0.W --every 200 --out first
expect 0 '' run beside/model.leq --backend=loops --quiet --experiment wave --duration "200 steps" --record w0.W --every 200 \
    --init w0.W=beside/first.csv --out again
cmp first/w0.W.npy again/w0.W.npy && cmp first/loss.npy again/loss.npy || failures=$((failures + 1))
grep -q '"path": "beside/first.csv"' first/run.json || { echo "the manifest does not name the file"; failures=$((failures + 1)); }
expect 0 '' rerun first
echo 1,2,3 >>beside/first.csv
expect 1 'beside/first.csv` is not what it was then' rerun first
expect 1 'first.csv' run beside/model.leq --backend=loops --quiet --experiment wave --out first
sed -i '$d' beside/first.csv && sed -i 1d beside/first.csv
expect 1 'beside/first.csv` holds 44 numbers, but `w0.W` has 48 elements' run beside/model.leq --backend=loops --experiment wave --out first

# ---- Command lines.
sed '/^experiment/,$d' epochs.leq >alone.leq
expect 1 'has no experiment to run' run alone.leq --backend=loops
expect 1 'computes in double only' run epochs.leq --backend=reference --precision float
expect 1 '`--dynamics` names one principle' run epochs.leq --dynamics "gle(gamma = 0); dt = 1"
expect 2 'exclude each other' derive epochs.leq --format text --latex
expect 1 'no_such.leq' fmt no_such.leq
expect 1 'E01' fmt x.csv
expect 0 '' fmt --check epochs.leq
"$LEQUEL" fmt - <epochs.leq >formatted && cmp formatted epochs.leq || failures=$((failures + 1))
LEQUEL_CACHE=never "$LEQUEL" cache >stdout && grep -q 'no compiled code is kept' stdout || failures=$((failures + 1))
[ $failures -eq 0 ]
