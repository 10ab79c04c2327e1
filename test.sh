#!/bin/sh
# Sets up what is missing and runs the tests: sh test.sh [--slow] [pytest arguments]
set -eu
cd "$(dirname "$0")"
requirements='requirements.txt tests/requirements.txt'
. ./setup.sh
marks='not slow'
if [ "${1:-}" = --slow ]; then
    shift
    marks=slow
fi
exec "$PYTHON" -m pytest -m "$marks" -n 2 --dist loadfile "$@"
