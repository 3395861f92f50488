#!/bin/sh
# `lequel derive`: text, Unicode and LaTeX of the models here and of lagline and mnist1d equal the reviewed files beside
# this script. ACCEPT=1 rewrites them. LaTeX is compiled where there is a pdflatex, and checked for balance otherwise.
set -u
[ -x "${LEQUEL:-}" ] || exit 77
here=$LEQUEL_SOURCE_DIR/tests/derive
models=$LEQUEL_SOURCE_DIR/models
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
    echo "FAILED: $1"
    failures=$((failures + 1))
}

# same FILE EXPECTED: equal, or accepted as the new expectation.
same() {
    if [ "${ACCEPT:-}" = 1 ]; then
        cp "$1" "$here/$2"
    elif ! diff -u "$here/$2" "$1"; then
        fail "$2"
    fi
}

# Every { has its }, every \left its \right, every environment its end.
balanced() {
    awk '
        {
            line = $0
            gsub(/\\[{}]/, "", line)
            braces += gsub(/[{]/, "", line) - gsub(/[}]/, "", line)
            if (braces < 0) exit 1
            pairs += gsub(/\\left/, "") - gsub(/\\right/, "")
            rest = $0
            while (match(rest, /\\(begin|end)[{][a-z*]+[}]/)) {
                word = substr(rest, RSTART, RLENGTH)
                rest = substr(rest, RSTART + RLENGTH)
                name = word
                sub(/.*[{]/, "", name)
                if (word ~ /begin/) open[++depth] = name
                else if (depth == 0 || open[depth--] != name) exit 1
            }
        }
        END { exit braces != 0 || pairs != 0 || depth != 0 }' "$1"
}

derive() { # MODEL OPTION EXPECTED
    "$LEQUEL" derive "$1" $2 >"$work/$3" 2>"$work/stderr" || { cat "$work/stderr"; fail "$3: not derived"; return; }
    same "$work/$3" "$3"
}

for model in "$here/worked.leq" "$here/forces.leq" "$models/lagline.leq" "$models/mnist1d.leq"; do
    name=$(basename "$model" .leq)
    derive "$model" "" "$name.txt"
    derive "$model" --unicode "$name.unicode.txt"
    derive "$model" --latex "$name.tex"
    LC_ALL=C grep -q '[^ -~]' "$work/$name.txt" && fail "$name.txt is not ASCII"
    LC_ALL=C grep -q '[^ -~]' "$work/$name.tex" && fail "$name.tex is not ASCII"
    balanced "$work/$name.tex" || fail "$name.tex is not balanced"
    if command -v pdflatex >/dev/null 2>&1; then
        (cd "$work" && pdflatex -interaction=nonstopmode -halt-on-error "$name.tex" >"$name.said" 2>&1) ||
            { tail -n 20 "$work/$name.said"; fail "$name.tex does not compile"; }
        grep 'Overfull' "$work/$name.said" && fail "$name.tex: a line is too wide"
    fi
done

# Another principle changes the condition and leaves no filter.
"$LEQUEL" derive "$here/worked.leq" --dynamics instant >"$work/instant.txt" || fail "instant"
grep -q 'lowpass(g' "$work/instant.txt" && fail "instant has a filtered error"
grep -q '0  *= A\[i\] + B\[i\]' "$work/instant.txt" || fail "instant: the condition"

[ "$failures" -eq 0 ] && exit 0
echo "$failures failures"
exit 1
