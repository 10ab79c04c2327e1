"""Split the labelled pairs into folds: vsim-tf write-folds --data_dir=data --output_dir=output/folds"""

from pathlib import Path

from vsim_tf.cli import flags
from vsim_tf.io.files import require_existing
from vsim_tf.io.paths import MANIFEST, PAIRWISE, pairwise_labels, records_pattern
from vsim_tf.records.tfrecords import expand_pattern

define_flags = flags.define_write_tfrecord


def inputs() -> tuple[str, str]:
    """The pattern of the videos, and the label file."""
    options = flags.FLAGS
    records = options.pairwise_record_pattern or records_pattern(Path(options.data_dir, PAIRWISE))
    return records, options.annotation_file or str(pairwise_labels(options.data_dir))


def check_flags(devices: int = 1) -> None:
    del devices  # which take no part


def check_inputs() -> None:
    records, labels = inputs()
    expand_pattern(records)
    require_existing(labels)


def finished() -> bool:
    if flags.FLAGS.overwrite or not (Path(flags.FLAGS.output_dir) / MANIFEST).exists():
        return False
    main()  # a set with its manifest is kept or refused, without TensorFlow
    return True


def main() -> None:
    options = flags.FLAGS
    from vsim_tf.records.fold_writer import write_folds

    write_folds(
        *inputs(),
        options.output_dir,
        layout=options.layout,
        num_folds=options.num_folds,
        seed=options.seed,
        frame_embedding_size=options.frame_embedding_size,
        overwrite=options.overwrite,
    )
