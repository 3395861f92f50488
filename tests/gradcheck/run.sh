#!/usr/bin/env bash
# lequel gradcheck: its report, its JSON, its exit statuses. ACCEPT=1 writes small.txt anew.
set -u
here=$LEQUEL_SOURCE_DIR/tests/gradcheck
work=$(mktemp -d) && cd "$work" || exit 1
trap 'rm -rf "$work"' EXIT
[ -x "${LEQUEL:-}" ] && [ -r "${LEQUEL_LLVM_MODULE:-}" ] || exit 77
failures=0

# expect STATUS 'TEXT ON STDERR' ARGUMENT…
expect() {
    local status=$1 text=$2
    shift 2
    "$LEQUEL" gradcheck "$@" >stdout 2>stderr </dev/null
    local got=$?
    if [ $got -ne "$status" ] || { [ -n "$text" ] && ! grep -qF -- "$text" stderr; } ||
        { [ "$status" -ne 0 ] && [ -n "$text" ] && [ -s stdout ]; }; then
        echo "lequel gradcheck $*: status $got, expected $status, nothing on stdout, and: $text"
        cat stdout stderr
        failures=$((failures + 1))
    fi
}

# says 'TEXT ON STDOUT'
says() {
    grep -qF -- "$1" stdout && return
    echo "it does not say: $1"
    cat stdout
    failures=$((failures + 1))
}

cp "$here/small.leq" small.leq

# The report. What is left of rounding differs between machines.
expect 0 "" small.leq
sed -E 's/ [0-9.]+e-1[0-9]$/     tiny/; s/ 0\.00e\+00$/     tiny/' stdout >masked
if [ -n "${ACCEPT:-}" ]; then
    cp masked "$here/small.txt"
elif ! diff -u "$here/small.txt" masked; then
    failures=$((failures + 1))
fi

# Principles by hand, with options; a window in time or steps.
expect 0 "" small.leq -p gle -p 'vle(gain = analytic(2))' -p 'tbptt(5 steps)' --window 3 --settle '20 steps' --batch 2
says '30 steps of 0.1 after 20, batch 2, seed 0'
says 'gle beside bptt'
says 'vle(gain = analytic(2)) beside bptt'
says 'tbptt(5 steps) beside bptt'
expect 0 "" small.leq -p le
says 'le beside bptt: does not apply: `le` needs equal time constants'
sed 's/\[1, 0.5, 0.1\]/[1, 2, 3]/' small.leq >matched.leq
expect 0 "" matched.leq -p le -p instant
if grep -q 'does not apply' stdout; then
    echo "le does apply to matched time constants"
    failures=$((failures + 1))
fi

# JSON: read with a parser where there is one.
expect 0 "" small.leq --json -p gle -p le
says '"method": "complex", "agrees": true'
says '"reason": "`le` needs equal time constants'
if command -v python3 >/dev/null; then
    python3 - <<'PYTHON' || failures=$((failures + 1))
import json
report = json.load(open("stdout"))
assert report["steps"] == 400 and report["batch"] == 8 and report["dt"] == 0.1
numeric = report["numeric"]
assert [p["parameter"] for p in numeric["parameters"]] == ["w1.W", "w1.b", "w2.W", "w2.b", "h.tau_m"]
assert all(p["deviation"] < numeric["tolerance"] for p in numeric["parameters"])
gle, le = report["principles"]
assert gle["name"] == "gle" and len(gle["parameters"]) == 5 and -1 <= gle["all"]["cosine"] <= 1
assert le["name"] == "le" and "parameters" not in le
PYTHON
fi

# Where bptt and numerical derivatives disagree the status is 1, with the report: too strict a tolerance; no gradient at
# all, since the logarithm of a silent neuron is not a number.
expect 1 "" small.leq -p gle --tolerance 1e-20
says 'DISAGREES (deviation up to 1e-20 allowed)'
sed 's/tanh/log/' small.leq >silent.leq
expect 1 "" silent.leq -p gle
says DISAGREES
expect 1 "" silent.leq -p gle --json
says '"agrees": false'
says '"deviation": null'
if command -v python3 >/dev/null; then
    python3 -m json.tool stdout >/dev/null || failures=$((failures + 1))
fi

# The file is not touched, and what is wrong is said.
sed '/ learn /d' small.leq >unlearned.leq
sed '/ cost /d' small.leq >free.leq
sed 's/tanh/tanhh/' small.leq >wrong.leq
expect 1 'the model learns nothing' unlearned.leq
expect 1 'the model has no cost' free.leq
expect 1 'E0201' wrong.leq
expect 1 'E0001' no_such_file.leq
expect 1 'did you mean `gle`?' small.leq -p glee
expect 1 'unknown gain `pover`' small.leq -p gle -p 'vle(gain = pover)'
expect 1 'needs a window' small.leq -p tbptt
expect 1 'a window of 0 steps' small.leq -p 'tbptt(window = 0 steps)'
expect 1 'missing `)`' small.leq -p 'le('
expect 2 'expected at least one step' small.leq --window 0
expect 2 'no whole number of steps' small.leq --window 0.05
expect 2 'no duration' small.leq --window long
expect 2 'unit of time' small.leq --window '5 ms'
expect 2 'out of range' small.leq --settle -1
expect 2 'expected a number above 0' small.leq --tolerance 0
expect 2 'expected a whole number' small.leq --batch 0
expect 2 'expected a whole number' small.leq --elements x
expect 2 'needs FILE'

[ $failures -eq 0 ]
