"""Labelled pairs as runs embed them that did not train on them: each fold's validation pairs by the run of that fold."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vsim_tf.ensemble.find import trained_folds
from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import pair_rows
from vsim_tf.inference.embed_files import announce_by_runs, by_runs
from vsim_tf.inference.products import EMBEDDINGS, VideoSet
from vsim_tf.io.paths import ALWAYS_TRAIN, PAIRWISE, embeddings_file, fold_folder, records_pattern
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
        fold: of the first model, by whose run a pair is embedded, `[pairs]` int64.
    """

    pairs: list[Pair]
    first: dict[str, np.ndarray]
    second: dict[str, np.ndarray]
    fold: np.ndarray

    @property
    def similarity(self) -> np.ndarray:
        """Human similarity scores, `[pairs]`."""
        return np.array([pair.similarity for pair in self.pairs])

    @property
    def names(self) -> list[str]:
        """The models, in the order that all of it has."""
        return list(self.first)


def out_of_fold(output_dir: Path, data_dir: Path, folds: Mapping[str, Sequence[int]]) -> OutOfFold:
    """Embeds the videos of the labelled pairs by the runs of all models, where that is not done, and picks each pair's.

    The embeddings are those of a test set with the name `pairwise` in each run folder. Left out are pairs that the label file has
    more than once, as a run may have trained on the other one, and pairs that some model has no run for.

    Args:
        output_dir: folder of all runs.
        data_dir: with the videos of the pairs.
        folds: fine-tuned folds of each model.

    Raises:
        UserError: folds, records or a run cannot be used, or there is no pair that all models have.
    """
    files = expand_pattern(records_pattern(data_dir / PAIRWISE))
    split_of = {model: trained_folds(output_dir, model, numbers[0]) for model, numbers in folds.items() if numbers}
    once = {folder: validation_pairs(folder) for folder in dict.fromkeys(split_of.values())}
    of_models = {
        model: {pair: fold for fold in numbers for pair in once[split_of[model]].get(fold, ())}
        for model, numbers in folds.items()
    }
    first_model, *others = of_models
    pairs = [pair for pair in of_models[first_model] if all(pair in of_models[model] for model in others)]
    if not pairs:
        raise UserError(f"{output_dir}: no labelled pair is in the validation of a run of each of {', '.join(folds)}", ["models"])
    fold_of = {model: np.array([of_model[pair] for pair in pairs]) for model, of_model in of_models.items()}
    found = OutOfFold(pairs, {}, {}, fold_of[first_model])
    for model, fold in fold_of.items():
        _embed(output_dir, model, folds[model], files)
        found.first[model], found.second[model] = _pick(output_dir, model, pairs, fold)
    return found


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


def _embed(output_dir: Path, model: str, folds: Sequence[int], files: list[str]) -> None:
    sets, folders = [VideoSet(PAIRWISE, files)], [fold_folder(output_dir, model, fold) for fold in folds]
    if not announce_by_runs(EMBEDDINGS, model, folders, lambda: sets, "", "auto"):
        by_runs(EMBEDDINGS, model, folders, sets, "", BATCH_SIZE, "auto")


def _pick(output_dir: Path, model: str, pairs: Sequence[Pair], fold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of both videos of each pair, `[pairs, dim]`, by the run of its fold."""
    picked: list[np.ndarray] = []
    for number in np.unique(fold).tolist():
        embeddings = read_embeddings(embeddings_file(fold_folder(output_dir, model, number), PAIRWISE))
        if not picked:
            picked = [np.empty((len(pairs), embeddings.values.shape[1]), embeddings.values.dtype) for _ in range(2)]
        chosen = np.flatnonzero(fold == number)
        rows = pair_rows(embeddings.ids, [pairs[row] for row in chosen.tolist()])
        for values, of_pair in zip(picked, rows[:2], strict=True):
            values[chosen] = embeddings.values[of_pair]
    return picked[0], picked[1]
