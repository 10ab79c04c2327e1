"""The committed checkpoint of every registered network restores and makes of videos what it made when it was written.

tests/golden/checkpoints/make.py writes them.
"""

from pathlib import Path

import numpy as np
import pytest
import toys

from vsim_tf.inference.embed_files import load_embedder
from vsim_tf.input.pipeline import numbered_batches
from vsim_tf.runs.checkpoint_files import BEST, newest_checkpoint
from vsim_tf.runs.weights import restore_weights

pytestmark = pytest.mark.optimised_graphs
GOLDEN = Path(__file__).parent / "golden" / "checkpoints"
MODELS = (*toys.MODELS, "debug")
VIDEOS = str(GOLDEN / "videos.tfrecords")


def test_every_network_has_a_checkpoint_of_a_few_kilobytes():
    assert {path.name for path in GOLDEN.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(MODELS)
    assert sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file()) < 1_000_000


@pytest.mark.parametrize("name", MODELS)
def test_a_checkpoint_restores_and_embeds_as_when_it_was_written(name):
    embedder, form = load_embedder(GOLDEN / name, "float32", name)
    restore_weights(embedder.model, newest_checkpoint(GOLDEN / name, BEST))
    embeddings = embedder.embed(numbered_batches([VIDEOS], "videos", form, 3))
    assert embeddings.ids == [f"v{number}" for number in range(8)]
    expected = np.load(GOLDEN / name / "embeddings.npy", allow_pickle=False)
    assert np.ptp(expected, axis=0).astype(bool).mean() > 0.5, "most numbers must tell videos apart"
    np.testing.assert_allclose(embeddings.values, expected, rtol=0, atol=1e-5)
