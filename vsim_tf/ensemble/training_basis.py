"""The basis of an SVD ensemble from training videos: those of the labelled pairs, which are more than a small test set has."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vsim_tf.ensemble.combine import align, fold_mean
from vsim_tf.ensemble.out_of_fold import embed_training_videos
from vsim_tf.ensemble.svd_basis import SvdBasis
from vsim_tf.io.paths import PAIRWISE, embeddings_file, fold_folder


def training_basis(
    output_dir: Path,
    data_dir: Path,
    folds: Mapping[str, Sequence[int | str]],
    weights: Mapping[str, float],
    center: bool = False,
) -> SvdBasis:
    """Embeds the videos of the labelled pairs by the runs of all models, where that is not done, and fits the basis to them.

    Args:
        output_dir: folder of all runs.
        data_dir: with the videos of the pairs.
        folds: runs of each model, whose mean its embeddings are.
        weights: of the models; those of weight 0 are left out.
        center: see `SvdBasis.fit`.

    Raises:
        UserError: records or a run cannot be used.
    """
    embed_training_videos(output_dir, data_dir, folds)
    files = [[embeddings_file(fold_folder(output_dir, model, run), PAIRWISE) for run in runs] for model, runs in folds.items()]
    aligned = align(map(fold_mean, files), [weights[model] for model in folds], list(folds))
    return SvdBasis.fit(aligned.values, aligned.weights, center=center)
