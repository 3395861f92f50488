#!/bin/sh
# `lequel analyze`: its text for lagline and mnist1d equals the reviewed files beside this script (ACCEPT=1 rewrites
# them), its JSON and SVG are well-formed, and what is not there is said with status 1 or 2.
set -u
[ -x "${LEQUEL:-}" ] || exit 77
here=$LEQUEL_SOURCE_DIR/tests/analyze
models=$LEQUEL_SOURCE_DIR/models
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
    echo "FAILED: $1"
    failures=$((failures + 1))
}

same() { # FILE EXPECTED
    if [ "${ACCEPT:-}" = 1 ]; then
        cp "$1" "$here/$2"
    elif ! diff -u "$here/$2" "$1"; then
        fail "$2"
    fi
}

# expect STATUS 'TEXT ON STDERR' ARGUMENT…
expect() {
    status=$1 text=$2
    shift 2
    "$LEQUEL" analyze "$@" >"$work/stdout" 2>"$work/stderr"
    got=$?
    [ $got -eq "$status" ] && { [ -z "$text" ] || grep -qF -- "$text" "$work/stderr"; } && return
    cat "$work/stderr"
    fail "analyze $*: status $got, expected $status and: $text"
}

expect_line() { grep -qF -- "$1" "$work/stdout" || fail "not printed: $1"; }

for network in Plain Fourth; do # limits of explicit equations that are known on paper
    expect 0 "" "$here/explicit.leq" --network "$network"
    same "$work/stdout" "explicit.$network.txt"
done
expect 0 "" "$here/explicit.leq" --network Plain --json
expect_line '"population": "decays", "states": "u", "linear": true, "unit": 1, "eigenvalues": [[-5, 0]], "stable_below_dt": 0.4'

for name in lagline mnist1d; do
    expect 0 "" "$models/$name.leq" --output "$work/$name"
    same "$work/stdout" "$name.txt"
    awk 'length($0) > 100 { exit 1 }' "$work/stdout" || fail "$name: a line is longer than 100 columns"
    LC_ALL=C grep -q '[^ -~]' "$work/stdout" && fail "$name: not ASCII"
    [ -s "$work/$name/analysis.svg" ] || fail "$name: no figure"
    grep -q 'nan' "$work/$name/analysis.svg" && fail "$name: a figure with NaN"
    if command -v xmllint >/dev/null 2>&1; then
        xmllint --noout "$work/$name/analysis.svg" || fail "$name: the figure is no XML"
    fi
    expect 0 "" "$models/$name.leq" --json
    if command -v python3 >/dev/null 2>&1; then
        python3 -c 'import json, sys; json.load(sys.stdin)' <"$work/stdout" || fail "$name: no JSON"
    fi
done

# Another seed draws other time constants; defines reach the analysis.
expect 0 "" "$models/lagline.leq" --seed 1
grep -q '0.469' "$work/stdout" && fail "the seed is not used"
expect 0 "" "$models/mnist1d.leq" -D slow=4 -D fast=3 -D depth=2
expect_line "first, h[0]: 7 neurons each of Leaky"

# Many kinds: the text names twelve, the figure six.
expect 0 "" "$LEQUEL_SOURCE_DIR/tests/derive/units.leq" # whose messages come late
expect_line "the error's longest way has 2 populations"
cat >"$work/many.leq" <<'END'
network Many {
  dt = 0.1
  input x[1]
  population p = Leaky[20](tau_m ~ uniform(1, 9), tau_r = 0.1)
  connect w: x -> p by Linear(w0 = 1)
  dynamics gle(gamma = 0)
}
END
expect 0 "" "$work/many.leq" -o "$work/many"
expect_line "  and 8 more kinds: --json lists all, --neuron 'p[UNIT]' shows one"
expect_line "  no neuron has an error."
grep -q '(6 of 20 kinds)' "$work/many/analysis.svg" || fail "the figure shows six of many kinds"

# Parts of a model.
expect 0 "" "$models/mnist1d.leq" --neuron h
expect_line "h[0] .. h[4]: 53 neurons each of Leaky"
expect 0 "" "$models/mnist1d.leq" --neuron Leaky
expect_line "out: 10 neurons of Leaky"
expect 0 "" "$models/mnist1d.leq" --neuron 'h[1][20]' --omega 0.5 --omega 2
expect_line "    omega                       0.5        2"
grep -q 'kind 1' "$work/stdout" && fail "only one kind was asked for"
expect 0 "" "$models/mnist1d.leq" --neuron 52
grep -q '^out' "$work/stdout" && fail "out has no unit 52"
expect 1 'there is no population or neuron `hidden`; `lequel analyze FILE`' "$models/mnist1d.leq" --neuron hidden
expect 1 'there is no population or neuron `Leeky`; did you mean `Leaky`?' "$models/mnist1d.leq" --neuron Leeky
expect 1 'there is no population or neuron `h[7]`' "$models/mnist1d.leq" --neuron 'h[7]'
expect 1 'unit 53 is out of range; units are numbered from 0 to 52' "$models/mnist1d.leq" --neuron 'first[53]'
expect 1 'unit 99 is out of range' "$models/mnist1d.leq" --neuron 99
expect 2 'expected a positive number' "$models/mnist1d.leq" --omega fast
expect 2 'expected a positive number' "$models/mnist1d.leq" --omega -1
expect 2 'analyze' "$models/mnist1d.leq" "$models/lagline.leq"
expect 1 'E0001' "$work/nothing.leq"
: >"$work/file"
expect 1 "$work/file" "$models/lagline.leq" --output "$work/file"
[ -s "$work/stdout" ] && fail "text is printed though the figure could not be written"

# A circle within one step is refused, not analysed.
sed 's/dynamics gle(gamma = 1)/order sequential\n  dynamics gle(gamma = 1)/' "$models/lagline.leq" >"$work/circle.leq"
expect 1 'E0305' "$work/circle.leq"

[ "$failures" -eq 0 ] && exit 0
echo "$failures failures"
exit 1
