# Sizes, and files that are no files: refused before anything large happens.
. "$LEQUEL_SOURCE_DIR/tests/trust/data.sh"
cp "$LEQUEL_SOURCE_DIR/tests/trust/epochs.leq" . && make_data || exit 1
failures=0
{ (ulimit -v 6000000 && "$LEQUEL" --version); } >/dev/null 2>&1 && ulimit -v 6000000 # the address sanitizer needs more

expect() { # STATUS 'TEXT' ARGUMENT…
    local wanted=$1 text=$2
    timeout 20 "$LEQUEL" "${@:3}" >stdout 2>stderr </dev/null
    local status=$?
    [ $status -eq "$wanted" ] && { [ -z "$text" ] || grep -qF -- "$text" stderr; } && return
    echo "lequel ${*:3}: status $status, expected $wanted and \`$text\`: $(cat stderr)"
    failures=$((failures + 1))
}

run="run --backend=loops --quiet"
expect 1 'to train with a batch of 16, ' $run epochs.leq --experiment classes --memory-limit 10K --out a
expect 1 '; --memory-limit allows 10.0 KiB; a smaller batch needs less' $run epochs.leq --experiment classes --memory-limit 10K --out a
[ ! -e a ] || { echo "a refused run leaves a folder"; failures=$((failures + 1)); }
expect 0 '' $run epochs.leq --experiment classes --epochs 1 --memory-limit "1 GB" --out a
for size in 0 x 8Q 1GG -5M "1 GiBs"; do
    expect 2 'expected an amount like `8G`' $run epochs.leq --memory-limit "$size"
done
sed 's/batch 8$/batch 100000000/' epochs.leq >wide.leq
expect 1 'this run needs ' $run wide.leq --experiment wave --out a
expect 1 '; this machine has ' $run wide.leq --experiment wave --out a
sed 's/h = Leaky\[12\]/h = Leaky[40000]/; s/out = Leaky\[3\]/out = Leaky[50000]/; s/label y\[3\]/label y[50000]/' epochs.leq >large.leq
expect 1 'GiB to train with a batch of 16' $run large.leq --experiment classes --memory-limit 10G --out a
sed 's/data s = .*/data s = ou(tau = 10)/; s/duration 12000/duration 90000000000000/' epochs.leq >endless.leq
expect 1 'steps of 8 samples are made before the run and need' $run endless.leq --experiment wave --out a

# Numbers that are none.
cp x.csv kept.csv
sed -i '3s/,[^,]*/,nan/' x.csv
expect 1 'x.csv' $run epochs.leq --experiment classes --out a
cp kept.csv x.csv
printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '<f8', 'fortran_order': False, 'shape': (160, 4), }" >x.npy
for i in $(seq 640); do
    if [ "$i" = 15 ]; then printf '\0\0\0\0\0\0\xf0\x7f'; else printf '\0\0\0\0\0\0\xf0\x3f'; fi
done >>x.npy
sed 's/"x.csv"/"x.npy"/' epochs.leq >numpy.leq
expect 1 'x.npy: row 3, column 2 (counted from 0) is infinity' $run numpy.leq --experiment classes --out a
printf '0.1,nan,0.3\n' >bias.csv
expect 1 'bias.csv' $run epochs.leq --experiment classes --init w1.b=bias.csv --out a

# Files that are no files.
expect 1 'larger than' check /dev/zero
printf 'import "/dev/zero"\n' >device.leq
expect 1 'larger than' check device.leq
expect 1 '/dev/zero: is a device' fmt /dev/zero
sed 's#"x.csv"#"/dev/zero"#' epochs.leq >device.leq
expect 1 '/dev/zero: is a device' $run device.leq --experiment classes --out a
sed 's#"x.csv"#"."#' epochs.leq >folder.leq
expect 1 'is a folder' $run folder.leq --experiment classes --out a
ln -s loop.leq loop.leq
expect 1 'Too many levels of symbolic links' check loop.leq
ln -s epochs.leq link.leq
expect 0 '' check link.leq
mkdir -p b/loss.npy
expect 1 'exists and is no regular file' $run epochs.leq --experiment classes --epochs 1 --out b --record x
expect 1 'the folder cannot be made' $run epochs.leq --experiment classes --out epochs.leq
expect 1 'the folder cannot be made' $run epochs.leq --experiment classes --out epochs.leq/inner
expect 1 'the folder cannot be made' $run epochs.leq --experiment classes --out ""
expect 1 'File name too long' $run epochs.leq --experiment classes --out "$(printf 'x%.0s' $(seq 300))"
for i in $(seq 60); do printf 'import "chain%d.leq"\n' $((i + 1)) >"chain$i.leq"; done
echo >chain61.leq
expect 1 'imports nested more than ' check chain1.leq
sed 's/duration 12000/duration 2e15 steps/' epochs.leq >endless.leq
expect 1 'must be a whole number of steps, at most 1e15' check endless.leq
sed 's/duration 12000/duration 2e15/' epochs.leq >endless.leq
expect 1 'must be a time from 0 on, at most 1e15 steps' check endless.leq
awk 'BEGIN { for (i = 0; i < 3000000; i++) print "# a line of a very long file that says nothing" }' >long.leq
expect 1 'larger than 64 MiB' check long.leq
[ $failures -eq 0 ]
