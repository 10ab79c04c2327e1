# Sourced by run.sh and test.sh: sets PYTHON to an interpreter that has what requirements.txt names, installing it once.
#
# The active environment is used if it has the packages, else .venv, which is made of a suitable Python when it is missing, and
# made again when it was made of another one or its installation was interrupted.
# Usage: requirements='requirements.txt ...'; . ./setup.sh

requirements=${requirements:-requirements.txt}
unfinished=.venv/installation-unfinished # there while packages are being installed

has_requirements() { # has_requirements PYTHON: every pinned package is installed at its version
    "$1" - $requirements 2>/dev/null <<'PY'
import sys
from importlib.metadata import version

lines = [line.split("#")[0].strip() for path in sys.argv[1:] for line in open(path, encoding="utf-8")]
pins = [line.partition("==") for line in lines if "==" in line]
sys.exit(any(version(name.partition("[")[0].strip()) != pin.strip() for name, _, pin in pins))
PY
}

fault() { # fault PYTHON: prints what it lacks to make an environment; nothing for a suitable one
    "$1" - 2>/dev/null <<'PY' || echo "does not run"
import sys

found = "%d.%d" % sys.version_info[:2]
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    print("is Python " + found)
else:
    try:
        import ensurepip, venv
    except ImportError:
        print("has no venv module with pip (Debian, Ubuntu: apt install python%s-venv)" % found)
PY
}

find_python() { # sets base_python to the first suitable interpreter, or ends with one line
    faults=''
    for base_python in python3.13 python3.12 python3.11 python3 python; do
        command -v "$base_python" >/dev/null 2>&1 || continue
        wrong=$(fault "$base_python")
        [ -n "$wrong" ] || return 0
        faults="$faults; $base_python $wrong"
    done
    echo "error: Python 3.11, 3.12 or 3.13 with its venv module is needed${faults:-; there is no Python on the PATH}" >&2
    exit 2
}

make_venv() { # makes .venv unless it is sound: of a suitable Python, with pip, and no installation was interrupted
    if [ -x .venv/bin/python ] && [ ! -e "$unfinished" ] && [ -z "$(fault .venv/bin/python)" ] &&
        .venv/bin/python -m pip --version >/dev/null 2>&1; then
        return 0
    fi
    find_python
    [ ! -e .venv ] || echo "making .venv again: it is unfinished, or not of Python 3.11 to 3.13"
    [ ! -L .venv ] || rm .venv # what a link points to is left alone
    "$base_python" -m venv --clear .venv || { echo "error: $base_python -m venv .venv failed" >&2; exit 2; }
}

install() { # install PIP-ARGUMENTS...: one that was killed is known by its mark; one that failed has been undone by pip
    : >"$unfinished"
    code=0
    "$PYTHON" -m pip install --disable-pip-version-check --progress-bar=off "$@" || code=$?
    rm -f "$unfinished"
    [ "$code" -eq 0 ] || { echo "error: pip install $* failed; run the same command again when that is fixed" >&2; exit 2; }
}

sees_gpu() { # TensorFlow lists a GPU
    "$PYTHON" -c 'import sys, tensorflow as tf; sys.exit(not tf.config.list_physical_devices("GPU"))' >/dev/null 2>&1
}

require_gpu() { # where the driver lists a GPU that may be used, TensorFlow must too: else training would run on the CPU unnoticed
    case ${CUDA_VISIBLE_DEVICES-all} in '' | -1*) return 0 ;; esac
    nvidia-smi >/dev/null 2>&1 || return 0
    sees_gpu && return 0
    cuda="tensorflow[and-cuda]==$("$PYTHON" -c 'from importlib.metadata import version; print(version("tensorflow"))')"
    if [ "$PYTHON" = .venv/bin/python ]; then
        echo "installing $cuda into .venv: nvidia-smi lists a GPU, TensorFlow does not"
        install "$cuda"
        sees_gpu && return 0
    fi
    echo "error: nvidia-smi lists a GPU, TensorFlow ($PYTHON) does not: install $cuda there and check the driver," \
        "or set CUDA_VISIBLE_DEVICES=-1 to use the CPU" >&2
    exit 2
}

if has_requirements python3; then
    PYTHON=python3
elif [ ! -e "$unfinished" ] && [ -x .venv/bin/python ] && has_requirements .venv/bin/python; then
    PYTHON=.venv/bin/python
else
    make_venv
    PYTHON=.venv/bin/python
    echo "installing $requirements into .venv (once)"
    install $(for file in $requirements; do printf ' -r %s' "$file"; done)
fi
require_gpu
