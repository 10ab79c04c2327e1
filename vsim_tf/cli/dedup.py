"""Find groups of near-duplicates in an index, one JSON object a line for each group, the largest first:

vsim-tf dedup --index=index --threshold=0.95

Videos of a group are connected by pairs above the threshold; similarities are those with the first video of the group.
"""

from absl import flags

from vsim_tf.cli.json_lines import neighbour, write_json_lines
from vsim_tf.io.files import require_existing

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Flags of vsim-tf dedup."""
    flags.DEFINE_string("index", "index", "Folder that vsim-tf index wrote.")
    flags.DEFINE_float("threshold", 0.95, "Cosine from which on two videos are near-duplicates, above 0 and up to 1.")
    flags.DEFINE_string("output", None, "File for the lines; default: they are printed.")


def main() -> None:
    """Find the groups as the flags say."""
    require_existing(FLAGS.index)
    from vsim_tf.search.index import Index

    groups = Index.open(FLAGS.index).duplicates(FLAGS.threshold)
    write_json_lines(FLAGS.output, ({"videos": list(map(neighbour, group))} for group in groups))
