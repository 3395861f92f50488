# A checkpoint and a .npy with single bytes changed, and a checkpoint cut short at every length.
. "$LEQUEL_SOURCE_DIR/tests/trust/data.sh"
cp "$LEQUEL_SOURCE_DIR/tests/trust/epochs.leq" . && make_data || exit 1
backend=
[ -e "$LEQUEL_LLVM_MODULE" ] || backend=--backend=loops
options="--experiment classes --epochs 3000 --quiet $backend --out out"
"$LEQUEL" run epochs.leq $options --checkpoint-every "100 steps" &
child=$!
for _ in $(seq 400); do
    [ -e out/checkpoint ] && break
    sleep 0.02
done
kill -TERM $child
wait $child
"$LEQUEL_CORRUPT" out/checkpoint out/h.u.npy "${CHANGES:-10000}" || exit 1
cp out/checkpoint whole
size=$(stat -c %s whole)
for length in 0 1 15 16 100 $((size / 2)) $((size - 8)) $((size - 1)); do
    head -c "$length" whole >out/checkpoint
    "$LEQUEL" run epochs.leq $options --resume 2>stderr
    [ $? -eq 1 ] && [ "$(grep -c '^lequel: out/checkpoint: is ' stderr)" -eq 1 ] || { cat stderr; echo "length $length"; exit 1; }
done
cp whole out/checkpoint && printf x >>out/checkpoint
"$LEQUEL" run epochs.leq $options --resume 2>stderr && exit 1
# Recordings that are missing or shorter than the checkpoint says.
cp whole out/checkpoint && cp out/loss.npy loss.npy && rm out/loss.npy
"$LEQUEL" run epochs.leq $options --resume 2>stderr && exit 1
grep -q 'out/loss.npy: cannot be written: No such file' stderr || { cat stderr; exit 1; }
head -c 130 loss.npy >out/loss.npy
"$LEQUEL" run epochs.leq $options --resume 2>stderr && exit 1
grep -q 'has 130 bytes, but the checkpoint was made when it had' stderr || { cat stderr; exit 1; }
