"""The code of documents runs, in a folder that a reader has."""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import toy_clips
import toy_runs
import toy_towers
import toys
from documents import DOCUMENTS, ROOT, blocks
from test_docs import commands

from vsim_tf.features.pictures import encode_jpeg
from vsim_tf.models import weight_files
from vsim_tf.models.frame_embeddings import FrameEmbedding
from vsim_tf.models.layouts import Layout
from vsim_tf.models.pooling import Pooling
from vsim_tf.models.projections import Projection
from vsim_tf.models.tag_heads import TagHead
from vsim_tf.optim.averaging import WeightAverage
from vsim_tf.optim.gradients import GradientMethod
from vsim_tf.optim.schedules import Schedule
from vsim_tf.records.embeddings import Embeddings, write_embeddings, write_submission
from vsim_tf.records.labels import read_labels
from vsim_tf.records.tfrecords import write_records
from vsim_tf.records.videos import read_ids, video_record
from vsim_tf.tasks.task import Task


def run(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_files_are_written_by_the_code_of_data_md(tmp_path):
    """In an empty folder, one block after the other, each on its own as a reader may run it."""
    _, own, tensorflow, _ = blocks(DOCUMENTS["docs/data.md"], "python")
    command = blocks(DOCUMENTS["docs/data.md"], "sh")[-1]
    for code in (own, tensorflow, own):  # also where the folders are there
        run([sys.executable, "-c", code], tmp_path)
    assert read_ids([f"{tmp_path}/data/pairwise/pairwise.tfrecords"]) == ["1001", "1002", "1003"]
    assert [pair.similarity for pair in read_labels(tmp_path / "data/pairwise/label.tsv")] == [0.35, 0.0]
    assert read_ids([f"{tmp_path}/data/pointwise/pretrain_0.tfrecords"]) == ["1001"]
    _, script, *arguments = shlex.split(command)
    assert "2 pairs of 3 videos" in run([sys.executable, str(ROOT / script), *arguments], tmp_path)


def test_tables_and_scores_become_data_by_the_commands_of_data_md(tmp_path):
    """In the folder of somebody who has the two CSV files, and features of each video."""
    for name, text in zip(("videos.csv", "scores.csv"), blocks(DOCUMENTS["docs/data.md"], "csv"), strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "features").mkdir()
    for video in ("1001", "1002", "1003"):
        np.save(tmp_path / f"features/{video}.npy", np.random.default_rng(int(video)).normal(size=(12, 1536)))
    *lines, _ = [line for block in blocks(DOCUMENTS["docs/data.md"], "sh") for line in block.splitlines()]
    said = []
    for line in lines:
        _, script, *arguments = shlex.split(line)
        said.append(run([sys.executable, str(ROOT / script), *arguments], tmp_path))
    code = blocks(DOCUMENTS["docs/data.md"], "python")[0]
    assert run([sys.executable, "-c", code], tmp_path) == "2 videos 24 frames\n"
    extracted, labels, checked, folds = said
    assert "3 videos, 36 frames" in extracted and "3 pairs" in labels and "3 pairs of 3 videos" in folds
    assert "label.tsv, similarity from: 0.0: 1, " in checked and checked.endswith("data: no problems\n")
    assert "tag_list.txt: 2 tags of videos.csv added" in extracted and "there is no test set" in checked
    assert [pair.similarity for pair in read_labels(tmp_path / "data/pairwise/label.tsv")] == [0.7, 0.0, 0.2]
    assert read_ids([f"{tmp_path}/data/pointwise/videos.tfrecords"]) == ["1001", "1002"]


def test_embeddings_are_read_by_the_code_of_data_md(tmp_path):
    """In the folder of somebody who has run inference_pair.py."""
    write_embeddings(
        tmp_path / "output/uniter/fold-00/embeddings/test_b.npz", Embeddings(["1001"], np.array([[1.0, 0.0]], "float32"))
    )
    code = blocks(DOCUMENTS["docs/data.md"], "python")[-1]
    assert run([sys.executable, "-c", f"{code}\nprint(ids, values.tolist())"], tmp_path) == "['1001'] [[1.0, 0.0]]\n"


def test_neighbours_are_found_by_the_code_of_video_md(tmp_path):
    """In the folder of somebody who has embedded three clips."""
    values = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]], "float32")
    write_submission(tmp_path / "clips.zip", Embeddings(["1001", "1002", "1003"], values))
    (code,) = blocks(DOCUMENTS["docs/video.md"], "python")
    first, second, third = run([sys.executable, "-c", code], tmp_path).splitlines()
    assert first == "1001 [('1002', 0.995), ('1003', 0.0)]"  # 1 / sqrt(1 + 0.1 ** 2)
    assert second.startswith("1002 [('1001', 0.995), ('1003', 0.09")
    assert third.endswith("('1001', 0.0)]")


def test_models_are_used_by_the_code_of_library_md(tmp_path):
    """In the folder of somebody who has run the demo, one block after the other."""
    for name, folds in {"uniter": 2, "mix_nextvlad": 1}.items():
        for fold in range(folds):
            folder = tmp_path / "output/demo" / name / f"fold-{fold:02d}"
            shutil.copytree(ROOT / "tests/golden/checkpoints" / name, folder)
            (folder / "best").rename(folder / "last")
            (folder / "summary.json").write_text("{}")
    toy_towers.write_clip(tmp_path / "clip-vit-base-patch32")
    toy_runs.make_classifier(tmp_path / "output/demo_rank8/wbdc_1/fold-00", "wbdc_1", 0)
    (tmp_path / "clips").mkdir()
    toy_clips.write_clip(tmp_path / "clips/1001.mp4", 9)
    for number in range(2):
        (tmp_path / f"clips/{number}.jpg").write_bytes(encode_jpeg(toy_clips.picture(number)))
    (tmp_path / "data/demo/test_a").mkdir(parents=True)
    write_records(tmp_path / "data/demo/test_a/test_a.tfrecords", toys.random_videos(4))
    (tmp_path / "data/demo/test_a/label.tsv").write_text("v0\tv1\t0.5\nv2\tv3\t0\nv1\tv2\t1\n")
    code = "".join(blocks(DOCUMENTS["docs/library.md"], "python"))
    check = """
assert embeddings.shape == unit.shape == (3, 8) and vector.shape == of_file.shape == (8,) and one_run.dim == 8
assert np.allclose(similarities, [cosines[0, 1], cosines[1, 2]], atol=1e-5) and np.isclose(similarity, cosines[0, 1], atol=1e-5)
assert of_records.shape == (4, 8) and ids == ["v0", "v1", "v2", "v3"]
assert small.dtype == np.int8 and small.shape == (3, 8) and bits.shape == (3, 1)
assert len(categories) == 1 and probabilities.shape == (1, 5)
assert scores.keys() == {"spearman", "pearson"} and neighbours == {"recall@1": 1, "mean_average_precision": 1}
"""
    shipped, model, sizes, first, *_, error = run([sys.executable, "-c", code + check], tmp_path).splitlines()
    assert shipped == "(256,)"
    assert model == "Model('output/demo', dim=8, frame_dim=6, max_frames=4, members=2, checkpoints=3)"
    assert sizes == "8 6 4"
    assert first == "天地玄黄 天地玄黄 1.0"
    assert error.startswith("items[1]: none of the keys 'frames', 'pictures', 'video' is there; there is 'title', needed are ")


@pytest.mark.slow
def test_videos_are_found_by_the_commands_and_the_code_of_search_md(tmp_path, server):
    """In the folder of somebody who has run the demo, one command after the other."""
    pytest.importorskip("faiss")
    pytest.importorskip("pyarrow")
    toy_runs.make_run(tmp_path / "output/demo/uniter/fold-00", "uniter", 0)
    for name, seed in {"test_a": 0, "test_b": 1}.items():
        (tmp_path / "data/demo" / name).mkdir(parents=True)
        video = video_record("titled", "天地玄黄", np.ones((2, toys.DIM)))
        write_records(tmp_path / f"data/demo/{name}/{name}.tfrecords", [*toys.random_videos(4, seed), video])
    write_embeddings(tmp_path / "one.npz", Embeddings(["v0", "v1"], np.eye(2)))
    write_embeddings(tmp_path / "many.npz", Embeddings([f"v{i}" for i in range(1000)], np.random.randn(1000, 8)))
    toy_towers.write_clip(tmp_path / "clip-vit-base-patch32")
    (tmp_path / "clips").mkdir()
    toy_clips.write_clip(tmp_path / "clips/1001.mp4", 9)
    said = {}
    for _, (name, *arguments) in [found for found in commands() if found[0] == "docs/search.md"]:
        ended = server.run(ROOT / "vsim_tf/cli/main.py", name, *arguments, folder=tmp_path)
        assert ended.code == 0, ended.stderr
        said.setdefault(name, []).append(ended.stdout.splitlines())
    (_, written, _), (_, of_file), (recall, _) = said["index"]
    assert written == "vectors.parquet: 5 vectors" and of_file == "index-of-file: complete" and "recall@10" in recall
    by_id, by_title, by_records, by_text, by_video = said["search"]
    queries = [json.loads(line)["query"] for line in (*by_id, *by_title, *by_records, *by_text, *by_video)]
    assert [query.get("id") for query in queries] == ["v0", "v1", "titled", "v0", "v1", "v2", "v3", "titled", None, None]
    assert queries[-1] == {"video": "clips/1001.mp4", "title": "天地玄黄"} and len(said["dedup"]) == 1
    (code,) = blocks(DOCUMENTS["docs/search.md"], "python")
    check = "\nassert len(index) == 5 and len(neighbours) == 5 and [n.id for n in same] == [n.id for n in neighbours[0]]"
    (tmp_path / "code.py").write_text(code + check, encoding="utf-8")
    assert server.run(tmp_path / "code.py", folder=tmp_path).code == 0


def test_all_other_code_is_tried_too():
    counts = {name: len(blocks(text, "python")) for name, text in DOCUMENTS.items() if "```python" in text}
    assert counts == {
        "README.md": 1,
        "docs/architecture.md": 10,
        "docs/data.md": 4,
        "docs/library.md": 12,
        "docs/search.md": 1,
        "docs/server.md": 1,
        "docs/serving.md": 3,
        "docs/video.md": 1,
    }


def test_parts_of_architecture_md_are_those_that_are_trained():
    tried = (ROOT / "tests/test_extending.py").read_text(encoding="utf-8")
    assert not [block for block in blocks(DOCUMENTS["docs/architecture.md"], "python") if block.strip() not in tried]


def test_entries_of_architecture_md_are_those_of_the_package():
    rows = dict(re.findall(r"^\| `([A-Z]\w+)` \| (.*) \|$", DOCUMENTS["docs/architecture.md"], re.MULTILINE))
    families = (Layout, FrameEmbedding, Pooling, Projection, TagHead, Task, Schedule, GradientMethod, WeightAverage)
    assert rows.keys() == {family.__name__ for family in families}
    for family in families:
        entries = {name for name, entry in family.entries.items() if entry.__module__.startswith("vsim_tf.")}
        assert set(re.findall(r"`(\w+)`", rows[family.__name__])) == entries


def test_the_first_lines_of_the_readme_work(tmp_path):
    (code,) = blocks(DOCUMENTS["README.md"], "python")
    frames = "import numpy as np\nframes_a, frames_b = np.random.randn(5, 128), np.random.randn(2, 128)\n"
    assert (
        run([sys.executable, "-c", f"{frames}{code}\nprint(embeddings.shape, -1 <= similarity <= 1)"], tmp_path)
        == "(2, 256) True\n"
    )


def test_the_conversion_of_a_pickle_is_the_one_that_the_error_shows():
    assert f'cd FOLDER && python -c "{weight_files._CONVERT}"' in DOCUMENTS["docs/reproduce.md"]
    ast.parse(weight_files._CONVERT)
