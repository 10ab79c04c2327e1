"""Embeds videos by one checkpoint into a zip, or by the checkpoints of a model's folds, in one pass over the data:

python inference_pair.py --ckpt_file=output/uniter/fold-00/last/ckpt-3000 --test_file=test_b.tfrecords --output_zip=one.zip
python inference_pair.py --model=uniter --folds=0-10 --data_dir=data --output_dir=output
"""

from pathlib import Path

from vsim_tf import flags
from vsim_tf.data.records import expand_pattern
from vsim_tf.errors import UserError
from vsim_tf.training.checkpoint_files import require_checkpoint


def main():
    options = flags.FLAGS
    test_files = expand_pattern(options.test_file or str(Path(options.data_dir) / "test_*" / "*.tfrecords"))
    if options.ckpt_file:
        if options["folds"].present or options["checkpoint"].present:
            raise UserError("--ckpt_file names one checkpoint: leave --folds and --checkpoint out")
        require_checkpoint(options.ckpt_file)
        with flags.quiet_imports():
            from vsim_tf.inference import embed_to_zip

        embed_to_zip(
            options.ckpt_file,
            test_files,
            options.output_zip,
            options.batch_size,
            options.precision,
            options.model or "",
        )
        return
    if not options.model or options["output_zip"].present:
        raise UserError("either --ckpt_file with --output_zip, or --model with --folds, is needed")
    folders = [Path(options.output_dir) / options.model / f"fold-{fold:02d}" for fold in flags.parse_folds(options.folds)]
    with flags.quiet_imports():
        from vsim_tf.inference import embed_folds

    embed_folds(options.model, folders, test_files, options.checkpoint, options.batch_size, options.precision)


if __name__ == "__main__":
    flags.define_inference()
    flags.run(main, __doc__)
