"""The five scripts one after the other where nothing is as usual: no network, read-only data, odd paths, odd ids, odd hashes."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import toys

ROOT = Path(__file__).parents[2]
IDS = ["9223372036854775807", "9223372036854775808", "18446744073709551616", "007", "7", "000", "天地"]
NO_NETWORK = """
import sys

def refuse(event, arguments):
    if event.startswith("socket."):
        raise RuntimeError(f"{event} {arguments}: nothing may ask for a network")

sys.addaudithook(refuse)
"""
STEPS = ["--batch_size=4", "--total_steps=2", "--warmup_steps=1", "--bert_total_steps=2", "--bert_warmup_steps=1"]


def plain_user() -> list[str]:
    """The start of a command whose process heeds permissions, also when root starts it."""
    if os.geteuid():
        return []
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.fixture
def place(tmp_path):
    """A folder with blanks, quotes, commas, Chinese characters and those of patterns in its path, and read-only data in it."""
    if not os.geteuid() and not shutil.which("setpriv"):
        pytest.skip("root may write everywhere, and there is no setpriv")
    data = tmp_path / "一个 [文件夹], 'a' *" / "数据 data"
    rng = np.random.default_rng(0)
    for part in ("pointwise", "pairwise", "test_a", "test_b"):
        (data / part).mkdir(parents=True)
        toys.write_records(data / part / f"{part}.tfrecords", [toys.random_video(video, rng) for video in [*IDS, *"abcdefghij"]])
    pairs = "".join(f"{a}\t{b}\t{score}\n" for a, b, score in zip(IDS, "abcdefg", np.arange(7) / 10, strict=True))
    for part in ("pairwise", "test_a"):
        (data / part / "label.tsv").write_text(pairs)
    (data / "tag_list.txt").write_text("".join(f"{tag}\n" for tag in toys.TAGS))
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(NO_NETWORK)
    permissions(data, 0o555, 0o444)
    yield data.parent
    permissions(data, 0o755, 0o644)


def permissions(folder: Path, of_folders: int, of_files: int):
    for path in [folder, *folder.rglob("*")]:
        path.chmod(of_folders if path.is_dir() else of_files)


def start(place: Path, script: str, *flags: str, hash_seed: int = 0) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(place.parent / "python"), "PYTHONHASHSEED": str(hash_seed)}
    command = [*plain_user(), sys.executable, str(ROOT / script), *flags]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=300, check=False)


def succeed(*arguments, **options) -> str:
    result = start(*arguments, **options)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


@pytest.mark.slow
def test_the_whole_way(place):
    data, output, size = "--data_dir=数据 data", "--output_dir=输出 output/新 new", f"--frame_embedding_size={toys.DIM}"
    folds = "--output_dir=输出 output/新 new/folds"
    succeed(place, "write_tfrecord.py", data, folds, size, "--num_folds=2")
    succeed(place, "train_pretrain.py", data, output, size, "--size=debug", "--max_frames=4", "--bert_seq_length=8", *STEPS)
    succeed(place, "train_pair.py", output, "--folds=0-1", *STEPS)
    succeed(place, "inference_pair.py", data, output, "--model=uniter", "--folds=0-1")
    said = succeed(place, "ensemble_final.py", data, output, size, "--models=uniter", "--weights=1", "--folds=0-1")
    assert "report.md" in said
    with zipfile.ZipFile(place / "输出 output/新 new/result.zip") as archive:
        assert archive.namelist() == ["result.json"]
        result = json.loads(archive.read("result.json"))
    assert list(result) == [*IDS, *"abcdefghij"]
    assert np.isfinite(np.array(list(result.values()))).all()
    succeed(place, "write_tfrecord.py", data, "--output_dir=again", size, "--num_folds=2", hash_seed=1)
    for path in (place / "again").iterdir():
        assert path.read_bytes() == (place / "输出 output/新 new/folds" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("script", "output"),
    [
        ("write_tfrecord.py", "--output_dir=数据 data/folds"),
        pytest.param("train_pretrain.py", "--output_dir=数据 data/output", marks=pytest.mark.slow),
    ],
)
def test_output_that_cannot_be_written(place, script, output):
    sizes = ["--size=debug", "--max_frames=4", "--bert_seq_length=8", *STEPS] if "pretrain" in script else ["--num_folds=2"]
    result = start(place, script, "--data_dir=数据 data", output, f"--frame_embedding_size={toys.DIM}", *sizes)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("error: --output_dir")
    assert result.stderr.splitlines()[-1].count("Permission denied") == 1


@pytest.mark.parametrize("file", ["pairwise/pairwise.tfrecords", "pairwise/label.tsv"])
def test_input_that_cannot_be_read(place, file):
    (place / "数据 data" / file).chmod(0)
    result = start(place, "write_tfrecord.py", "--data_dir=数据 data", f"--frame_embedding_size={toys.DIM}")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and file in line and ("permissions" in line or "Permission denied" in line)


def test_the_guard_against_the_network_works(place):
    program = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')"
    environment = os.environ | {"PYTHONPATH": str(place.parent / "python")}
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "nothing may ask for a network" in result.stderr
