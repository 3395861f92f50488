#!/usr/bin/env bash
# gdb on a compiled model with --debug-info: it stops at a line of the model, tells it in the call stack, and knows
# arrays by name. Skipped without gdb, without the code generator, and where no process may be traced.
set -u
[ -x "${LEQUEL:-}" ] && [ -e "${LEQUEL_LLVM_MODULE:-}" ] && command -v gdb >/dev/null 2>&1 || exit 77
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export LC_ALL=C LSAN_OPTIONS=detect_leaks=0 # a leak check needs to trace as well
failures=0
model=$LEQUEL_SOURCE_DIR/models/lagline.leq
output=$(grep -n 'output r = phi' "$model" | cut -d: -f1)
connect=$(grep -n 'connect w1' "$model" | cut -d: -f1)

cat >"$work/commands" <<TEXT
set pagination off
set confirm off
set debuginfod enabled off
set breakpoint pending on
break lagline.leq:$output
break lagline.leq:$connect
run
echo \nFIRST\n
bt 2
info locals
ptype 'w1.W'
print (*'w1.W')[0][0] > 0 && (*'w1.W')[0][0] < 1
delete 1
continue
echo \nSECOND\n
bt 3
kill
TEXT
gdb -nx -batch -x "$work/commands" --args "$LEQUEL" run "$model" --duration 5 --debug-info --out "$work/out" \
    >"$work/log" 2>&1 </dev/null
if grep -qE 'ptrace|Could not trace|not permitted' "$work/log"; then exit 77; fi

wants() { # WHAT PATTERN: the log has such a line
    grep -qE "$2" "$work/log" || {
        echo "missing: $1 ($2)"
        failures=$((failures + 1))
    }
}
wants "a stop at the line of the output" "^Breakpoint 1.*lagline\.leq:$output"
wants "the line itself" "^$output.*output r = phi"
wants "the entry by name" "^#0 .*train .*lagline\.leq:$output"
for array in x s0.u s1.tau_m w0.W w0.W.adam.m cost; do wants "array $array" "^$array = .*0x"; done
wants "extents of an array" "^type = float \(\*\)\[8\]\[16\]"
wants "a value of an array" '^[$][0-9]+ = 1'
wants "a stop at the line of a connection" "^Breakpoint 2.*lagline\.leq:$connect"
wants "a kernel and the entry that called it" "^#1 .*train .*lagline\.leq:$connect|^#0 .*train .*lagline\.leq:$connect"

# The same bits with debug information as without.
for how in "" --debug-info; do
    # shellcheck disable=SC2086 # none or one word
    "$LEQUEL" run "$model" --duration 5 $how --quiet --out "$work/out$how" || failures=$((failures + 1))
done
for file in "$work"/out/*.npy "$work"/out/final/*.npy; do
    cmp "$file" "$work/out--debug-info/${file#"$work/out/"}" || failures=$((failures + 1))
done
[ $failures -eq 0 ] || tail -n 60 "$work/log"
[ $failures -eq 0 ]
