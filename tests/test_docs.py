"""Documents say what is so: their commands are accepted, and what they name exists."""

import functools
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from absl.flags import FlagValues
from documents import DOCUMENTS, ROOT, blocks
from script_flags import defined

from vsim_tf.cli import check, class_flags, dedup, ensemble_flags, export, extract, flags, index, search, serve, write_labels

DEFINED = {
    "write_tfrecord.py": flags.define_write_tfrecord, "train_pretrain.py": flags.define_pretrain,
    "train_pair.py": flags.define_pair, "inference_pair.py": flags.define_inference,
    "ensemble_final.py": ensemble_flags.define_flags,
    "extract_features.py": extract.define_flags, "train_classify.py": class_flags.define_classify,
    "predict_classify.py": class_flags.define_predict, "check_data.py": check.define_flags,
    "write_labels.py": write_labels.define_flags,
}  # fmt: skip
CONSOLE = {"index": index.define_flags, "search": search.define_flags, "dedup": dedup.define_flags}
"""Commands of the console script alone."""
OF_STAGE = {
    "--pretrain_flags": "train_pretrain.py", "--finetune_flags": "train_pair.py", "--inference_flags": "inference_pair.py",
    "--ensemble_flags": "ensemble_final.py", "--tower_flags": "train_pretrain.py", "--check_flags": "check_data.py",
}  # fmt: skip
OF_CLASSES = OF_STAGE | {"--finetune_flags": "train_classify.py", "--inference_flags": "predict_classify.py"}
PLACEHOLDERS = {"$model": "uniter", "=M ": "=uniter ", "$F": "output", "$E": "embeddings", "seed=S": "seed=1", "...": ""}
"""What commands of documents leave open, with something that a flag accepts."""


def commands() -> list[tuple[str, list[str]]]:
    """Every command of one of the scripts, as (document, words)."""
    found = []
    for name, text in DOCUMENTS.items():
        indented = re.findall(r"^    ((?:sh|python|vsim-tf) .*(?:\n      .*)*)", text, re.MULTILINE)
        inline = re.findall(r"`((?:sh |python )?[\w./]+\.(?:sh|py) --[^`]*)`", text)
        lines = [line for block in blocks(text, "sh") for line in block.replace("\\\n", " ").splitlines()]
        for command in (*indented, *lines, *inline):
            for placeholder, value in PLACEHOLDERS.items():
                command = command.replace(placeholder, value)
            words = shlex.split(command.replace("\\\n", " "), comments=True)
            words = words[words[0] in ("sh", "python", "vsim-tf") :] if words else []
            if words and words[0] in (*DEFINED, *CONSOLE, "run.sh"):
                found.append((name, words))
    return found


@functools.cache
def flags_of(script: str) -> FlagValues:
    return defined((DEFINED | CONSOLE)[script])


@functools.cache
def options_of_run_sh() -> set[str]:
    result = subprocess.run(["sh", "run.sh", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return set(re.findall(r"--\w+", result.stdout))


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "words"), commands(), ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else value
)
def test_a_command_is_accepted(document, words):
    script, *arguments = words
    if script != "run.sh":
        assert_accepted(script, arguments)
        return
    stages = OF_CLASSES if "--system=wbdc2022_rank8" in arguments else OF_STAGE
    for argument in arguments:
        name, _, value = argument.partition("=")
        assert name in options_of_run_sh()
        if name in stages:
            assert_accepted(stages[name], shlex.split(value))


def assert_accepted(script: str, arguments: list[str]):
    """Flags that the script has, with values that they take; a flag that the text only names has no value."""
    values = flags_of(script)
    for argument in arguments:
        name, _, value = argument.removeprefix("--").partition("=")
        assert name in values, f"{script} has no --{name}"
        if value or values[name].boolean:
            values([script, argument])


def test_commands_are_found():
    found = [(name, words[0]) for name, words in commands()]
    assert found.count(("README.md", "run.sh")) >= 2
    assert {script for name, script in found if name == "README.md"} - CONSOLE.keys() == {*DEFINED, "run.sh"}
    assert {name for name, _ in found} >= {"README.md", "docs/data.md", "docs/recipes.md", "docs/reproduce.md"}


def test_a_run_of_other_settings_has_a_folder_of_its_own():
    """After the README's first command, which leaves output/demo: other settings in the same folder are refused."""
    demo = [words for _, words in commands() if words[0] == "run.sh" and not any(w.startswith("--data_dir") for w in words)]
    changed = [words for words in demo if any(word.startswith(("--pretrain_flags", "--finetune_flags")) for word in words)]
    assert changed
    assert not [words for words in changed if not any(word.startswith("--output_dir") for word in words)]


# --- names ------------------------------------------------------------------------------------------------------------


def test_every_flag_that_is_named_exists():
    known = set().union(*({f"--{name}" for name in flags_of(script)} for script in DEFINED | CONSOLE)) | options_of_run_sh()
    known |= {f"--no{name}" for script in DEFINED for name in flags_of(script) if flags_of(script)[name].boolean}
    known |= {"--fast", "--slow", "--help", "--logdir"}  # of test.sh, of all, of TensorBoard
    known |= {f"--{name}" for name in defined(export.define_flags, serve.define_flags)}
    for name, text in DOCUMENTS.items():
        named = set(re.findall(r"(?<![\w-])--\w+", text))
        assert not named - known, name


SCRIPTS_OF_2021 = {
    name
    for line in DOCUMENTS["docs/fidelity.md"].partition("| 2021 | today |")[2].partition("\n\n")[0].splitlines()
    for name in re.findall(r"`([\w*]+\.(?:py|sh))`", line.split(" | ")[0])
}
PATHS = re.compile(
    r"`((?:vsim_tf|tests|docs|benchmarks|data|ensemble|input|layers|models|optim|presets|records|reliability|runs|tasks|text|training)/[\w./-]*|\w+\.(?:py|sh|toml))(?:::(\w+))?`"
)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_and_test_that_is_named_exists(name):
    text = DOCUMENTS[name]
    for link in re.findall(r"\]\(([^)#:]+)[^):]*\)", text):
        assert (ROOT / name).parent.joinpath(link).exists(), link
    for path, function in PATHS.findall(text):
        if path.startswith("data/") and not path.endswith(".py"):
            continue  # of the data folder
        (found, *_) = [folder / path for folder in (ROOT, ROOT / "tests", ROOT / "benchmarks") if (folder / path).exists()] or [
            None
        ]
        assert found or path in SCRIPTS_OF_2021, path
        assert not function or f"def {function}(" in found.read_text(encoding="utf-8"), function


def selects(path: Path, expression: str) -> list[str]:
    """Words of a -k expression that are in no name of a test and no parameter of the file."""
    names = (
        path.read_text(encoding="utf-8") if path.is_file() else "".join(p.read_text(encoding="utf-8") for p in path.glob("*.py"))
    )
    return [word for word in re.findall(r"[\w-]+", expression) if word not in ("or", "and", "not") and word not in names]


def test_every_check_of_reliability_md_selects_tests():
    checks = re.findall(r"`(tests/[\w./]+)((?: -\w+(?: (?:\"[^\"]*\"|\w+))?)*)`", DOCUMENTS["docs/reliability.md"])
    assert len(checks) > 60
    for path, options in checks:
        assert (ROOT / path).exists(), path
        words = shlex.split(options)
        if "-k" in words:
            assert not selects(ROOT / path, words[words.index("-k") + 1]), (path, options)
