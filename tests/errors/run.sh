#!/bin/sh
# Wrong models and wrong command lines: what is said about each, word for word.
#   NAME.leq       the model; `lequel check NAME.leq` reads it, or the command line of NAME.args
#   NAME.expected  all that the tool prints; ACCEPT=1 writes it anew, to be read before it is committed
# Exit status: 2 for command_*, 0 for warning_*, otherwise 1. The tool may write no file. Every code of diagnostics.def
# must occur, and docs/diagnostics.md must say what `lequel explain --all` says.
set -u
LC_ALL=C
export LC_ALL
[ -x "${LEQUEL:-}" ] || exit 77
cases=$LEQUEL_SOURCE_DIR/tests/errors
page=$LEQUEL_SOURCE_DIR/docs/diagnostics.md
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
    echo "$1"
    failures=$((failures + 1))
}

cp -R "$cases" "$work/cases" && cd "$work/cases" || exit 1
rm -f ./*.expected
mkdir generated && {
    echo "# More than 8 MiB."
    head -c 9000000 /dev/zero | tr '\0' '\n'
} >generated/large.leq
find . | sort >../before

limit=
command -v timeout >/dev/null 2>&1 && limit="timeout 60"

for name in $(ls ./*.leq ./*.args | sed 's,^\./,,; s,\.[a-z]*$,,' | sort -u); do
    arguments="check $name.leq"
    if [ -f "$name.args" ]; then arguments=$(cat "$name.args"); fi
    # shellcheck disable=SC2086 # arguments are words
    NO_COLOR=1 $limit "$LEQUEL" $arguments >../output 2>&1 </dev/null
    status=$?
    case $name in
    command_*) wanted=2 ;;
    warning_*) wanted=0 ;;
    *) wanted=1 ;;
    esac
    if [ "$status" -ne "$wanted" ]; then fail "$name: exit status $status, expected $wanted"; fi
    if [ "${ACCEPT:-0}" = 1 ]; then
        cp ../output "$cases/$name.expected"
    elif ! cmp -s ../output "$cases/$name.expected"; then
        fail "$name: lequel $arguments"
        diff -u "$cases/$name.expected" ../output | tail -n +3
    fi
done

find . | sort >../after
cmp -s ../before ../after || fail "the tool wrote files: $(comm -13 ../before ../after)"

# No false alarm: models that are shipped bring no warning, in any of their versions.
for model in "$LEQUEL_SOURCE_DIR"/models/*.leq "$LEQUEL_SOURCE_DIR"/models/golden/*.leq; do
    [ "$(basename "$model")" != prelude.leq ] || continue
    "$LEQUEL" check "$model" >../output 2>&1 || fail "$model has errors"
    ! grep -q 'warning\[' ../output || { fail "$model: a warning"; cat ../output; }
done

for stale in "$cases"/*.expected; do
    name=$(basename "$stale" .expected)
    [ -f "$name.leq" ] || [ -f "$name.args" ] || fail "$name.expected belongs to no case"
done

for code in $(sed -n 's/^DIAGNOSTIC(\([EW][0-9]*\),.*/\1/p' "$LEQUEL_SOURCE_DIR/compiler/diagnostics.def"); do
    grep -q "\[$code\]" "$cases"/*.expected || fail "no case produces $code"
done

# The example of a diagnostic produces it.
for code in $(sed -n 's/^DIAGNOSTIC(\([EW][0-9]*\),.*/\1/p' "$LEQUEL_SOURCE_DIR/compiler/diagnostics.def"); do
    "$LEQUEL" explain "$code" | sed -n 's/^    //p; s/^$//p' >../example.leq
    grep -q . ../example.leq || continue
    "$LEQUEL" run --dump=step ../example.leq >../output 2>&1 </dev/null
    grep -q "\[$code\]" ../output || fail "the example of $code does not produce it"
done

"$LEQUEL" explain --all >../page || fail "lequel explain --all failed"
if [ "${ACCEPT:-0}" = 1 ]; then
    cp ../page "$page"
elif ! cmp -s ../page "$page"; then
    fail "docs/diagnostics.md is not what \`lequel explain --all\` prints; ACCEPT=1 writes it"
    diff -u "$page" ../page | head -n 20
fi

[ $failures -eq 0 ]
