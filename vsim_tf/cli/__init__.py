"""Commands, of scripts and of `vsim-tf`: fields of settings as flags, and messages for people."""

import importlib.util
import sys

if importlib.util.find_spec("absl") is None:
    print(
        f"error: {sys.executable} does not have the packages of requirements.txt; `sh setup.sh` installs them into .venv,"
        " and `. .venv/bin/activate` chooses it",
        file=sys.stderr,
    )
    sys.exit(2)
