"""Labelled pairs as runs embed them that did not train on them: each fold's validation pairs by the run of that fold."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from vsim_tf.ensemble.find import trained_folds, trained_run
from vsim_tf.ensemble.linear_embeddings import embed_by_linear
from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import pair_rows
from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.inference.embed_files import announce_by_runs, by_runs
from vsim_tf.inference.products import EMBEDDINGS, VideoSet
from vsim_tf.io.paths import ALWAYS_TRAIN, FULL, PAIRWISE, embeddings_file, fold_folder, records_pattern
from vsim_tf.presets import registry
from vsim_tf.records.embeddings import read_embeddings
from vsim_tf.records.labels import Pair
from vsim_tf.records.manifest import read_manifest
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.records.videos import read_pairs

BATCH_SIZE = 64

logger = logging.getLogger(__name__)


class OutOfFold(NamedTuple):
    """Pairs that every model has, in one order.

    Attributes:
        pairs: ids and human similarity scores.
        first, second: embeddings of both videos by each model, name -> `[pairs, dim of its own]`.
        fold: of the first trained model, by whose run a pair is embedded, `[pairs]` int64.
    """

    pairs: list[Pair]
    first: dict[str, np.ndarray]
    second: dict[str, np.ndarray]
    fold: np.ndarray

    @property
    def similarity(self) -> np.ndarray:
        """Human similarity scores, `[pairs]`."""
        return np.array([pair.similarity for pair in self.pairs])

    def cosines(self) -> np.ndarray:
        """Cosine of each pair by each model, `[pairs, models]`."""
        return np.stack([cosine_similarity(self.first[name], self.second[name]) for name in self.names], axis=1)

    def of(self, names: Sequence[str]) -> Self:
        """The same pairs by some of the models."""
        first, second = ({name: side[name] for name in names} for side in (self.first, self.second))
        return self._replace(first=first, second=second)

    @property
    def names(self) -> list[str]:
        """The models, in the order that all of it has."""
        return list(self.first)


def out_of_fold(output_dir: Path, data_dir: Path, folds: Mapping[str, Sequence[int | str]], center: bool = False) -> OutOfFold:
    """Embeds the videos of the labelled pairs by the runs of all models, where that is not done, and picks each pair's.

    The embeddings are those of a test set with the name `pairwise` in each run folder. Left out are pairs that the label file has
    more than once, as a run may have trained on the other one, and pairs that some model has no run for. The linear model, which
    reads no pairs, has all of them.

    Args:
        output_dir: folder of all runs.
        data_dir: with the videos of the pairs.
        folds: fine-tuned folds of each model, and `FULL` of the linear model.
        center: subtract the mean of a run's embeddings over all of these videos.

    Raises:
        UserError: folds, records or a run cannot be used, or there is no pair that all models have.
    """
    trained = {model: [run for run in runs if isinstance(run, int)] for model, runs in folds.items() if model != registry.LINEAR}
    split_of = {model: trained_folds(output_dir, model, runs[0]) for model, runs in trained.items() if runs}
    once = {folder: validation_pairs(folder) for folder in dict.fromkeys(split_of.values())}
    of_models: dict[str, dict[Pair, Any]] = {
        model: {pair: fold for fold in runs for pair in once[split_of[model]].get(fold, ())} for model, runs in trained.items()
    }
    first_model, *others = of_models
    pairs = [pair for pair in of_models[first_model] if all(pair in of_models[model] for model in others)]
    if not pairs:
        names = ", ".join(trained)
        raise UserError(f"{output_dir}: no labelled pair is in the validation of a run of each of {names}", ["models"])
    of_models[registry.LINEAR] = dict.fromkeys(pairs, FULL)
    fold_of = {model: np.array([of_models[model][pair] for pair in pairs]) for model in folds}
    found = OutOfFold(pairs, {}, {}, fold_of[first_model])
    embed_training_videos(output_dir, data_dir, folds)
    for model, fold in fold_of.items():
        found.first[model], found.second[model] = _pick(output_dir, model, pairs, fold, center)
    return found


def embed_training_videos(output_dir: Path, data_dir: Path, folds: Mapping[str, Sequence[int | str]]) -> None:
    """Embeds the videos of the labelled pairs by runs of models, where that is not done; see `out_of_fold`."""
    sets = [VideoSet(PAIRWISE, expand_pattern(records_pattern(data_dir / PAIRWISE)))]
    for model, runs in folds.items():
        if model == registry.LINEAR:
            embed_by_linear(output_dir, data_dir, trained_run(output_dir, folds), [PAIRWISE])
        else:
            _embed(model, [fold_folder(output_dir, model, run) for run in runs], sets)


def validation_pairs(folds_dir: Path) -> dict[int, list[Pair]]:
    """The validation pairs of each fold, without those that occur again, in whatever order of their videos."""
    manifest = read_manifest(folds_dir)
    names = {name for fold in manifest.folds for name in fold.validation} | ({ALWAYS_TRAIN} & set(manifest.files))
    of_file = {name: read_pairs([str(folds_dir / name)]) for name in names}
    counts = Counter(frozenset(pair[:2]) for pairs in of_file.values() for pair in pairs)
    return {
        fold: [pair for name in entry.validation for pair in of_file[name] if counts[frozenset(pair[:2])] == 1]
        for fold, entry in enumerate(manifest.folds)
    }


def _embed(model: str, folders: Sequence[Path], sets: Sequence[VideoSet]) -> None:
    if not announce_by_runs(EMBEDDINGS, model, folders, lambda: sets, "", "auto"):
        by_runs(EMBEDDINGS, model, folders, sets, "", BATCH_SIZE, "auto")


def _pick(output_dir: Path, model: str, pairs: Sequence[Pair], fold: np.ndarray, center: bool) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of both videos of each pair, `[pairs, dim]`, by the run of its fold."""
    picked: list[np.ndarray] = []
    for number in np.unique(fold).tolist():
        ids, embedded = read_embeddings(embeddings_file(fold_folder(output_dir, model, number), PAIRWISE))
        embedded = embedded - embedded.mean(axis=0, dtype=np.float64) if center else embedded
        if not picked:
            picked = [np.empty((len(pairs), embedded.shape[1]), embedded.dtype) for _ in range(2)]
        chosen = np.flatnonzero(fold == number)
        rows = pair_rows(ids, [pairs[row] for row in chosen.tolist()])
        for values, of_pair in zip(picked, rows[:2], strict=True):
            values[chosen] = embedded[of_pair]
    return picked[0], picked[1]
