"""Nothing in the repository runs code from a file or unpickles one."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ELSEWHERE = {".venv", "build", "output", "data"}
FILES = [path for path in sorted(ROOT.rglob("*.py")) if path.relative_to(ROOT).parts[0] not in ELSEWHERE]
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
CALLS = {"eval", "exec", "compile", "__import__"}
WRITTEN_BEFORE = {"vsim_tf/export/formats.py": ["load"]}
"""Calls by file that open what the same process has just written, to check it."""
METHODS = {"load_model", "unsafe_load", "full_load", "enable_unsafe_deserialization"}


def findings(source: str) -> list[str]:
    """What a source imports or calls that could run code out of data."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = MODULES & {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = (MODULES | METHODS) & {(node.module or "").split(".")[0], *(alias.name for alias in node.names)}
        elif isinstance(node, ast.Call):
            names = {_forbidden_call(node)}
        else:
            continue
        found += [f"line {node.lineno}: {name}" for name in names if name]
    return found


def _forbidden_call(call: ast.Call) -> str:
    if isinstance(call.func, ast.Name):
        return call.func.id if call.func.id in CALLS | METHODS else ""
    name, owner = getattr(call.func, "attr", ""), ast.unparse(getattr(call.func, "value", ast.Constant("")))
    if name == "load" and owner in ("np", "numpy"):
        given = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "allow_pickle"]
        return "" if given == ["False"] else "load" if given else "numpy default"
    if name == "load" and owner in ("torch", "yaml", "tf.saved_model", "tf.keras.models"):
        return "load"
    return name if name in METHODS else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_comes_out_of_a_file(path):
    found = findings(path.read_text(encoding="utf-8"))
    if path.is_relative_to(ROOT / "tests"):  # numpy's default is safe too; it must be said where files come from people
        found = [finding for finding in found if not finding.endswith(": numpy default")]
    allowed = WRITTEN_BEFORE.get(path.relative_to(ROOT).as_posix(), [])
    assert [finding.partition(": ")[2] for finding in found] == allowed, found


def test_every_part_is_looked_at():
    folders = {path.relative_to(ROOT).parts[0] for path in FILES}
    assert {"vsim_tf", "tests", "write_tfrecord.py", "ensemble_final.py"} <= folders


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "import yaml", "import a, joblib.parallel", "eval(text)", "exec(text)",
        "__import__(name)", "keras.models.load_model(path)", "from keras.models import load_model", "np.load(path)",
        "np.load(path, allow_pickle=True)", "numpy.load(path, allow_pickle=flag)", "torch.load(path)", "yaml.load(path)",
    ],
)  # fmt: skip
def test_the_search_finds(source):
    assert findings(source)


@pytest.mark.parametrize("source", ["np.load(path, allow_pickle=False)", "model.eval()", "json.load(file)", "re.compile(x)"])
def test_the_search_leaves_alone(source):
    assert not findings(source)
