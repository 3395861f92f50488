#!/bin/sh
# The examples of docs/*.md are models that compile. A block ```leq is a file; `leq neuron`, `leq synapse`, `leq network`,
# `leq experiment` and `leq declarations` are statements that stand in the frame of that name below. A block whose first
# line is `# wrong: E0205` must be refused with that code and no other. In a block ```console, each `$ lequel …` must
# succeed and print the lines that follow it, in any order; `…` stands for lines that are left out. In `console fails` it
# must end with status 1. Other commands than lequel may stand there, too. A model whose first or second line is
# `# file: NAME` is saved under that name for the commands that follow; a ```python block is run, with a stand-in for
# NumPy where there is none, and what it prints must stand behind the word `prints`.
set -u
[ -x "${LEQUEL:-}" ] || exit 77
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
ln -s "$LEQUEL_SOURCE_DIR/models" "$work/models"
failures=0
checked=0

fail() {
    echo "FAILED: $1"
    failures=$((failures + 1))
}

# The blocks of a document: one file each, named LINE.KIND.
cut_blocks() { # DOCUMENT FOLDER
    awk -v folder="$2" '
        /^```/ && !inside { inside = 1; kind = substr($0, 4); gsub(/ /, "-", kind); file = folder "/" FNR "." kind; printf "" >file; next }
        /^```/ { inside = 0; close(file); next }
        inside { print >file }' "$1"
}

stated() { grep -Eq "^ *($1)( |$)" "$2"; }

frame_network() { # BLOCK: its statements with what a network needs beside them
    echo 'network Example(eta = 0.01) {'
    stated 'dt' "$1" || echo 'dt = 0.1'
    stated 'input x\[.*|input' "$1" || echo 'input x[3]'
    stated 'target y\[.*|target|label' "$1" || echo 'target y[2]'
    grep -q 'population h' "$1" || echo 'population h = Leaky[4](tau_m = 2, tau_r = 1, phi = tanh)'
    grep -q 'population out' "$1" || echo 'population out = Leaky[2](tau_m = 2, tau_r = 2)'
    grep -q 'connect w1' "$1" || echo 'connect w1: x -> h by Dense()'
    grep -q 'connect w2' "$1" || echo 'connect w2: h -> out by Dense()'
    grep -q '^ *cost' "$1" || echo 'cost mse(out.r, y)'
    cat "$1"
    stated 'dynamics' "$1" || echo 'dynamics gle(gamma = 0)'
    echo '}'
}

plain_network() {
    echo 'network Example(rate = 0.01) {
        dt = 0.1
        input x[1]
        label y[10]
        population h = Leaky[10](tau_m = 2, tau_r = 1)
        connect w: x -> h by Dense()
        cost cross_entropy(h.r, y)
        dynamics gle(gamma = 0)
        learn all by sgd(rate)
    }'
}

frame() { # KIND BLOCK
    case $1 in
    leq) cat "$2" ;;
    leq-declarations) cat "$2"; plain_network ;;
    leq-neuron)
        echo 'neuron Example(tau_m = 2, tau_r = 1, phi = tanh) {'
        cat "$2"
        echo '}
            network Frame { dt = 0.1
            input x[3]
            population h = Example[4]()
            connect w: x -> h.I by Dense()
            dynamics gle(gamma = 0)
            }' ;;
    leq-synapse)
        echo 'synapse Example() {'
        cat "$2"
        echo '}
            network Frame { dt = 0.1
            input x[3]
            population h = Leaky[3](tau_m = 2, tau_r = 1)
            population o = Leaky[3](tau_m = 2, tau_r = 1)
            connect v: x -> h by Dense()
            connect w: h -> o by Example()
            dynamics gle(gamma = 0)
            }' ;;
    leq-network) frame_network "$2" ;;
    leq-experiment)
        plain_network
        echo 'experiment example {'
        stated 'present' "$2" || printf 'data pulse = square(period = 4)\npresent x = pulse\n'
        cat "$2"
        grep -Eq '^ *(duration|epochs|present .* for )' "$2" || echo 'duration 10'
        echo '}' ;;
    esac
}

check_block() { # DOCUMENT LINE KIND BLOCK
    checked=$((checked + 1))
    frame "$3" "$4" >"$work/block.leq"
    wanted=$(sed -n '1s/^# wrong: *//p' "$4")
    saved=$(sed -n '1,2s/^# file: *//p' "$4")
    [ -z "$saved" ] || cp "$4" "$work/$saved"
    "$LEQUEL" check "$work/block.leq" >"$work/said" 2>&1
    status=$?
    codes=$(sed -n 's/^error\[\(E[0-9]*\)\].*/\1/p' "$work/said" | sort -u | tr '\n' ' ')
    if [ -z "$wanted" ] && [ $status -ne 0 ]; then
        cat "$work/said"
        fail "$1:$2: the example is refused"
    elif [ -n "$wanted" ] && [ "$codes" != "$wanted " ]; then
        cat "$work/said"
        fail "$1:$2: expected $wanted, got: ${codes:-no error}"
    fi
}

lequel() { "$LEQUEL" "$@"; }

check_console() { # DOCUMENT LINE BLOCK STATUS
    checked=$((checked + 1))
    : >"$work/said"
    while IFS= read -r line; do
        case $line in
        '$ '*)
            (cd "$work" && eval "${line#\$ }") >"$work/said" 2>"$work/stderr" </dev/null
            [ $? -eq "$4" ] || { cat "$work/stderr"; fail "$1:$2: $line"; }
            cat "$work/stderr" >>"$work/said" ;;
        *…* | '') ;;
        *) grep -qxF -- "$line" "$work/said" || fail "$1:$2: not printed: $line" ;;
        esac
    done <"$3"
}

check_python() { # DOCUMENT LINE BLOCK
    command -v python3 >/dev/null 2>&1 || return 0
    standin=
    python3 -c 'import numpy' 2>/dev/null || standin=$LEQUEL_SOURCE_DIR/tests/docs/standin
    checked=$((checked + 1))
    printed=$(cd "$work" && PYTHONPATH=$standin PYTHONDONTWRITEBYTECODE=1 python3 "$3" 2>&1)
    grep -qF "prints \`$printed\`" "$LEQUEL_SOURCE_DIR/$1" || fail "$1:$2: prints $printed"
}

for document in "$LEQUEL_SOURCE_DIR"/docs/*.md; do
    name=docs/$(basename "$document")
    blocks=$work/$(basename "$document" .md)
    mkdir "$blocks"
    cut_blocks "$document" "$blocks"
    for block in $(ls "$blocks" | sort -n | sed "s,^,$blocks/,"); do
        [ -e "$block" ] || continue
        file=$(basename "$block")
        line=${file%%.*}
        kind=${file#*.}
        case $kind in
        leq | leq-declarations | leq-neuron | leq-synapse | leq-network | leq-experiment) check_block "$name" "$line" "$kind" "$block" ;;
        leq-*) fail "$name:$line: no frame for \`$kind\`" ;;
        console) check_console "$name" "$line" "$block" 0 ;;
        console-fails) check_console "$name" "$line" "$block" 1 ;;
        python) check_python "$name" "$line" "$block" ;;
        esac
    done
done

[ $checked -gt 0 ] || fail "no examples were found"
echo "$checked examples"
[ $failures -eq 0 ] && exit 0
echo "$failures failures"
exit 1
