"""Runs every benchmark, each in a process of its own, and prints one table: python -m benchmarks"""

import ast
import subprocess
import sys
from pathlib import Path

from benchmarks.table import HEADER, seconds

FOLDER = Path(__file__).parent
ON_THEIR_OWN = (
    "held_out", "ingredients", "memory", "neighbour_tags", "recipe_time", "refit_linear", "sensitivity", "soft_labels",
    "step_profile", "token_start",
)  # fmt: skip
"""Benchmarks that need arguments, or are about something else than speed."""
PARTS = ("activations", "contest", "profiler", "table", "torch_rank1")
"""What benchmarks are made of."""


def benchmarks(*without: str) -> list[str]:
    """Names of the scripts, in the order of the table."""
    return [script.stem for script in sorted(FOLDER.glob("[a-z]*.py")) if script.stem not in (*PARTS, *without)]


def usage() -> str:
    """What `--help` says: how to run all or one, and the first line of each script."""
    names = benchmarks()
    lines = [f"  {name:<{max(map(len, names))}}  {first_line(name)}" for name in names]
    return "\n".join([
        "usage: python -m benchmarks             every script but those marked *, one table",
        "       python -m benchmarks.NAME        one of them:",
        "", *(f"{line} *" if name in ON_THEIR_OWN else line for name, line in zip(names, lines, strict=True)),
    ])  # fmt: skip


def first_line(name: str) -> str:
    """First line of a script's docstring; the script is not imported."""
    text = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))) or ""
    return text.split("\n")[0]


def main(arguments: list[str]) -> int:
    """Runs all, or says how; the exit code."""
    if {"-h", "--help"} & set(arguments):
        print(usage())
        return 0
    if arguments:
        print(f"error: unexpected arguments {arguments}; python -m benchmarks --help lists the scripts", file=sys.stderr)
        return 2
    print(HEADER, flush=True)
    for name in benchmarks(*ON_THEIR_OWN):
        spent = seconds(lambda name=name: subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True))
        print(f"{name}: {spent:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
