"""Names of files and folders, and that no other file spells them."""

import ast
import re
from pathlib import Path

import pytest

from vsim_tf.io import paths

ROOT = Path(__file__).parents[2]
SOURCES = [*sorted((ROOT / "vsim_tf").rglob("*.py")), *sorted(ROOT.glob("*.py"))]
FORMATS_OF_OTHERS = (
    "io/paths.py",
    "export/client.py",
    "models/hub_config.py",
    "golden/rules.py",
    "golden/weights.py",
    "golden/qq_inputs.py",
)
"""The names themselves, a client that runs without this package, Hugging Face folders, and golden files, which have a
config.json, label.tsv or tag list of their own."""
NAMES = {value for name, value in vars(paths).items() if name.isupper()} - {paths.LAUNCH}
FILES = {name for name in NAMES if "." in name} | {paths.CHECKPOINT, paths.FOLD_RUNS, paths.TEST_SETS}


def spelled(node: ast.AST) -> set[str]:
    """Names in the literals of a path: what `/`, `Path`, `glob` and the like take."""
    literals = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return {part for literal in literals for part in literal.split("/")} & NAMES


def violations(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            found |= {name for name in FILES if re.search(rf"(?:^|/|\.){re.escape(name)}", node.value)}
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            found |= spelled(node.right)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "Path", "glob", "rglob", "join", "joinpath", "with_name"
        ):  # fmt: skip
            found |= set().union(*map(spelled, node.args))
    return found


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_names_are_spelled_in_one_file(file):
    if not file.as_posix().endswith(FORMATS_OF_OTHERS):
        assert not violations(ast.parse(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "code",
    ['folder / "config.json"', 'folder / "last"', 'Path(folder, "embeddings")', 'f"{folder}/label.tsv"', 'x.glob("fold-*/a")',
     'folder / f"ckpt-{step}"', '"test_*/*.tfrecords"'],
)  # fmt: skip
def test_a_name_elsewhere_is_found(code):
    assert violations(ast.parse(code))


@pytest.mark.parametrize("code", ['config["tokenizer"]', '"default: <data_dir>/tag_list.txt, one a line"', 'kind == "pretrain"'])
def test_keys_and_sentences_are_no_paths(code):
    assert not violations(ast.parse(code))


def test_run_folders():
    assert paths.pretrain_folder("output", "uniter") == Path("output/uniter/pretrain")
    assert paths.fold_folder("output", "uniter", 3) == Path("output/uniter/fold-03")
    assert paths.embeddings_file("output/uniter/fold-03", "test_b") == Path("output/uniter/fold-03/embeddings/test_b.npz")
    assert paths.fold_file(3, 11) == "fold-03-of-11.tfrecord"
    assert paths.checkpoint_name(4000) == "ckpt-4000"


def test_data_folder():
    assert paths.pairwise_labels("data") == Path("data/pairwise/label.tsv")
    assert paths.set_records("data", "test_a") == Path("data/test_a/test_a.tfrecords")
    assert paths.set_labels("data", "test_a") == Path("data/test_a/label.tsv")
    assert paths.records_pattern("a [1]") == "a [[]1]/*.tfrecords"
    assert paths.all_sets_pattern("data") == "data/test_*/*.tfrecords"


def test_files_next_to_a_zip():
    assert paths.report_file("output/result.zip", "output") == Path("output/report.md")
    assert paths.report_file("output/result.zip", "other") == Path("output/result.report.md")
    assert paths.page_file("output/result.report.md") == Path("output/result.report.html")
    assert paths.sources_file("output/result.zip") == Path("output/result.source.json")
