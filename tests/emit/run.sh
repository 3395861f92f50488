#!/bin/bash
# Emitted C: builds without a warning, replays the golden trajectories, and computes what a program computes.
#   $1: number of random models (40)
set -u
[ -x "${LEQUEL:-}" ] || exit 77
tests=$LEQUEL_BINARY_DIR/tests
here=$LEQUEL_SOURCE_DIR/tests/emit
golden=$LEQUEL_SOURCE_DIR/tests/golden
models=$LEQUEL_SOURCE_DIR/models
random=${1:-40}
[ -x "$tests/emit-compare" ] || { echo "emit-compare is not built"; exit 1; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
compilers=""
for compiler in gcc clang; do command -v $compiler >/dev/null 2>&1 && compilers="$compilers $compiler"; done
compilers=${compilers# }
first=${compilers%% *}
[ -n "$compilers" ] || { echo "neither gcc nor clang is there"; exit 77; }
jit=loops
[ -e "$LEQUEL_BINARY_DIR/lequel-llvm.so" ] && jit=jit

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

emit() { # folder options…: a quiet `lequel emit c`
    local folder=$1
    shift
    "$LEQUEL" emit c --quiet -o "$folder" "$@" || fail "emit c $*"
}

build() { # folder compiler-and-flags…: the model as a shared library with its table
    local folder=$1
    shift
    # shellcheck disable=SC2086 # lists of words
    "$@" -std=c99 $warnings -shared -fPIC -DMODEL_TABLE "$folder/model.c" -o "$folder/model.so" -lm ||
        fail "$* does not compile $folder"
}

compare() { # model folder options…
    "$tests/emit-compare" "$1" "$2/model.so" "${@:3}" >"$work/said" 2>&1 || { fail "$*"; cat "$work/said"; }
}

compiler_number() { # n: one of the compilers there are, with a level
    # shellcheck disable=SC2086 # a list of words
    set -- $1 $compilers
    local n=$1
    shift
    eval "local which=\${$((n % $# + 1))}"
    case $((n / $# % 2)) in 0) echo "$which -O0" ;; *) echo "$which -O3" ;; esac
}

# ---- Every compiler is content with every file, as C99 and as C++17 ------------------------------------------------

check_warnings() { # folder flags…
    local folder=$1 compiler file
    shift
    for compiler in $compilers; do
        for file in "$folder"/*.c; do
            # shellcheck disable=SC2086
            $compiler -std=c99 $warnings -O2 "$@" -DMODEL_TABLE -c "$file" -o "$work/object.o" || fail "$compiler, C99: $file"
            # shellcheck disable=SC2086
            case $compiler in
            gcc) command -v g++ >/dev/null 2>&1 || continue ;;
            clang) printf '#include <cstddef>\n' | clang -x c++ -std=c++17 -E - >/dev/null 2>&1 || continue ;;
            esac
            # shellcheck disable=SC2086
            $compiler -x c++ -std=c++17 $warnings -O2 "$@" -DMODEL_TABLE -c "$file" -o "$work/object.o" ||
                fail "$compiler, C++17: $file"
        done
    done
}

for options in "" "--batch 3 --precision float" "--inference" "--deterministic --batch 2" "--simd --batch 5" \
    "--simd --precision float"; do
    echo "names.leq $options"
    # shellcheck disable=SC2086
    emit "$work/names" "$here/names.leq" --main $options
    check_warnings "$work/names"
done
emit "$work/names" "$here/names.leq" --main
for compiler in $compilers; do
    # shellcheck disable=SC2086
    $compiler -std=c99 $warnings -O2 -ffreestanding -c "$work/names/model.c" -o "$work/object.o" || fail "$compiler, freestanding"
done
grep -n '[^ -~]' "$work"/names/*.[ch] && fail "something else than printable ASCII was written"

# ---- Golden trajectories --------------------------------------------------------------------------------------------

for model in "$models"/golden/*.leq; do
    case=$(basename "$model" .leq)
    records=$(sed -n 's/^  record \(.*\) every.*/\1/p' "$model" | tr -d ' ' | paste -sd,)
    batch=$(sed -n 's/^  batch \([0-9]*\).*/\1/p' "$model")
    for mode in "" --simd --deterministic; do
        compiler=$first
        [ "$mode" = --deterministic ] && compiler=${compilers##* }
        echo "$case, $compiler $mode"
        folder=$work/$case
        # shellcheck disable=SC2086
        emit "$folder" "$model" --main --batch "${batch:-1}" $mode
        # shellcheck disable=SC2086
        $compiler -std=c99 $warnings -O2 -DMODEL_TABLE "$folder"/*.c -o "$folder/model" -lm || fail "$case does not compile"
        input=$golden/$case.input.csv
        "$folder/model" --input x="$input" --input y="$input" --record "$records" --out "$folder" || fail "$case does not run"
        "$tests/golden-compare" "$folder" "$golden/$case.state.csv.gz" "$golden/$case.params.csv.gz" >"$work/said" 2>&1 ||
            { fail "$case, $compiler $mode"; tail -n 5 "$work/said"; }
    done
done

# ---- The models, all compilers and levels ---------------------------------------------------------------------------

defines() { # of a model that would take too long as it is
    case $(basename "$1") in mnist1d.leq) echo "depth=3 slow=4 fast=3" ;; esac
}

models_done=0
every_build() { [ "$random" -gt 40 ] || [ "${compilers% *}" = "$compilers" ]; } # in the long tier, or with one compiler only

every_name() { # model options…: the names of all arrays, separated by commas
    "$LEQUEL" inspect "$@" | awk 'NR > 1 && NF == 0 { exit } NR > 1 { print $1 }' | paste -sd,
}

for model in "$models"/*.leq "$models"/golden/*.leq "$here/names.leq" "$here/noise.leq"; do
    case $(basename "$model") in prelude.leq) continue ;; esac
    more="" same=""
    for define in $(defines "$model"); do more="$more -D $define" same="$same define=$define"; done
    echo "$(basename "$model")$more"
    number=0 turn=0
    for precision in double float; do
        # shellcheck disable=SC2086
        emit "$work/model" "$model" --deterministic --batch 3 --precision $precision $more
        for compiler in $compilers; do
            for level in -O0 -O3; do
                case $level$model in -O0*/golden/*) continue ;; esac # the others have shown what there is to see
                odd=$(((turn ^ turn >> 1 ^ turn >> 2) & 1)) # each compiler and level once, in one of the precisions
                turn=$((turn + 1))
                every_build || [ $odd -eq 1 ] || continue
                build "$work/model" "$compiler" $level -ffp-contract=off
                # shellcheck disable=SC2086
                compare "$model" "$work/model" batch=3 deterministic precision=$precision backend=$jit steps=200 seed=$number $same
                number=$((number + 1))
            done
        done
    done
    # shellcheck disable=SC2086
    names=$(every_name "$model" $more)
    # shellcheck disable=SC2086
    emit "$work/model" "$model" --record "$names" $more
    # shellcheck disable=SC2086
    build "$work/model" $first -O3 -ffp-contract=fast -march=native
    for backend in $jit reference; do
        # shellcheck disable=SC2086
        compare "$model" "$work/model" backend=$backend bound=1e-9 steps=200 record="$names" $same
    done
    models_done=$((models_done + 1)) turn=$models_done
    for compiler in $compilers; do # samples in vectors with one of them, a single one with the other
        turn=$((turn + 1))
        if every_build || [ $((turn % 2)) -eq 0 ]; then
            # shellcheck disable=SC2086
            emit "$work/model" "$model" --simd --batch 19 $more
            build "$work/model" "$compiler" -O3 -march=native
            # shellcheck disable=SC2086
            compare "$model" "$work/model" batch=19 backend=$jit bound=1e-9 steps=200 $same
        fi
        every_build || [ $((turn % 2)) -eq 1 ] || continue
        # shellcheck disable=SC2086
        emit "$work/model" "$model" --simd --record "$names" $more # one pass over each matrix
        build "$work/model" "$compiler" -O3 -march=native -ffp-contract=fast
        # shellcheck disable=SC2086
        compare "$model" "$work/model" backend=$jit bound=1e-9 steps=200 record="$names" $same
    done
done

# Blocks of large matrices.
emit "$work/model" "$here/wide.leq" --simd --batch 19 --deterministic --precision float
build "$work/model" "$first" -O3 -march=native -ffp-contract=off
compare "$here/wide.leq" "$work/model" batch=19 deterministic precision=float backend=$jit steps=20
emit "$work/model" "$here/wide.leq" --simd
build "$work/model" "${compilers##* }" -O3 -march=native
compare "$here/wide.leq" "$work/model" backend=$jit bound=1e-9 steps=20

# ---- Random models --------------------------------------------------------------------------------------------------

echo "$random random models"
for seed in $(seq 1 "$random"); do
    [ -x "$tests/test_models" ] || { echo "without cmocka: random models are not compared"; break; }
    model=$work/random.leq
    "$tests/test_models" "$seed" >"$model"
    batch=$(sed -n 's/^# batch //p' "$model")
    precision=double
    [ $((seed % 3)) -eq 0 ] && precision=float
    simd=""
    [ $((seed % 4)) -eq 1 ] && simd=--simd
    # shellcheck disable=SC2086
    emit "$work/random" "$model" --deterministic --batch "$batch" --precision $precision $simd
    # shellcheck disable=SC2046
    build "$work/random" $(compiler_number "$seed") -ffp-contract=off
    before=$failures
    compare "$model" "$work/random" batch="$batch" deterministic precision=$precision backend=$jit steps=200 seed="$seed"
    if [ $((seed % 5)) -eq 0 ]; then
        names=$(every_name "$model")
        emit "$work/random" "$model" --batch "$batch" --record "$names"
        build "$work/random" "$first" -O3
        compare "$model" "$work/random" batch="$batch" backend=reference bound=1e-9 steps=200 seed="$seed" record="$names"
    fi
    if [ $((seed % 5)) -eq 2 ]; then
        emit "$work/random" "$model" --simd
        # shellcheck disable=SC2046
        build "$work/random" $(compiler_number "$seed") -march=native
        compare "$model" "$work/random" backend=reference bound=1e-9 steps=200 seed="$seed"
    fi
    [ "$failures" -eq "$before" ] || cat "$model"
done

# ---- Noise ----------------------------------------------------------------------------------------------------------

echo "noise"
noisy=$here/noise.leq
for seed in $(seq 1 $((random / 4))); do # sizes and samples with odd and even counts: a draw makes pairs
    sizes="n=$((1 + seed * 7 % 11)) hidden=$((1 + seed * 5 % 18))" batch=$((1 + seed * 3 % 8)) more="" same=""
    for define in $sizes sigma=0.$seed; do more="$more -D $define" same="$same define=$define"; done
    precision=double
    [ $((seed % 3)) -eq 0 ] && precision=float
    simd=""
    [ $((seed % 2)) -eq 1 ] && simd=--simd
    # shellcheck disable=SC2086
    emit "$work/noise" "$noisy" --deterministic --batch $batch --precision $precision $simd $more
    # shellcheck disable=SC2046
    build "$work/noise" $(compiler_number "$seed") -ffp-contract=off
    # shellcheck disable=SC2086
    compare "$noisy" "$work/noise" batch=$batch deterministic precision=$precision backend=$jit steps=100 \
        seed=$((seed * 1000000007)) $same
done
emit "$work/noise" "$noisy" --inference --deterministic --main
check_warnings "$work/noise"
build "$work/noise" "$first" -O3 -ffp-contract=off
compare "$noisy" "$work/noise" deterministic backend=$jit
emit "$work/noise" "$noisy" --deterministic --main
check_warnings "$work/noise"
$first -std=c99 $warnings -O2 -ffreestanding -c "$work/noise/model.c" -o "$work/object.o" || fail "noise, freestanding"
build "$work/noise" "$first" -O2 -ffp-contract=off -DLEQUEL_LIBM=0
compare "$noisy" "$work/noise" deterministic backend=$jit seed=18446744073709551615
sed -i 's/lequel_child(m->seed, /lequel_child(m->seed + 1, /' "$work/noise/model.c"
build "$work/noise" "$first"
"$tests/emit-compare" "$noisy" "$work/noise/model.so" deterministic backend=$jit >"$work/said" 2>&1 && fail "other noise is not noticed"
grep -q 'but .* in the program' "$work/said" || { fail "the deviation is not named"; cat "$work/said"; }
"$LEQUEL" emit header "$noisy" | grep -q '(h.noise) is noise' || fail "the header of an object says nothing of noise"
grep -q 'set m.*noise' "$work/noise/README.md" && fail "the README asks for noise"

# A saved state goes on with the noise that would have come, whatever seed it is loaded into; so does a step after a run.
emit "$work/noise" "$noisy" --deterministic --main
$first -std=c99 -O2 -ffp-contract=off -DMODEL_TABLE "$work"/noise/*.c -o "$work/noise/model" -lm || fail "the noisy driver"
noises=jumping.noise,jumping.noise3,jumping.noise4,h.noise,h.noise2,jumping.u,h.u,around.W
"$work/noise/model" --seed 5 --steps 90 --record $noises | tail -n 40 | cut -d, -f2- >"$work/whole.csv"
"$work/noise/model" --seed 5 --steps 50 --save "$work/state" || fail "no state of a noisy model"
"$work/noise/model" --seed 6 --steps 40 --load "$work/state" --record $noises | tail -n 40 | cut -d, -f2- >"$work/rest.csv"
cmp "$work/whole.csv" "$work/rest.csv" || fail "a loaded state goes on with other noise"
[ "$(sort -u "$work/whole.csv" | wc -l)" -eq 40 ] || fail "the noise repeats"
cat >"$work/noisy.leq" <<TEXT
import "$noisy"
experiment quiet {
  data none = sines(frequencies = 1, amplitudes = 0)
  present x = none, y = none
  duration 50 steps
  record jumping.u, h.u, out.r, around.W
}
TEXT
run="--backend $jit --precision double --deterministic --seed 5 --quiet"
# shellcheck disable=SC2086
"$LEQUEL" run "$work/noisy.leq" $run --save-states --out "$work/short" || fail "the noisy model does not run"
# shellcheck disable=SC2086
"$LEQUEL" run "$work/noisy.leq" $run --duration "90 steps" --out "$work/longer" || fail "the noisy model does not run on"
emit "$work/noise" "$work/noisy.leq" --deterministic --main --weights "$work/short" --states
$first -std=c99 -O2 -ffp-contract=off -DMODEL_TABLE "$work"/noise/*.c -o "$work/noise/model" -lm || fail "the noisy driver with states"
rm -rf "$work/traces" && mkdir "$work/traces"
"$work/noise/model" --seed 5 --steps 40 --record jumping.u,h.u,out.r,around.W --out "$work/traces" || fail "the noisy model does not go on"
for name in jumping.u h.u out.r around.W; do
    bytes=$((($(stat -c %s "$work/traces/$name.npy") - 128)))
    cmp -s <(tail -c $bytes "$work/traces/$name.npy") <(tail -c $bytes "$work/longer/$name.npy") ||
        fail "$name does not go on where the noisy run has ended"
done

# The comparison itself: it sees a constant that is off by the last digit.
emit "$work/model" "$models/lagline.leq" --deterministic
sed -i 's/0\.01 \* /0.010000000000000002 * /' "$work/model/model.c"
build "$work/model" "$first"
"$tests/emit-compare" "$models/lagline.leq" "$work/model/model.so" deterministic backend=$jit >"$work/said" 2>&1 &&
    fail "a wrong constant is not noticed"
grep -q 'but .* in the program' "$work/said" || fail "the deviation is not named"

# ---- Many steps at once ---------------------------------------------------------------------------------------------

emit "$work/model" "$models/golden/d2.leq" --batch 2
cat >"$work/many.c" <<'TEXT'
#include "model.h"
#include <string.h>

static Model a, b;
static model_real x[60][2][1], y[60][2][3];

int main(void)
{
    for (int n = 0; n < 60; n++)
        for (int s = 0; s < 2; s++) {
            x[n][s][0] = n % 7 - 3 * s;
            y[n][s][(n / 5 + s) % 3] = 1;
        }
    model_init(&a, 5);
    model_init(&b, 5);
    model_run(&a, 40, 1, &x[0][0][0], &y[0][0][0]);
    model_run(&a, 10, 0, &x[40][0][0], NULL); /* the last targets are held */
    for (int n = 0; n < 50; n++) {
        for (int s = 0; s < 2; s++) {
            b.x[0][s] = x[n][s][0];
            for (int i = 0; i < 3 && n < 40; i++) b.y[i][s] = y[n][s][i];
        }
        if (n < 40) model_step(&b);
        else model_evaluate(&b);
    }
    return a.steps != 50 || model_cost(&a) == 0 || memcmp(&a, &b, sizeof a) != 0;
}
TEXT
$first -std=c99 $warnings -O1 -I"$work/model" "$work/many.c" "$work/model/model.c" -o "$work/many" -lm || fail "a program with model_run"
"$work/many" || fail "model_run does something else than as many steps"

# ---- Weights of a run, and a square root of one's own ---------------------------------------------------------------

"$LEQUEL" run "$models/lagline.leq" --backend $jit --precision double --duration 60 --quiet --out "$work/run" || fail "lagline does not run"
emit "$work/model" "$models/lagline.leq" --weights "$work/run" --inference --main
$first -std=c99 -O2 -DMODEL_TABLE "$work"/model/*.c -o "$work/model/model" -lm || fail "an inference model does not compile"
for name in w0.W s1.tau_m; do
    trained=$("$work/model/model" --steps 1 --record $name | tail -n 1 | cut -d, -f2)
    tail -c 8 "$work/run/final/$name.npy" | od -An -tf8 | awk -v ours="$trained" '{ d = $1 - ours; exit !(d < 1e-12 && d > -1e-12) }' ||
        fail "$name is $trained, not what the run left"
done
grep -q '_adam\|_error' "$work/model/model.h" && fail "a model for inference keeps what only learning needs"

emit "$work/model" "$models/lagline.leq" --deterministic
build "$work/model" "$first" -O2 -ffp-contract=off -DLEQUEL_LIBM=0
compare "$models/lagline.leq" "$work/model" deterministic backend=$jit steps=5300

# ---- Going on where a run has ended ---------------------------------------------------------------------------------

tail_of() { tail -c $((50 * $2)) "$1"; } # file, bytes of a step: the last 50 steps

goes_on() { # model precision options…: 100 steps of a run and 50 of emitted C are 150 steps of a run
    local model=$1 case precision=$2 records batch run file bytes compared=0
    shift 2
    case=$(basename "$model" .leq)
    records=$(sed -n 's/^  record \(.*\) every.*/\1/p' "$model" | tr -d ' ' | paste -sd,)
    batch=$(sed -n 's/^  batch \([0-9]*\).*/\1/p' "$model")
    rm -rf "$work/short" "$work/long" "$work/traces" "$work/states"
    run="--backend $jit --precision $precision --deterministic --quiet --checkpoint-every never"
    # shellcheck disable=SC2086
    "$LEQUEL" run "$model" $run --duration "100 steps" --save-states --out "$work/short" &&
        "$LEQUEL" run "$model" $run --duration "150 steps" --out "$work/long" || fail "$case does not run"
    emit "$work/states" "$model" --weights "$work/short" --states --deterministic --precision "$precision" \
        --batch "${batch:-1}" --main --record "$records" "$@"
    # shellcheck disable=SC2086
    $first -std=c99 $warnings -O2 -ffp-contract=off -DMODEL_TABLE "$work"/states/*.c -o "$work/states/model" -lm || fail "$case with states"
    sed -n '1p;102,151p' "$golden/$case.input.csv" >"$work/rest.csv"
    mkdir "$work/traces"
    "$work/states/model" --seed 7 --input x="$work/rest.csv" --input y="$work/rest.csv" --record "$records" --out "$work/traces" ||
        fail "$case does not go on"
    rm "$work/traces/steps.npy" # counted from zero by the driver
    for file in "$work"/traces/*.npy; do
        bytes=$((($(stat -c %s "$file") - 128) / 50))
        cmp -s <(tail_of "$file" $bytes) <(tail_of "$work/long/$(basename "$file")" $bytes) ||
            fail "$case $precision $*: $(basename "$file") does not go on where the run has ended"
        compared=$((compared + 1))
    done
    [ $compared -gt 5 ] || fail "$case: nothing was compared"
    local learned=0
    for file in "$work"/traces/*.W.npy; do
        bytes=$((($(stat -c %s "$file") - 128) / 50))
        cmp -s <(tail_of "$file" $bytes | head -c $bytes) <(tail -c $bytes "$file") || learned=1
    done
    [ $learned -eq 1 ] || fail "$case does not learn"
}

for model in "$models"/golden/*.leq; do goes_on "$model" double; done
goes_on "$models/golden/d2.leq" float
goes_on "$models/golden/d2.leq" double --simd
"$LEQUEL" emit c "$models/golden/d2.leq" --weights "$work/short" --states --batch 3 -o "$work/other" >"$work/said" 2>&1 &&
    fail "states of two samples for three"
grep -q 'its shape is \[3, .*, that of .* is \[2, ' "$work/said" || { fail "no word of both shapes"; cat "$work/said"; }
"$LEQUEL" emit c "$models/golden/d2.leq" --weights "$work/long" --states --batch 2 -o "$work/other" >"$work/said" 2>&1 &&
    fail "states of a run that has saved none"
grep -q 'expected the folder of a run with `--save-states`' "$work/said" || fail "no word of --save-states"
[ -e "$work/other" ] && fail "a refused emission has made its folder"

# ---- Fixed point ----------------------------------------------------------------------------------------------------

for format in Q28.4 Q16.16 Q8.24 Q4.28 Q2.30; do
    emit "$work/fixed" "$models/golden/b1.leq" --fixed=$format
    for compiler in $compilers; do
        $compiler -std=c99 -O2 -Wall -Wextra -fsanitize=undefined -fno-sanitize-recover=all -I"$work/fixed" "$here/fixed.c" \
            -o "$work/fixed/functions" -lm || fail "$compiler, the functions of $format"
        "$work/fixed/functions" >"$work/said" || { fail "the functions of $format"; cat "$work/said"; }
    done
done
# Learning in fixed point: near to learning in double, in the same bits from every compiler, and never saturated.
emit "$work/fixed" "$models/golden/b1.leq" --fixed=Q8.24 --main
check_warnings "$work/fixed" -DMODEL_REFERENCE_TABLE
input=$golden/b1.input.csv
for compiler in $compilers; do
    level=-O0
    [ "$compiler" = "$first" ] && level=-O3
    $compiler -std=c99 $level -DMODEL_TABLE -DMODEL_REFERENCE_TABLE "$work"/fixed/*.c -o "$work/fixed/model" -lm || fail "the fixed-point driver"
    "$work/fixed/model" --input x="$input" --input y="$input" --record w1.W,out.r >"$work/fixed/$compiler.csv" || fail "the fixed-point driver does not run"
    cmp "$work/fixed/$compiler.csv" "$work/fixed/$first.csv" || fail "$compiler and $first differ in fixed point"
done
"$work/fixed/model" --input x="$input" --input y="$input" --report | awk '
    NR > 1 { rows++; if ($4 > 1e-4 || $6) bad = 1; if ($1 == "w2.W" && $4 > 0 && $4 < 1e-5) seen = 1 }
    END { exit !(rows > 30 && seen && !bad) }' || fail "the report of a fixed-point model"
emit "$work/fixed" "$here/names.leq" --fixed=Q16.16 --main --batch 3 --inference
check_warnings "$work/fixed" -DMODEL_REFERENCE_TABLE
make -s -C "$work/fixed" CC="$first" || fail "make, fixed point"

# Noise in fixed point: the numbers of double, drawn without a double, in the same bits from every compiler.
for format in Q16.16 Q8.24 Q4.28; do
    emit "$work/fixed" "$noisy" --fixed=$format --main -D sigma=0.1
    [ $format = Q16.16 ] && check_warnings "$work/fixed" -DMODEL_REFERENCE_TABLE
    for compiler in $compilers; do
        $compiler -std=c99 -O2 -fsanitize=undefined -fno-sanitize-recover=all -DMODEL_TABLE -DMODEL_REFERENCE_TABLE \
            "$work"/fixed/*.c -o "$work/fixed/model" -lm || fail "$compiler, noise in $format"
        "$work/fixed/model" --steps 400 --record h.noise,jumping.noise3,jumping.u >"$work/fixed/$compiler.csv" || fail "no noise in $format"
        cmp "$work/fixed/$compiler.csv" "$work/fixed/$first.csv" || fail "$compiler and $first draw other noise in $format"
    done
    "$work/fixed/model" --steps 400 --report | awk -v most="$(case $format in Q16.16) echo 1e-5 ;; *) echo 1e-6 ;; esac)" '
        $1 ~ /noise/ { rows++; if ($4 > most || $3 < 2.5 || $2 > -2.5) bad = 1 }
        END { exit !(rows == 7 && !bad) }' || fail "the noise of a fixed-point model in $format"
done

# ---- What it takes --------------------------------------------------------------------------------------------------

measured() { # compiler pattern…: `--measure` says this
    "$LEQUEL" emit c "$models/lagline.leq" -o "$work/it's measured" --measure "$1" >"$work/said" 2>&1
    local status=$?
    grep -q -- "$2" "$work/said" || { fail "--measure $1: no word of $2"; cat "$work/said"; }
    [ "$(find "$work/it's measured" -type f | wc -l)" -eq 2 ] || fail "--measure $1: something is left"
    return $status
}

for compiler in $compilers; do
    for level in -Os "-O3 -ffunction-sections"; do
        measured "$compiler $level" "; memory: 464 bytes of struct" || fail "--measure $compiler"
        command -v size >/dev/null 2>&1 || continue
        # shellcheck disable=SC2086
        $compiler $level -std=c99 -ffp-contract=off -c "$work/it's measured/model.c" -o "$work/object.o"
        flash=$(size "$work/object.o" | awk 'NR == 2 { print $1 }')
        grep -q "^flash: $flash bytes" "$work/said" || { fail "not $flash bytes of flash"; cat "$work/said"; }
    done
done
measured false "\`false\` failed on .*, with exit status 1" && fail "--measure: a compiler may fail"
measured "$first -Dmodel_step=1" "failed on" && fail "--measure: a program may be wrong"
measured "$first -fsyntax-only" "cannot be read" && fail "--measure: there may be no object"
measured "$first -E" "no complete ELF object" && fail "--measure: text is no object"
measured "$first -Dstatic= -include $work/memory.h" "failed on" && fail "--measure: a header may miss"
printf 'extern int memory[5];\nint memory[5] = {1};\n' >"$work/memory.h"
measured "$first -include $work/memory.h" "has 20 bytes of writable memory" && fail "--measure: memory of its own"
cat >"$work/cut" <<TEXT
#!/bin/sh
# The first \$CUT bytes of the object, or all but the last -\$CUT.
$first "\$@" -g0 && for last; do :; done && head -c "\$CUT" "\$last" >"$work/cut.o" && cp "$work/cut.o" "\$last"
TEXT
for CUT in 0 3 16 51 63 64 1000 -64 -1; do
    export CUT
    measured "sh $work/cut" "no complete ELF object" && fail "--measure: an object of $CUT bytes is read"
done

# ---- Command lines --------------------------------------------------------------------------------------------------

refused() { # status pattern arguments…
    local status=$1 pattern=$2 got
    shift 2
    "$LEQUEL" emit "$@" >"$work/said" 2>&1
    got=$?
    [ $got -eq "$status" ] || fail "emit $*: exit status $got, not $status"
    grep -q -- "$pattern" "$work/said" || { fail "emit $*: no word of $pattern"; cat "$work/said"; }
}

refused 2 'needs a folder' c "$models/lagline.leq"
refused 2 'expected' ada "$models/lagline.leq" -o "$work/none"
refused 2 'goes with `--weights RUN`' c "$models/lagline.leq" -o "$work/none" --states
refused 1 'no format of fixed-point' c "$models/lagline.leq" -o "$work/none" --fixed=Q16.15
refused 1 'no format of fixed-point' c "$models/lagline.leq" -o "$work/none" --fixed=16
refused 2 'goes with neither' c "$models/lagline.leq" -o "$work/none" --fixed=Q16.16 --simd
refused 2 'goes with' llvm "$models/lagline.leq" --batch 2
refused 2 'goes with' asm "$models/lagline.leq" --measure cc
refused 2 'from 1 on' c "$models/lagline.leq" -o "$work/none" --batch 0
refused 1 'cannot begin names in C' c "$models/lagline.leq" -o "$work/none" --name 2fast
refused 1 'cannot begin names in C' c "$models/lagline.leq" -o "$work/none" --name register
refused 1 'no folder of a finished run' c "$models/lagline.leq" -o "$work/none" --weights "$work"
refused 1 'did you mean `w0.W`' c "$models/lagline.leq" -o "$work/none" --record w0.V
refused 1 'elements' c "$models/lagline.leq" -o "$work/none" --batch 3000000000
[ -e "$work/none" ] && fail "a refused emission has made its folder"
emit "$work/named" "$models/lagline.leq" --name lag --main
make -s -C "$work/named" CC="$first" && "$work/named/lag" --steps 2 --record s0.u >/dev/null || fail "make, under another name"

[ "$failures" -eq 0 ] && echo "all well" && exit 0
echo "$failures failures"
exit 1
