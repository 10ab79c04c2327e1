"""Files for TensorBoard's projector: which videos, their embeddings and titles, read as TensorBoard does."""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import toys
from google.protobuf import text_format
from tensorboard.plugins.projector import ProjectorConfig, metadata

from vsim_tf.inference.embedder import Embedder
from vsim_tf.io.paths import PROJECTOR
from vsim_tf.records.videos import pair_record, video_record
from vsim_tf.runs.run_folder import RunSettings
from vsim_tf.training import projection

TITLES = ["天地", "玄 黄\t宇\n宙", "", "洪荒", "日月", "盈昃"]
NAMES = [f"v{number}" for number in range(len(TITLES))]


@pytest.fixture(scope="module")
def network():
    return toys.network("uniter")


@pytest.fixture(scope="module")
def embedder(network):
    return Embedder(network)


def write(folder: Path, embedder: Embedder, records: list[bytes], kind: str, chosen=None) -> tuple[np.ndarray, list[str]]:
    """Embeddings and lines of the table of titles, found by the file that TensorBoard looks for."""
    folder.mkdir(exist_ok=True)
    file = toys.write_records(folder / "records", records)
    settings = RunSettings("pair", embedder.model.config, toys.stage(), toys.TOKENIZERS["bert"], toys.TAGS, {})
    trainer = SimpleNamespace(stage=settings.training, state=SimpleNamespace(averaged=contextlib.nullcontext))
    projection.write_projection(folder, trainer, embedder, settings, [file], kind, chosen)
    assert PROJECTOR == metadata.PROJECTOR_FILENAME
    config = text_format.Parse((folder / "events" / PROJECTOR).read_text(), ProjectorConfig())
    (embedding,) = config.embeddings
    lines = (folder / "events" / embedding.metadata_path).read_text(encoding="utf-8").split("\n")
    assert lines[0] == "title\tid\tclass"
    assert lines[-1] == ""
    return np.loadtxt(folder / "events" / embedding.tensor_path, ndmin=2), lines[1:-1]


def videos() -> list[bytes]:
    rng = np.random.default_rng(0)
    frames = [rng.standard_normal((3, toys.DIM)).astype(np.float16) for _ in NAMES]
    return [
        video_record(*each, tags=[], category=101 if each[0] == "v3" else None)
        for each in zip(NAMES, TITLES, frames, strict=True)
    ]


def test_each_video_of_pairs_is_there_once_with_its_title(tmp_path, embedder):
    """v1 is in two pairs; characters that would end a cell or a line are blanks."""
    made = videos()
    values, lines = write(
        tmp_path / "pairs", embedder, [pair_record(made[i], made[j], 0.5) for i, j in ((1, 0), (2, 1))], "pairs"
    )
    assert lines == ["玄 黄 宇 宙\tv1\t", "天地\tv0\t", "\tv2\t"]
    whole, all_lines = write(tmp_path / "videos", embedder, made, "videos")
    assert [line.split("\t")[1] for line in all_lines] == NAMES
    assert all_lines[3] == "洪荒\tv3\t0101"
    np.testing.assert_allclose(values, whole[[1, 0, 2]], rtol=1e-3, atol=1e-5)
    assert np.linalg.norm(whole[0] - whole[1]) > 1e-3


CHOSEN = [("videos", None, NAMES[:4]), ("videos", [1, 4, 5], ["v1", "v4", "v5"]), ("pairs", None, NAMES[:4])]


@pytest.mark.parametrize(("kind", "chosen", "expected"), CHOSEN)
def test_the_first_videos_of_those_that_are_validated_on(tmp_path, embedder, monkeypatch, kind, chosen, expected):
    monkeypatch.setattr(projection, "VIDEOS", 4)
    made = videos()
    if kind == "pairs":
        made = [pair_record(*pair, 0.5) for pair in zip(made[::2], made[1::2], strict=True)]
    values, lines = write(tmp_path, embedder, made, kind, None if chosen is None else np.array(chosen))
    assert [line.split("\t")[1] for line in lines] == expected
    assert values.shape == (len(expected), embedder.model.config.dim)
