"""Embeddings of validation videos with their titles, for TensorBoard's projector."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.plugins.projector import ProjectorConfig

from vsim_tf.distributed.cluster import is_chief, worker_shard
from vsim_tf.inference.embedder import Embedder
from vsim_tf.input.pipeline import numbered_batches
from vsim_tf.io.files import output_file
from vsim_tf.io.paths import EVENTS, PROJECTED_EMBEDDINGS, PROJECTED_TITLES, PROJECTOR
from vsim_tf.records.record_index import RecordIndex
from vsim_tf.records.schema import CATEGORY_ID, PAIR_SUFFIXES, TITLE, PairBatch, VideoBatch
from vsim_tf.records.videos import parse_example, read_id
from vsim_tf.runs.run_folder import RunSettings, batch_format
from vsim_tf.text.tokenizers import decode_titles
from vsim_tf.training.loop import Trainer

VIDEOS = 2000
"""At most so many: as many as the projector draws smoothly, and embedded in little time."""


def write_projection(
    folder: Path,
    trainer: Trainer,
    embedder: Embedder,
    settings: RunSettings,
    files: Sequence[str],
    kind: str,
    chosen: np.ndarray | None = None,
) -> None:
    """Embeds the first validation videos of a run by the weights that it ended with, and writes them next to its curves.

    Args:
        folder: of the run.
        trainer: after the run.
        embedder: of the trainer's network.
        settings: of the run.
        files: record files of its validation.
        kind: "videos" or "pairs".
        chosen: record numbers, ascending; None: all.

    Raises:
        UserError: the files cannot be written.
    """
    index = RecordIndex(files)
    numbers = (np.arange(len(index)) if chosen is None else chosen)[: VIDEOS // (1 if kind == "videos" else 2)]
    form = batch_format(settings.model, settings.tokenizer, settings.tags)
    batches = numbered_batches(files, kind, form, trainer.stage.val_batch_size, worker_shard(), chosen=numbers)
    with trainer.state.averaged():
        embeddings = embedder.embed(_videos(batches))
    if is_chief():
        _, rows = np.unique(embeddings.ids, return_index=True)  # a video may be in several pairs
        rows.sort()
        labels = _labels(index, numbers, kind)
        _write(folder / EVENTS, embeddings.values[rows], [labels[embeddings.ids[row]] for row in rows])


def _videos(batches: Iterable[tuple[tf.Tensor, VideoBatch | PairBatch]]) -> Iterator[tuple[tf.Tensor, VideoBatch]]:
    """The videos of batches, with numbers that tell the elements of a pair apart."""
    for numbers, batch in batches:
        for place, element in enumerate(batch.elements):
            yield numbers * len(batch.elements) + place, element


def _labels(index: RecordIndex, numbers: np.ndarray, kind: str) -> dict[str, str]:
    """Title, id and class of each video by its id, as a line of the projector's table."""
    labels = {}
    for number, data in zip(numbers, index.read(numbers), strict=True):
        where = index.where(number)
        features = parse_example(data, where)
        for suffix in ("",) if kind == "videos" else PAIR_SUFFIXES:
            video = read_id(features, where, suffix)
            titles = decode_titles(features[TITLE + suffix].bytes_list.value)
            classes = [f"{value:04d}" for value in features[CATEGORY_ID + suffix].int64_list.value]
            labels[video] = "\t".join(" ".join(" ".join(texts).split()) for texts in (titles, [video], classes))
    return labels


def _write(folder: Path, values: np.ndarray, labels: Sequence[str]) -> None:
    """The files that TensorBoard finds in a folder of events: the last one names the others."""
    config = ProjectorConfig()
    config.embeddings.add(tensor_name="validation", tensor_path=PROJECTED_EMBEDDINGS, metadata_path=PROJECTED_TITLES)
    with output_file(folder / PROJECTED_EMBEDDINGS) as file:
        np.savetxt(file, values, fmt="%.5g", delimiter="\t")
    with output_file(folder / PROJECTED_TITLES) as file:
        file.write("".join(f"{line}\n" for line in ["title\tid\tclass", *labels]).encode())
    with output_file(folder / PROJECTOR) as file:
        file.write(text_format.MessageToString(config).encode())
