"""Bring scores of pairs from any scale to similarities: vsim-tf write-labels --scores=scores.csv --scale=0:5"""

import logging
import os

from absl import flags

from vsim_tf.errors import UserError
from vsim_tf.io.files import require_existing
from vsim_tf.io.paths import pairwise_labels
from vsim_tf.records.labels import parse_scale, read_labels, write_labels

FLAGS = flags.FLAGS

logger = logging.getLogger(__name__)


def define_flags() -> None:
    """Flags of write_labels.py."""
    flags.DEFINE_string(
        "scores", None, "Pairs: id_1, id_2 and a score, with tabs, commas or semicolons between them, with or without a header."
    )
    flags.DEFINE_string(
        "scale", "0:1",
        "The score of videos that have nothing in common, and that of the same content, e.g. 0:5, or 10:0 for distances.",
    )  # fmt: skip
    flags.DEFINE_string("output", str(pairwise_labels("data")), "Label file to write: tabs, no header, similarities in [0, 1].")
    flags.DEFINE_boolean("overwrite", False, "Replace a file that is there.")


def check_flags(devices: int = 1) -> None:
    """`UserError` for flags that are missing or illegal."""
    del devices  # which take no part
    if not FLAGS.scores:
        raise UserError("--scores is needed: a file of pairs with scores")
    parse_scale(FLAGS.scale)


def check_inputs() -> None:
    """`UserError` for an output that is there already, or scores that are not."""
    require_existing(FLAGS.scores)
    if os.path.exists(FLAGS.output) and not FLAGS.overwrite:
        raise UserError(f"--output={FLAGS.output} is there; replace it with --overwrite, or choose another one")


def finished() -> bool:
    """Never: whether the file that is there has come of these scores is not known."""
    return False


def main() -> None:
    """Write the labels as the flags say."""
    check_flags()
    check_inputs()
    pairs = read_labels(FLAGS.scores, parse_scale(FLAGS.scale))
    write_labels(FLAGS.output, pairs)
    logger.info(f"{FLAGS.output}: {len(pairs):,} pairs")
