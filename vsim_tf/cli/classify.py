"""Train one classifier on labelled videos: vsim-tf classify --model=wbdc_1 --folds=0-4 --output_dir=output"""

from pathlib import Path

from vsim_tf.cli import class_flags, flags, run_length
from vsim_tf.io.files import require_existing
from vsim_tf.io.quiet_imports import quiet_imports
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.training.class_options import ClassOptions

define_flags = class_flags.define_classify


def check_flags(devices: int = 1) -> None:
    asked = class_flags.class_options()
    flags.require_batch(asked.training, asked.classifier.model, devices)


def check_inputs() -> None:
    asked = class_flags.class_options()
    require_existing(asked.hub_dir, asked.clip_dir)


def steps_of_runs() -> dict[Path, int]:
    asked = class_flags.class_options()
    steps = 0 if run_length.counts_examples() else asked.training.total_steps
    return {asked.run_folder(run): steps for run in asked.runs}


def options(announces: bool = False) -> ClassOptions:
    """What was asked for, by the recipe of the pre-training and the labelled videos, which are there."""
    from vsim_tf.runs.run_folder import RunFolder

    recipe = RunFolder.open(class_flags.pretrained()).model.recipe
    return class_flags.class_options(recipe, looks_at_data=True, announces=announces)


def finished() -> bool:
    from vsim_tf.training.class_runs import starting_points
    from vsim_tf.training.finished import announce_classified

    expand_pattern(class_flags.class_options().records)
    asked = options()
    starting_points(asked)
    return announce_classified(asked)


def main() -> None:
    check_flags()
    check_inputs()
    if finished():
        return
    with quiet_imports():
        from vsim_tf.distributed.device import use_deterministic_kernels
        from vsim_tf.training.classification import classify

    use_deterministic_kernels(flags.FLAGS.deterministic)
    classify(options(announces=True))
