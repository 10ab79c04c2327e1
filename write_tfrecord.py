"""Cuts the scored pairs into folds: python write_tfrecord.py --data_dir=data --output_dir=output/folds"""

from pathlib import Path

from vsim_tf import flags


def main():
    options = flags.FLAGS
    pairwise = Path(options.data_dir) / "pairwise"
    from vsim_tf.data.fold_writer import write_folds

    write_folds(
        options.pairwise_record_pattern or str(pairwise / "*.tfrecords"),
        options.annotation_file or str(pairwise / "label.tsv"),
        options.output_dir,
        layout=options.layout,
        num_folds=options.num_folds,
        seed=options.seed,
        frame_embedding_size=options.frame_embedding_size,
        overwrite=options.overwrite,
    )


if __name__ == "__main__":
    flags.define_write_tfrecord()
    flags.run(main, __doc__)
