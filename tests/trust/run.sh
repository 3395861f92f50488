#!/usr/bin/env bash
# Runs that are killed, interrupted, starved of disk, fed with damaged files: nothing is lost, nothing is silently wrong.
set -u
[ -x "${LEQUEL:-}" ] || exit 77
work=$(mktemp -d) && cd "$work" || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

part() { # NAME COMMAND…: in a folder of its own
    mkdir "$1"
    if ! (cd "$1" && "${@:2}"); then
        echo "failed: $1"
        failures=$((failures + 1))
    fi
}

tests=$LEQUEL_SOURCE_DIR/tests/trust
part kills bash "$tests/kills.sh" "${KILLS:-10}"
part failures bash "$tests/failures.sh" "${EACH:-17}"
part commands bash "$tests/commands.sh" "${EACH:-17}"
part resume bash "$tests/resume.sh"
part rerun bash "$tests/rerun.sh"
part trap bash "$tests/trap.sh"
part limits bash "$tests/limits.sh"
part mistakes bash "$tests/mistakes.sh"
part damage bash "$tests/damage.sh"
[ $failures -eq 0 ]
