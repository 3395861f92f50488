#!/bin/bash
# 300 random models instead of 40.
exec bash "$LEQUEL_SOURCE_DIR/tests/emit/run.sh" 300
