#!/usr/bin/env bash
# The same with 100 kills, and with each file-system call failing in turn.
KILLS=100 EACH=1 exec bash "$LEQUEL_SOURCE_DIR/tests/trust/run.sh"
