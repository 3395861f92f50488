# NaN and infinity end a run, with the place where they arose.
. "$LEQUEL_SOURCE_DIR/tests/trust/data.sh"
cp "$LEQUEL_SOURCE_DIR/tests/trust/epochs.leq" . && make_data || exit 1
backend= failures=0
[ -e "$LEQUEL_LLVM_MODULE" ] || backend=--backend=loops

cat >blow.leq <<'END'
network Blow(rate = 1e6) {
  dt = 0.5
  input x[2]
  target y[2]
  population h = Leaky[3](tau_m = 2, tau_r = 1, phi = linear)
  population out = Leaky[2](tau_m = 1, tau_r = 1)
  connect w0: x -> h by Dense()
  connect w1: h -> out by Dense()
  cost mse(out.r, y)
  dynamics gle(gamma = 0)
  learn all by sgd(rate)
}
experiment e {
  data s = sines(frequencies = [0.1, 0.3], phases = random)
  present x = s, y = s
  batch 5
  duration 3000
  record out.u, cost every 1 step
}
END

# expect STATUS FILE ARGUMENT… <<TEXTS: a line each that must be said
expect() {
    local wanted=$1 text
    "$LEQUEL" run "${@:2}" --quiet >stdout 2>stderr
    local status=$?
    [ $status -eq "$wanted" ] || { echo "${*:2}: status $status: $(cat stderr)"; failures=$((failures + 1)); }
    while read -r text; do
        grep -qF -- "$text" stderr || { echo "${*:2}: not said: $text"; cat stderr; failures=$((failures + 1)); }
    done
}

for one in "--backend=reference" "--backend=loops --precision double" "$backend --precision double"; do
    expect 1 blow.leq $one --out out --trap 1 <<'END'
in step
by w
from blow.leq:
w1.W =
END
    step=$(sed -n 's/.* in step \([0-9]*\)$/\1/p' stderr)
    [ "$step" = "${first:=$step}" ] || { echo "$one: step $step instead of $first"; failures=$((failures + 1)); }
    # The records end with the step before the one that was looked at first.
    rows=$(head -c 128 out/cost.npy | grep -ao "'shape': ([0-9]*" | grep -o '[0-9]*$')
    [ "$rows" -eq $((step + 1)) ] || { echo "$rows records, step $step"; failures=$((failures + 1)); }
done
grep -q '"status": "failed"' out/run.json && grep -q '"reason": ".* in step' out/run.json || { echo "no reason in run.json"; failures=$((failures + 1)); }
expect 1 blow.leq $backend --out out --trap 10 <<'END'
between the steps 0 and 9; `--trap 1` finds the first one
END
expect 1 blow.leq $backend --out out <<'END'
between the steps 0 and 999
END
expect 1 blow.leq $backend --out out --duration "20 steps" <<'END'
between the steps 0 and 19
END
expect 0 blow.leq $backend --out out --trap never </dev/null
expect 2 blow.leq --trap 0 <<<'expected a whole number from 1 on'
expect 0 epochs.leq $backend --experiment classes --epochs 1 --out fine --trap 1 </dev/null
expect 0 epochs.leq $backend --experiment classes --epochs 1 --out same --trap never </dev/null
cmp fine/final/w1.W.npy same/final/w1.W.npy || failures=$((failures + 1))
[ $failures -eq 0 ]
