"""Split the labelled pairs into folds: vsim-tf write-folds --data_dir=data --output_dir=output/folds"""

import logging
from pathlib import Path

from vsim_tf.cli import flags, run_length
from vsim_tf.errors import UserError
from vsim_tf.io.files import require_existing
from vsim_tf.io.paths import MANIFEST, OUTPUT, PAIRWISE, folds_folder, pairwise_labels, records_pattern
from vsim_tf.records.labels import read_labels
from vsim_tf.records.splits import make_split
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.records.video_facts import video_facts

define_flags = flags.define_write_tfrecord

logger = logging.getLogger(__name__)


def inputs() -> tuple[str, str]:
    """The pattern of the videos, and the label file."""
    options = flags.FLAGS
    records = options.pairwise_record_pattern or records_pattern(Path(options.data_dir, PAIRWISE))
    return records, options.annotation_file or str(pairwise_labels(options.data_dir))


def output_dir() -> str:
    """The folder of the folds."""
    options = flags.FLAGS
    return options.output_dir or str(folds_folder(OUTPUT, options.split))


def check_flags(devices: int = 1) -> None:
    del devices  # which take no part
    options = flags.FLAGS
    if options.split == "modulo" and options["seed"].present:
        raise UserError(f"--seed={options.seed}: --split=modulo draws nothing at random; leave the seed out")


def check_inputs() -> None:
    records, labels = inputs()
    expand_pattern(records)
    require_existing(labels)
    options = flags.FLAGS
    make_split(options.split, read_labels(labels), chosen_folds(labels), options.seed, labels)  # what ids or pairs do not allow


def chosen_folds(labels: str) -> int | None:
    """The number of folds that is given or that a preset chooses; None for the split's own."""
    options, preset = flags.FLAGS, run_length.preset()
    if preset and options.num_folds is None and options.split == "shuffled":
        return preset.num_folds(len(read_labels(labels)))
    given: int | None = options.num_folds
    return given


def finished() -> bool:
    if flags.FLAGS.overwrite or not Path(output_dir(), MANIFEST).exists():
        return False
    main()  # a set with its manifest is kept or refused, without TensorFlow
    return True


def main() -> None:
    check_flags()
    options = flags.FLAGS
    from vsim_tf.records.fold_writer import write_folds

    records, labels = inputs()
    num_folds, frame_embedding_size = chosen_folds(labels), options.frame_embedding_size
    if run_length.preset():
        chosen = [] if num_folds == options.num_folds else [f"--num_folds={num_folds}"]
        if not options["frame_embedding_size"].present:
            frame_embedding_size = video_facts(expand_pattern(records)).frame_dim
            chosen.append(f"--frame_embedding_size={frame_embedding_size}")
        logger.info(f"--preset={options.preset}: {' '.join(chosen) or 'all is given'}")
    write_folds(
        records,
        labels,
        output_dir(),
        layout=options.layout,
        split=options.split,
        num_folds=num_folds,
        seed=options.seed,
        frame_embedding_size=frame_embedding_size,
        overwrite=options.overwrite,
    )
