"""Embed videos by one checkpoint into a file, or by the checkpoints of a model's folds, in one pass over the data:

vsim-tf embed --ckpt_file=output/uniter/fold-00/last/ckpt-3000 --test_file=test_b.tfrecords --output_zip=one.zip
vsim-tf embed --model=uniter --folds=0-10 --data_dir=data --output_dir=output
"""

from pathlib import Path

from vsim_tf.cli import flags
from vsim_tf.errors import UserError
from vsim_tf.inference.exporters import exporter_of
from vsim_tf.io.paths import all_sets_pattern, fold_folder
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.runs.checkpoint_files import require_checkpoint

define_flags = flags.define_inference


def test_files() -> list[str]:
    return expand_pattern(flags.FLAGS.test_file or all_sets_pattern(flags.FLAGS.data_dir))


def folders() -> list[Path]:
    """Run folders of the folds."""
    options = flags.FLAGS
    return [fold_folder(options.output_dir, options.model, fold) for fold in flags.folds_of(options.model)]


def check_flags(devices: int = 1) -> None:
    del devices  # any number takes any batch
    options = flags.FLAGS
    if options.ckpt_file and (options["folds"].present or options["checkpoint"].present):
        raise UserError("--ckpt_file names one checkpoint: leave --folds and --checkpoint out")
    if not options.ckpt_file and (not options.model or options["output_zip"].present):
        raise UserError("either --ckpt_file with --output_zip, or --model with --folds, is needed")
    if options.ckpt_file:
        exporter_of(Path(options.output_zip))
    else:
        flags.folds_of(options.model)


def check_inputs() -> None:
    test_files()


def finished() -> bool:
    options = flags.FLAGS
    if options.ckpt_file:
        return False
    from vsim_tf.inference.embed_files import announce_embedded

    return announce_embedded(options.model, folders(), test_files(), options.checkpoint or "", options.precision)


def main() -> None:
    options = flags.FLAGS
    files = test_files()
    check_flags()
    if finished():
        return
    if options.ckpt_file:
        require_checkpoint(options.ckpt_file)
    from vsim_tf.inference.embed_files import embed_folds, embed_to_file

    if options.ckpt_file:
        embed_to_file(
            options.ckpt_file,
            files,
            options.output_zip,
            options.batch_size,
            options.precision,
            options.model or "",
        )
    else:
        embed_folds(options.model, folders(), files, options.checkpoint or "", options.batch_size, options.precision)
