"""Classes of videos by one checkpoint into a file, or by the runs of a classifier, in one pass over the data:

vsim-tf predict --ckpt_file=output/wbdc_1/fold-00/best/ckpt-1250 --test_file=test_b/pictures.tfrecords --output_csv=one.csv
vsim-tf predict --model=wbdc_1 --folds=0-4 --data_dir=output/records --output_dir=output
"""

from pathlib import Path

from vsim_tf.cli import class_flags, flags
from vsim_tf.errors import UserError
from vsim_tf.inference.predict_files import announce_predicted, predict_runs, predict_to_csv, read_kind, video_sets
from vsim_tf.io.paths import all_sets_pattern, fold_folder
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.runs.checkpoint_files import require_checkpoint

define_flags = class_flags.define_predict


def folders() -> list[Path]:
    """Run folders."""
    options = flags.FLAGS
    return [fold_folder(options.output_dir, options.model, run) for run in class_flags.parse_runs(class_flags.folds())]


def pattern(run: Path) -> str:
    """The videos: as given, or of all test sets the records that the model of a run reads."""
    return flags.FLAGS.test_file or all_sets_pattern(flags.records_dir(), read_kind(run))


def check_flags(devices: int = 1) -> None:
    del devices  # any number takes any batch
    options = flags.FLAGS
    if options.ckpt_file and (options["folds"].present or options["checkpoint"].present):
        raise UserError("--ckpt_file names one checkpoint: leave --folds and --checkpoint out")
    if not options.ckpt_file and (not options.model or options["output_csv"].present):
        raise UserError("either --ckpt_file with --output_csv, or --model with --folds, is needed")
    class_flags.parse_runs(class_flags.folds())


def check_inputs() -> None:
    if flags.FLAGS.test_file:
        expand_pattern(flags.FLAGS.test_file)


def finished() -> bool:
    options = flags.FLAGS
    if options.ckpt_file:
        return False
    runs = folders()
    return announce_predicted(options.model, runs, lambda: pattern(runs[0]), options.checkpoint or "", options.precision)


def main() -> None:
    options = flags.FLAGS
    check_flags()
    check_inputs()
    if finished():
        return
    if options.ckpt_file:
        require_checkpoint(options.ckpt_file)
        files = expand_pattern(pattern(Path(options.ckpt_file).parent.parent))
        predict_to_csv(options.ckpt_file, files, options.output_csv, options.batch_size, options.precision, options.model or "")
    else:
        runs = folders()
        sets = video_sets(pattern(runs[0]))
        predict_runs(options.model, runs, sets, options.checkpoint or "", options.batch_size, options.precision)
