"""Make an index of videos, of files of embeddings or by a model, in which vsim-tf search and dedup look:

vsim-tf index --model_dir=output/demo --records=test_a.tfrecords --output=index
vsim-tf index --embeddings=output/demo/result.zip --records=test_b.tfrecords --output=index
"""

import logging
import os
from typing import TYPE_CHECKING

from absl import flags

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.inference.shipped import require_model
from vsim_tf.io.files import require_existing
from vsim_tf.records.embeddings import Embeddings, check_ids
from vsim_tf.records.tfrecords import expand_pattern, split_paths

if TYPE_CHECKING:
    from vsim_tf.inference.model import Model

FLAGS = flags.FLAGS

logger = logging.getLogger(__name__)


def define_flags() -> None:
    """Flags of vsim-tf index."""
    flags.DEFINE_string("embeddings", None, "Files of embeddings, .npz or .zip, with commas between them; ids must be different.")
    flags.DEFINE_string(
        "records", None, "File, pattern or several with commas between them: videos to embed, or titles of those embeddings."
    )
    flags.DEFINE_string(
        "model_dir", None,
        "A path that vsim_tf.load opens: embeds the records, or made the embeddings; queries of other models are refused.",
    )  # fmt: skip
    flags.DEFINE_string("output", "index", "Folder to write; it must not be there.")
    flags.DEFINE_string("parquet", None, "File to write, too: id, title and vector of each video, for vector databases.")
    flags.DEFINE_integer(
        "exact_below", 1_000_000,
        "With fewer videos a query is compared with all of them, else with the best candidates of IVF-PQ.",
        lower_bound=256,
    )  # fmt: skip


def check_flags() -> None:
    """`UserError` for flags that are missing."""
    if not FLAGS.embeddings and not (FLAGS.model_dir and FLAGS.records):
        raise UserError("either --embeddings, or --model_dir with --records, is needed")


def check_inputs() -> None:
    """`UserError` for inputs that are not there, an output that is, and packages that are missing."""
    require_model(FLAGS.model_dir)
    require_existing(*(split_paths(FLAGS.embeddings) if FLAGS.embeddings else ()))
    if FLAGS.records:
        expand_pattern(FLAGS.records)
    if FLAGS.parquet:
        from vsim_tf.search.parquet import require_pyarrow

        require_pyarrow(FLAGS.parquet)
    for path in (FLAGS.output, FLAGS.parquet):
        if path and os.path.exists(path):
            raise UserError(f"{path} is there already; remove it, or choose another --output or --parquet")


def main() -> None:
    """Make the index as the flags say."""
    check_flags()
    check_inputs()
    from vsim_tf.search.index import Index
    from vsim_tf.search.nearest import require_faiss

    require_faiss()
    titles = _titles() if FLAGS.records else {}
    embeddings, model = _embeddings(list(titles))
    if titles and (unknown := [video for video in embeddings.ids if video not in titles]):
        logger.warning(f"videos without a record, and so without a title: {count_and_first(unknown)}")
    index = Index.build(embeddings, [titles.get(video) for video in embeddings.ids], model, FLAGS.exact_below)
    if FLAGS.parquet:
        index.write_parquet(FLAGS.parquet)
        logger.info(f"{FLAGS.parquet}: {len(index):,} vectors")
    index.save(FLAGS.output)
    logger.info(f"{FLAGS.output}: complete")


def _embeddings(ids: list[str]) -> "tuple[Embeddings, Model | None]":
    """Those of the files, or by the model of the records with these ids; and the model, if one is given."""
    read = _read() if FLAGS.embeddings else None
    if not FLAGS.model_dir and read:
        return read, None
    from vsim_tf.ensemble.front import load

    model = load(FLAGS.model_dir)
    return read or Embeddings(ids, model.encode(FLAGS.records, progress=True)), model


def _titles() -> dict[str, str]:
    from vsim_tf.records.videos import read_titles

    ids, titles = read_titles(expand_pattern(FLAGS.records))
    check_ids(ids, FLAGS.records)
    return dict(zip(ids, titles, strict=True))


def _read() -> Embeddings:
    """The embeddings of all files, one after the other."""
    import numpy as np

    from vsim_tf.ensemble.combine import load_member

    parts = [load_member(file) for file in split_paths(FLAGS.embeddings)]
    if len(dims := {part.values.shape[1] for part in parts}) > 1:
        raise UserError(f"{FLAGS.embeddings}: embeddings of {sorted(dims)} dimensions; accepted are files of one model")
    ids = [video for part in parts for video in part.ids]
    check_ids(ids, FLAGS.embeddings)
    return Embeddings(ids, np.concatenate([part.values for part in parts]))
