#!/bin/bash
# Emitted C on other processors: LagLine on a Cortex-M3 without an operating system, on aarch64 and riscv64, with the very
# trace of the host, and noise on the latter; how fast vectors are; then 300 random models instead of 40.
# `./bootstrap test --long` installs the compilers and emulators.
set -u
[ -x "${LEQUEL:-}" ] || exit 77
here=$LEQUEL_SOURCE_DIR/tests/emit
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
bits=-ffp-contract=off

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

for tool in arm-none-eabi-gcc qemu-system-arm aarch64-linux-gnu-gcc qemu-aarch64 riscv64-linux-gnu-gcc qemu-riscv64; do
    command -v $tool >/dev/null 2>&1 || fail "$tool is not installed"
done

core="-mcpu=cortex-m3 -mthumb -Os"
"$LEQUEL" emit c "$LEQUEL_SOURCE_DIR/models/lagline.leq" --deterministic -o "$work" \
    --measure "arm-none-eabi-gcc -ffreestanding $core" >"$work/said" || fail "no sizes of the model"
read -r flash memory <<<"$(sed -n 's/^flash: \([0-9]*\) .*; memory: \([0-9]*\) .*/\1 \2/p' "$work/said")"
${LEQUEL_CC:-cc} -std=gnu99 -O2 $bits -I"$work" "$here/cortex-m3.c" "$work/model.c" -o "$work/host" -lm || fail "the host's program"
"$work/host" >"$work/host.txt"
[ "$(wc -l <"$work/host.txt")" -eq 13 ] || fail "the host's trace"
[ "$(sort -u "$work/host.txt" | wc -l)" -eq 13 ] || fail "nothing happens in the trace"

# ---- Cortex-M3 ------------------------------------------------------------------------------------------------------

# shellcheck disable=SC2086 # lists of words
{
    arm-none-eabi-gcc -std=c99 $warnings -ffreestanding $core $bits -c "$work/model.c" -o "$work/model.o" &&
        arm-none-eabi-gcc -std=gnu99 $core -I"$work" "$here/cortex-m3.c" "$work/model.o" -nostartfiles --specs=rdimon.specs \
            -T "$here/cortex-m3.ld" -o "$work/image" -lm
} || fail "the image for a Cortex-M3"
timeout 300 qemu-system-arm -M lm3s6965evb -nographic -semihosting-config enable=on,target=native -kernel "$work/image" \
    >"$work/arm.txt" 2>/dev/null </dev/null || fail "the image does not run"
cmp "$work/arm.txt" "$work/host.txt" || fail "a Cortex-M3 computes something else"
size=$(arm-none-eabi-nm -S "$work/image" | sed -n 's/^[0-9a-f]* \([0-9a-f]*\) . model$/\1/p')
[ "$((16#$size))" -eq "$memory" ] || fail "the struct has $((16#$size)) bytes, not $memory as was said"
[ "$flash" -eq "$(arm-none-eabi-size "$work/model.o" | awk 'NR == 2 { print $1 }')" ] || fail "$flash bytes of flash were said"
[ "$flash" -lt 16384 ] || fail "the model takes more than 16 KiB of flash"
echo "LagLine on a Cortex-M3: $flash bytes of flash, $memory of memory"

# ---- 64-bit processors ----------------------------------------------------------------------------------------------

for machine in aarch64 riscv64; do
    for level in -O0 -O3; do
        # shellcheck disable=SC2086
        $machine-linux-gnu-gcc -std=c99 $warnings $level $bits -c "$work/model.c" -o "$work/model.o" &&
            $machine-linux-gnu-gcc -std=gnu99 -static -I"$work" "$here/cortex-m3.c" "$work/model.o" -o "$work/image" -lm ||
            fail "the program for $machine"
        qemu-$machine "$work/image" >"$work/other.txt" || fail "the program for $machine does not run"
        cmp "$work/other.txt" "$work/host.txt" || fail "$machine computes something else at $level"
    done
done

# Vectors of another processor: the driver's recordings.
model=$LEQUEL_SOURCE_DIR/models/golden/d2.leq
input=$LEQUEL_SOURCE_DIR/tests/golden/d2.input.csv
"$LEQUEL" emit c "$model" --deterministic --simd --batch 2 --main --quiet -o "$work/simd"
for compiler in "${LEQUEL_CC:-cc}" "aarch64-linux-gnu-gcc -static" "riscv64-linux-gnu-gcc -static"; do
    # shellcheck disable=SC2086
    $compiler -std=c99 $warnings -O2 $bits -DMODEL_TABLE "$work"/simd/*.c -o "$work/image" -lm || fail "$compiler, with vectors"
    case $compiler in *aarch64*) run=qemu-aarch64 ;; *riscv64*) run=qemu-riscv64 ;; *) run= ;; esac
    $run "$work/image" --input x="$input" --input y="$input" --record out.r,cost,out.error >"$work/other.csv" || fail "$compiler: no run"
    [ -e "$work/host.csv" ] || cp "$work/other.csv" "$work/host.csv"
    cmp "$work/other.csv" "$work/host.csv" || fail "$compiler, with vectors: something else is computed"
done
[ "$(wc -l <"$work/host.csv")" -gt 100 ] || fail "the host's recording"

# One pass over each matrix, of a single sample: the golden trajectory.
model=$LEQUEL_SOURCE_DIR/models/golden/b1.leq
golden=$LEQUEL_SOURCE_DIR/tests/golden/b1
records=$(sed -n 's/^  record \(.*\) every.*/\1/p' "$model" | tr -d ' ' | paste -sd,)
"$LEQUEL" emit c "$model" --simd --main --quiet -o "$work/passes"
for compiler in "${LEQUEL_CC:-cc}" "aarch64-linux-gnu-gcc -static" "riscv64-linux-gnu-gcc -static"; do
    # shellcheck disable=SC2086
    $compiler -std=c99 $warnings -O2 -DMODEL_TABLE "$work"/passes/*.c -o "$work/image" -lm || fail "$compiler, one sample in vectors"
    case $compiler in *aarch64*) run=qemu-aarch64 ;; *riscv64*) run=qemu-riscv64 ;; *) run= ;; esac
    $run "$work/image" --input x="$golden.input.csv" --input y="$golden.input.csv" --record "$records" --out "$work/passes" ||
        fail "$compiler: no run of one sample in vectors"
    "$LEQUEL_BINARY_DIR/tests/golden-compare" "$work/passes" "$golden.state.csv.gz" "$golden.params.csv.gz" ||
        fail "$compiler: one sample in vectors"
done

# Noise of other processors, in double and in integers: the same numbers from the same seed.
names=jumping.noise,h.noise2,jumping.u,h.u
for form in --deterministic --fixed=Q8.24; do
    rm -rf "$work/noise" "$work/host.csv"
    "$LEQUEL" emit c "$here/noise.leq" $form --batch 3 --main --quiet -o "$work/noise" || fail "noise, $form"
    for compiler in "${LEQUEL_CC:-cc}" "aarch64-linux-gnu-gcc -static" "riscv64-linux-gnu-gcc -static"; do
        # shellcheck disable=SC2086
        $compiler -std=c99 -O2 $bits -DMODEL_TABLE -DMODEL_REFERENCE_TABLE "$work"/noise/*.c -o "$work/image" -lm ||
            fail "$compiler, with noise, $form"
        case $compiler in *aarch64*) run=qemu-aarch64 ;; *riscv64*) run=qemu-riscv64 ;; *) run= ;; esac
        $run "$work/image" --steps 200 --seed 3 --record $names >"$work/other.csv" || fail "$compiler: no run with noise"
        [ -e "$work/host.csv" ] || cp "$work/other.csv" "$work/host.csv"
        cmp "$work/other.csv" "$work/host.csv" || fail "$compiler, $form: other noise"
    done
    [ "$(cut -d, -f2- "$work/host.csv" | sort -u | wc -l)" -eq 201 ] || fail "the host's noise, $form"
done
# shellcheck disable=SC2086
arm-none-eabi-gcc -std=c99 $warnings -ffreestanding $core $bits -c "$work/noise/model.c" -o "$work/model.o" ||
    fail "noise in fixed point for a Cortex-M3"

# ---- Speed ----------------------------------------------------------------------------------------------------------

# Vectors keep up with machine code; 0.9 is asserted in a quiet moment (docs/emit.md), here whatever else the machine does.
bench=$LEQUEL_BINARY_DIR/tests/bench_emit
if [ -e "$LEQUEL_BINARY_DIR/lequel-llvm.so" ]; then
    "$bench" rounds=15 floor=0.7 || fail "emitted vectors are slow"
fi

[ "$failures" -eq 0 ] || { echo "$failures failures"; exit 1; }
bash "$here/run.sh" 300
