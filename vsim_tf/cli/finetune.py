"""Fine-tune one model on labelled pairs: vsim-tf finetune --model=uniter_asl --folds=0-10 --output_dir=output"""

from pathlib import Path
from typing import TYPE_CHECKING

from vsim_tf.cli import flags, run_length
from vsim_tf.errors import UserError
from vsim_tf.io.files import require_existing
from vsim_tf.io.paths import fold_name, model_folder, pretrain_folder
from vsim_tf.io.quiet_imports import quiet_imports
from vsim_tf.presets import registry
from vsim_tf.records.manifest import parse_manifest
from vsim_tf.records.tfrecords import count_records, expand_pattern
from vsim_tf.runs.run_folder import RunFolder
from vsim_tf.runs.stage import Stage

if TYPE_CHECKING:
    from vsim_tf.training.pair_runs import PairRun

define_flags = flags.define_pair


def pretrained() -> Path:
    return Path(flags.FLAGS.pretrained_dir or pretrain_folder(flags.FLAGS.output_dir, flags.FLAGS.model))


def patterns() -> tuple[str, str]:
    """Files to train and to validate on, instead of folds."""
    return flags.FLAGS.train_record_pattern, flags.FLAGS.val_record_pattern


def runs() -> "list[PairRun]":
    """The runs to train: folds, or files given by patterns."""
    options = flags.FLAGS
    from vsim_tf.training.pair_runs import fold_runs, pattern_run

    folder = model_folder(options.output_dir, options.model)
    if all(patterns()):
        return [pattern_run(folder, options.run_name, *patterns())]
    return fold_runs(folder, flags.folds_dir(options.model), flags.folds_of(options.model))


def pairs() -> int:
    """Training pairs: those of the files, or of a fold, the mean of all folds, so that each of them is trained as long."""
    if all(patterns()):
        return sum(map(count_records, expand_pattern(patterns()[0], may_be_empty=True)))
    manifest = parse_manifest(flags.folds_dir(flags.FLAGS.model))
    return sum(manifest.records(fold.train) for fold in manifest.folds) // manifest.num_folds


def stage(announces: bool = False) -> Stage:
    """How the model of the pre-training run is trained."""
    model = RunFolder.open(pretrained()).model
    return flags.finetune_stage(model.recipe, model, pairs() if run_length.counts_examples() else None, announces)


def check_flags(devices: int = 1) -> None:
    options = flags.FLAGS
    if any(patterns()) and (not all(patterns()) or options["folds"].present):
        raise UserError("--train_record_pattern and --val_record_pattern go together and exclude --folds")
    if options["run_name"].present and not all(patterns()):
        raise UserError("--run_name names the run of --train_record_pattern and --val_record_pattern; runs of --folds have names")
    flags.folds_of(options.model)
    flags.require_batch(flags.finetune_stage("2021"), registry.preset(options.model).model, devices)


def check_inputs() -> None:
    if all(patterns()):
        expand_pattern(patterns()[0], may_be_empty=True)
        expand_pattern(patterns()[1])


def steps_of_runs() -> dict[Path, int]:
    options = flags.FLAGS
    steps = 0 if run_length.counts_examples() else flags.finetune_stage("2021").total_steps
    names = [options.run_name] if all(patterns()) else map(fold_name, flags.folds_of(options.model))
    return {model_folder(options.output_dir, options.model) / name: steps for name in names}


def finished() -> bool:
    from vsim_tf.training.finished import announce_finetuned

    require_existing(str(pretrained()), None if all(patterns()) else str(flags.folds_dir(flags.FLAGS.model)))
    return announce_finetuned(flags.FLAGS.model, pretrained(), runs(), stage(), flags.FLAGS.overwrite)


def main() -> None:
    check_flags()
    if finished():
        return
    with quiet_imports():
        from vsim_tf.distributed.device import use_deterministic_kernels
        from vsim_tf.training.finetuning import finetune

    use_deterministic_kernels(flags.FLAGS.deterministic)
    options = flags.FLAGS
    finetune(options.model, pretrained(), runs(), stage(announces=True), options.overwrite, options.keep_optimizer)
