"""Pre-train one model on tagged videos: vsim-tf pretrain --model=uniter_asl --data_dir=data --output_dir=output"""

from pathlib import Path

from vsim_tf.cli import flags, run_length
from vsim_tf.io.quiet_imports import quiet_imports

define_flags = flags.define_pretrain


def check_flags(devices: int = 1) -> None:
    options = flags.pretrain_options(looks_at_data=False)
    flags.require_batch(options.training, options.model, devices)
    if not (options.hub_dir or options.clip_dir):  # whose config.json decides
        options.fitted_model(vocab_size=1, num_tags=1)


def check_inputs() -> None:
    from vsim_tf.training.pretrain_inputs import check_inputs

    check_inputs(flags.pretrain_options(looks_at_data=False))


def steps_of_runs() -> dict[Path, int]:
    options = flags.pretrain_options(looks_at_data=False)
    return {options.folder: 0 if run_length.counts_examples() else options.training.total_steps}


def finished() -> bool:
    from vsim_tf.training.finished import announce_pretrained
    from vsim_tf.training.pretrain_inputs import check_records

    options = flags.pretrain_options()
    check_records(options)
    return announce_pretrained(options)


def main() -> None:
    check_flags()
    check_inputs()
    if finished():
        return
    with quiet_imports():
        from vsim_tf.distributed.device import use_deterministic_kernels
        from vsim_tf.training.pretraining import pretrain

    use_deterministic_kernels(flags.FLAGS.deterministic)
    pretrain(flags.pretrain_options(announces=True))
