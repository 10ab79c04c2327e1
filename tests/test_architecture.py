"""The rooms of the package: which imports which, and how large they are."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "vsim_tf"
LONGEST_FILE, LONGEST_FUNCTION = 350, 60


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_import_runs_upward():
    """In a process of its own: import-linter configures logging for the whole process."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"]
    checked = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, timeout=120, check=False)
    assert checked.returncode == 0, checked.stdout


def test_no_room_holds_more_than_a_sixth_of_the_lines():
    rooms = Counter()
    for path in PACKAGE.rglob("*.py"):
        rooms[path.relative_to(PACKAGE).parts[0]] += lines(path)
    assert max(rooms.values()) <= sum(rooms.values()) / 6, rooms.most_common(3)


def test_files_and_functions_are_short():
    assert {path.name: lines(path) for path in PACKAGE.rglob("*.py") if lines(path) > LONGEST_FILE} == {}
    long = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= LONGEST_FUNCTION:
                long[f"{path.name}: {node.name}"] = node.end_lineno - node.lineno + 1
    assert long == {}
