"""The examples run as their first lines say, on small models and data."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import toy_runs
import toys

from vsim_tf.records.embeddings import read_embeddings

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(name: str, *arguments: object, folder: Path) -> str:
    """What an example prints."""
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture
def videos(tmp_path):
    """A table of 40 videos with features, and scores from 0 to 5 of 60 pairs."""
    rng = np.random.default_rng(0)
    (tmp_path / "features").mkdir()
    lines = ["id,title,tags"]
    for number in range(40):
        np.save(tmp_path / f"features/{number}.npy", rng.standard_normal((3, toys.DIM)).astype("float32"))
        lines.append(f"{number},{toys.random_title(rng)},{rng.choice(toys.TAGS)}")
    (tmp_path / "videos.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    pairs = sorted({tuple(sorted(pair)) for pair in rng.choice(40, (60, 2)).tolist() if pair[0] != pair[1]})
    scores = "".join(f"{a},{b},{rng.integers(0, 6)}\n" for a, b in pairs)
    (tmp_path / "scores.csv").write_text("video_1,video_2,score\n" + scores)
    return tmp_path


def test_the_list_names_every_example():
    listed = re.findall(r"\]\((\w+\.py)\)", (ROOT / "examples/README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == [path.name for path in EXAMPLES]


def test_a_table_is_embedded_and_its_duplicates_are_found(videos):
    """A copy of a video under another id is its duplicate."""
    toy_runs.make_run(videos / "run", "uniter", seed=1)
    table = (videos / "videos.csv").read_text(encoding="utf-8")
    title = table.splitlines()[3].split(",")[1]
    (videos / "videos.csv").write_text(f"{table}copy,{title},\n", encoding="utf-8")
    (videos / "features/copy.npy").write_bytes((videos / "features/2.npy").read_bytes())
    where = ["--model=run", "--table=videos.csv", "--features=features", "--output=embeddings.npz"]
    assert run("embed_table.py", *where, folder=videos) == "embeddings.npz: 41 videos, 8 dimensions\n"
    embeddings = read_embeddings(videos / "embeddings.npz")
    np.testing.assert_allclose(np.linalg.norm(embeddings.values.astype("float32"), axis=1), 1, atol=2e-3)
    assert "2 copy\n" in run("find_duplicates.py", "embeddings.npz", "--threshold=0.999999", folder=videos)


@pytest.mark.slow
def test_own_pairs_become_an_ensemble_and_are_tuned(videos):
    steps = "--total_steps=2 --warmup_steps=1 --bert_total_steps=2 --bert_warmup_steps=1 --eval_freq=2 --batch_size=8"
    given = ["--table=videos.csv", "--features=features", "--scores=scores.csv", "--scale=0:5", "--work=own", "--"]
    flags = [f"--pretrain_flags={steps}", f"--finetune_flags={steps}"]
    said = run("train_on_own_pairs.py", *given, "--models=uniter", "--folds=0-1", *flags, folder=videos)
    assert "members=1, checkpoints=2" in said.splitlines()[-1]
    pytest.importorskip("optuna")
    where = ["--pretrained=own/output/uniter/pretrain", "--folds=own/output/folds", "--work=tuned", "--trials=2", "--"]
    last = run("tune.py", *where, *steps.split(), folder=videos).splitlines()[-1]
    scores = [json.loads(path.read_text())["best_spearman"] for path in videos.glob("tuned/*/uniter/fold-00/summary.json")]
    assert len(scores) == 2 and last.startswith(f"{max(scores):.4f}: --lr=")


@pytest.mark.slow
def test_many_videos_are_embedded_by_ray(videos):
    pytest.importorskip("ray")
    pandas, parquet = pytest.importorskip("pandas"), pytest.importorskip("pyarrow.parquet")
    toy_runs.make_run(videos / "run", "uniter", seed=1)
    features = [str(videos / f"features/{number}.npy") for number in range(40)]
    table = pandas.DataFrame({"id": [str(n) for n in range(40)], "title": "天地", "features": features})
    table.to_parquet(videos / "videos.parquet")
    run(
        "ray_embed.py",
        f"--model={videos}/run",
        f"--table={videos}/videos.parquet",
        f"--output={videos}/embeddings",
        folder=videos,
    )
    assert sorted(parquet.read_table(videos / "embeddings")["id"].to_pylist(), key=int) == [str(n) for n in range(40)]
