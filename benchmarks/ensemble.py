"""Ensemble of 66 members with 43,027 videos of 256 numbers: fold means and weighted sum, without the final JSON."""

import resource
import shutil
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.table import row, seconds
from vsim_tf.ensemble.scored import ensemble_run
from vsim_tf.presets.registry import ENSEMBLE_MODELS
from vsim_tf.records.embeddings import Embeddings, write_embeddings

VIDEOS, DIM, FOLDS = 43_027, 256, 11


def main():
    specs = [make() for make in ENSEMBLE_MODELS]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        values = np.random.default_rng(0).standard_normal((VIDEOS, DIM), "float32")
        write_embeddings(folder / "first.npz", Embeddings([str(10**17 + i) for i in range(VIDEOS)], values))
        members = {spec.name: [folder / f"{spec.name}-{fold}.npz" for fold in range(FOLDS)] for spec in specs}
        for path in (path for paths in members.values() for path in paths):
            shutil.copy(folder / "first.npz", path)
        spent = seconds(lambda: ensemble_run(members, {spec.name: spec.ensemble_weight for spec in specs}))
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row("ensemble of 66 members", f"{spent:.1f} s", "wanted 60 s", 60 / spent)
    row("its memory", f"{resident:.0f} MiB", "wanted 1024 MiB", 1024 / resident)


if __name__ == "__main__":
    main()
