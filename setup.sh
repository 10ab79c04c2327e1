# Sourced by run.sh and test.sh: sets PYTHON to an interpreter that has what requirements.txt names, installing it once.
#
# The active environment is used if it has the packages, else .venv, which is made when it is missing.
# Usage: requirements='requirements.txt ...'; . ./setup.sh

requirements=${requirements:-requirements.txt}

has_requirements() { # has_requirements PYTHON: every pinned package is installed at its version
    "$1" - $requirements 2>/dev/null <<'PY'
import sys
from importlib.metadata import version

lines = [line.split("#")[0].strip() for path in sys.argv[1:] for line in open(path, encoding="utf-8")]
pins = [line.partition("==") for line in lines if "==" in line]
sys.exit(any(version(name.partition("[")[0].strip()) != pin.strip() for name, _, pin in pins))
PY
}

if has_requirements python3; then
    PYTHON=python3
elif [ -x .venv/bin/python ] && has_requirements .venv/bin/python; then
    PYTHON=.venv/bin/python
else
    echo "installing $requirements into .venv (once)"
    [ -x .venv/bin/python ] || python3 -m venv .venv
    PYTHON=.venv/bin/python
    for file in $requirements; do
        "$PYTHON" -m pip install --disable-pip-version-check --progress-bar=off -r "$file"
    done
    if nvidia-smi >/dev/null 2>&1; then # the CUDA libraries that go with the pinned TensorFlow
        "$PYTHON" -m pip install --disable-pip-version-check "tensorflow[and-cuda]==$("$PYTHON" -c \
            'from importlib.metadata import version; print(version("tensorflow"))')"
    fi
fi
