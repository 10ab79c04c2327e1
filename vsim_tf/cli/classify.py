"""Train one classifier on labelled videos: vsim-tf classify --model=wbdc_1 --folds=0-4 --output_dir=output"""

from vsim_tf.cli import class_flags, flags
from vsim_tf.io.files import require_existing
from vsim_tf.io.quiet_imports import quiet_imports
from vsim_tf.records.tfrecords import expand_pattern

define_flags = class_flags.define_classify


def check_flags(devices: int = 1) -> None:
    options = class_flags.class_options()
    flags.require_batch(options.training, options.classifier.model, devices)


def check_inputs() -> None:
    options = class_flags.class_options()
    require_existing(options.hub_dir, options.clip_dir)


def finished() -> bool:
    from vsim_tf.training.class_runs import starting_points
    from vsim_tf.training.finished import announce_classified

    options = class_flags.class_options()
    expand_pattern(options.records)
    starting_points(options)
    return announce_classified(options)


def main() -> None:
    check_flags()
    check_inputs()
    if finished():
        return
    with quiet_imports():
        from vsim_tf.distributed.device import use_deterministic_kernels
        from vsim_tf.training.classification import classify

    use_deterministic_kernels(flags.FLAGS.deterministic)
    classify(class_flags.class_options())
