"""Embeddings of a few videos, in memory and as the files of an output folder."""

import numpy as np

from vsim_tf.records.embeddings import Embeddings, write_embeddings
from vsim_tf.records.labels import Pair

PAIRS = [Pair("v0", "v1", 1.0), Pair("v1", "v2", 0.3), Pair("v3", "v4", 0.0), Pair("v5", "v0", 0.7)]


def random_members(count=3, videos=6, dim=4, seed=5):
    """Members with the same ids, each in an order of its own, and their float64 values in the order of the first."""
    rng = np.random.default_rng(seed)
    members, values = [], []
    for member in range(count):
        rows = np.sort(rng.permutation(videos)) if member == 0 else rng.permutation(videos)
        value = rng.normal(size=(videos, dim)).astype(np.float16)
        members.append(Embeddings([f"v{row}" for row in rows], value[rows]))
        values.append(value.astype(np.float64))
    return members, np.array(values)


def write_run(folder, folds, test_name="test_a", seed=5):
    """Writes one embeddings file per model and fold and returns them, as the model's members."""
    members, _ = random_members(sum(map(len, folds.values())), seed=seed)
    written = {}
    for model, numbers in folds.items():
        for fold in numbers:
            path = folder / model / f"fold-{fold:02d}" / "embeddings" / f"{test_name}.npz"
            written.setdefault(model, []).append(members.pop())
            write_embeddings(path, written[model][-1])
    return written


def noisy_models(noise, seed=0, pairs=400):
    """Similarities, and cosines of models that see them through noise of these widths."""
    rng = np.random.default_rng(seed)
    similarity = rng.choice(21, pairs) / 20
    return np.stack([similarity + width * rng.standard_normal(pairs) for width in noise], axis=1), similarity
