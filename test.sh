#!/bin/sh
# Sets up what is missing and runs the tests of one tier: sh test.sh [--fast | --slow] [pytest arguments]
set -eu
cd "$(dirname "$0")"
requirements='requirements.txt tests/requirements.txt'
. ./setup.sh
case ${1-} in
    --fast) tier=fast marks='not medium and not slow' more='--durations=5 --durations-min=2' ;;
    --slow) tier=slow marks=slow more='' ;;
    *) tier=default marks='not slow' more='' ;;
esac
[ "$tier" = default ] || shift
echo "tests of the $tier tier: $marks"
exec "$PYTHON" -m pytest -m "$marks" -n 2 --dist loadfile $more "$@"
