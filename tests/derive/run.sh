#!/bin/sh
# `lequel derive`: text, Unicode and LaTeX of the models here and of lagline and mnist1d equal the reviewed files beside
# this script. ACCEPT=1 rewrites them. LaTeX is checked for balance, HTML for its form, and each is read by another
# program too (pdflatex, xmllint) where there is one.
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

for model in "$here/worked.leq" "$here/forces.leq" "$models/lagline.leq" "$models/mnist1d.leq" "$here/units.leq"; do
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

# ---- HTML: well-formed, no script, nothing from elsewhere, every link has its end -----------------------------------

well_formed() { # every element is closed in its order; < and & stand for nothing but markup
    awk '
        { text = text $0 "\n" }
        END {
            while ((at = index(text, "<")) > 0) {
                before = substr(text, 1, at - 1)
                text = substr(text, at)
                gsub(/&(lt|gt|amp|quot|#x[0-9A-F]+);/, "", before)
                if (before ~ /[&>]/ && open[depth] != "style") exit 1
                end = index(text, ">")
                if (!end) exit 1
                tag = substr(text, 2, end - 2)
                text = substr(text, end + 1)
                name = tag
                sub(/[ \/].*/, "", name)
                if (tag ~ /^!/) continue
                if (tag ~ /^\//) { if (depth == 0 || open[depth--] != substr(tag, 2)) exit 1; continue }
                rest = tag
                while (sub(/ [a-z:-]+="[^"<>]*"/, "", rest)) { }
                if (rest != name && rest != name "/") exit 1
                if (tag !~ /\/$/) open[++depth] = name
            }
            exit depth != 0
        }' "$1"
}

check_html() { # MODEL NAME
    html=$work/$2.html
    "$LEQUEL" derive "$1" --format html -o "$html" || fail "$2.html: not derived"
    well_formed "$html" || fail "$2.html is not well-formed"
    if command -v xmllint >/dev/null 2>&1; then
        xmllint --noout --nonet "$html" || fail "$2.html: xmllint"
    fi
    grep -qi '<script\|<img\|<link\|@import\|url(\| src=' "$html" && fail "$2.html is not by itself"
    sed 's|xmlns="http://www.w3.org/1999/xhtml"||' "$html" | grep -q 'https\{0,1\}:' && fail "$2.html: an address"
    grep -o 'href="#[^"]*"' "$html" | sed 's/href="#//; s/"//' | sort -u >"$work/links"
    grep -o ' id="[^"]*"' "$html" | sed 's/ id="//; s/"//' | sort >"$work/ends"
    sort -u "$work/ends" | comm -23 "$work/links" - | grep . && fail "$2.html: a link without its end"
    uniq -d "$work/ends" | grep . && fail "$2.html: the same id twice"
    # As many equations with a place as the LaTeX has, each of them named by its line.
    places=$("$LEQUEL" derive "$1" --format latex | grep -c '\\tag\*')
    [ "$(grep '<tr id="e' "$html" | grep -c 'href="#s')" -eq "$places" ] || fail "$2.html: equations are missing"
    grep -o '<tr id="e[0-9]*".*href="#s' "$html" | sed 's/<tr id="\(e[0-9]*\)".*/\1/' | sort >"$work/from"
    grep -o '<a href="#e[0-9]*"' "$html" | sed 's/.*#//; s/"//' | sort -u >"$work/back"
    [ "$places" -gt 5 ] && cmp -s "$work/from" "$work/back" || fail "$2.html: a line does not lead back"
    prefers=$(grep -c 'prefers-color-scheme:dark' "$html")
    [ "$prefers" -gt 0 ] || fail "$2.html has no dark colours"
}

for model in "$here/worked.leq" "$here/forces.leq" "$here/locality.leq" "$here/shared.leq" "$here/awkward.leq" "$models/lagline.leq" \
    "$models/mnist1d.leq"; do
    check_html "$model" "$(basename "$model" .leq)"
done
same "$work/awkward.html" awkward.html
derive "$here/awkward.leq" --latex awkward.tex
balanced "$work/awkward.tex" || fail "awkward.tex is not balanced"
# The check itself: what is broken is found.
for wrong in '<a><b></a></b>' '<a>' '<p>x & y</p>' '<a href=x/>' '<p>1 > 2</p>'; do
    printf '%s\n' "$wrong" >"$work/wrong.html"
    well_formed "$work/wrong.html" && fail "taken for well-formed: $wrong"
done

# ---- Locality, principles --------------------------------------------------------------------------------------------

derive "$here/worked.leq" --locality worked.locality.txt
derive "$here/locality.leq" --locality locality.txt
derive "$here/shared.leq" --locality shared.txt
derive "$here/rules.leq" --locality rules.txt
derive "$here/units.leq" --locality units.locality.txt
cd "$here" && derive locality.leq "--locality --json" locality.json # which names the file as it was given
if command -v python3 >/dev/null 2>&1; then
    python3 -m json.tool "$work/locality.json" >/dev/null || fail "locality.json is no JSON"
fi
derive "$here/worked.leq" --principles worked.principles.txt
"$LEQUEL" derive "$here/worked.leq" --principles --format html >"$work/principles.html" || fail "principles as HTML"
well_formed "$work/principles.html" || fail "principles: HTML"
"$LEQUEL" derive "$here/worked.leq" --principles --latex >"$work/principles.tex" || fail "principles as LaTeX"
balanced "$work/principles.tex" || fail "principles: LaTeX"
sed 's/tau_r = 1/tau_r = 2/' "$here/worked.leq" >"$work/equal.leq"
"$LEQUEL" derive "$work/equal.leq" --principles >"$work/equal.txt" || fail "principles of equal time constants"
grep -q 'needs equal time constants' "$work/equal.txt" && fail "le is refused for equal time constants"

# ---- The step under other orders -------------------------------------------------------------------------------------

sed 's/gle(gamma = [01])/gle(gamma = 0)\n  order sequential/' "$models/mnist1d.leq" >"$work/sequential.leq"
derive "$work/sequential.leq" "" sequential.txt
sed 's/gle(gamma = 1)/instant(gamma = 1)\n  order le/' "$here/worked.leq" >"$work/held.leq"
derive "$work/held.leq" "" held.txt

# Another principle changes the condition and leaves no filter.
"$LEQUEL" derive "$here/worked.leq" --dynamics instant >"$work/instant.txt" || fail "instant"
grep -q 'lowpass(g' "$work/instant.txt" && fail "instant has a filtered error"
grep -q '0  *= A\[i\] + B\[i\]' "$work/instant.txt" || fail "instant: the condition"

[ "$failures" -eq 0 ] && exit 0
echo "$failures failures"
exit 1
