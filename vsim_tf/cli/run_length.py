"""Flags of how long a run is: in steps or in epochs, with its warm-up as a share of it, or as a preset chooses."""

import logging
import math
from collections.abc import Mapping
from typing import Any

from absl import flags

from vsim_tf.errors import UserError
from vsim_tf.presets.small import PRESETS, DataPreset, Plan
from vsim_tf.runs.stage import Stage

FLAGS = flags.FLAGS

logger = logging.getLogger(__name__)


def define_preset(help_text: str) -> None:
    """Defines `--preset`, of which a script says what it chooses there."""
    flags.DEFINE_enum("preset", None, list(PRESETS), f"What suits so much data: {help_text}; flags that are given win.")


def define() -> None:
    """Defines the flags of a training script."""
    flags.DEFINE_float(
        "epochs", None,
        "Epochs of the training data in the place of --total_steps: schedules keep their shape, and a short run is evaluated and"
        " logged more often.",
    )  # fmt: skip
    flags.DEFINE_float(
        "warmup_share", None,
        "Warm-up of all learning rates as a share of the run, with which they end; --warmup_steps, --lr_total_steps ... win.",
    )  # fmt: skip


def preset() -> DataPreset | None:
    """The preset that was asked for; None where none was, or the script has none."""
    return PRESETS[FLAGS.preset] if "preset" in FLAGS and FLAGS.preset else None


def chosen_flag(name: str, kind: str) -> Any:
    """The value of a flag; where it is not given, what a preset has for models of pairs or of classes."""
    asked = preset()
    choices = asked.flags[kind] if asked else {}
    return choices[name] if name in choices and not FLAGS[name].present else FLAGS[name].value


def left_to_preset(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those values by flag that are neither given nor the flag's default."""
    return {name: value for name, value in values.items() if not FLAGS[name].present and value != FLAGS[name].default}


def counts_examples() -> bool:
    """Whether the length of the run follows from the number of examples."""
    return FLAGS.epochs is not None or preset() is not None


def require_sound() -> None:
    """`UserError` for lengths that contradict each other or are none."""
    epochs, share = FLAGS.epochs, FLAGS.warmup_share
    if epochs is not None and FLAGS.total_steps is not None:
        raise UserError(f"--epochs={epochs:g} and --total_steps={FLAGS.total_steps}: both are the length of the run, give one")
    if epochs is not None and not 0 < epochs < math.inf:
        raise UserError(f"--epochs={epochs:g}: a number above 0 is needed")
    if share is not None and not 0 <= share < 1:
        raise UserError(f"--warmup_share={share:g}: a share of the run from 0 up to, not including, 1 is needed")


def lasting(stage: Stage, scales_schedules: bool, examples: int | None, plan: Plan | None) -> Stage:
    """A stage as long as flags or a plan say.

    Args:
        stage: with the batch that it is to have.
        scales_schedules: another number of steps changes all its schedules in proportion.
        examples: of an epoch; None as long as the data are not looked at, and epochs mean nothing yet.
        plan: of a preset.
    """
    require_sound()
    epochs = FLAGS.epochs or (plan.epochs if plan else None)
    if FLAGS.total_steps is not None:
        change = stage.with_scaled_schedules if scales_schedules else stage.with_total_steps
        stage = change(FLAGS.total_steps)
    elif epochs and examples is not None:
        stage = stage.with_epochs(epochs, examples)
    if FLAGS.warmup_share is not None:
        return stage.with_warmups(dict.fromkeys(stage.groups, FLAGS.warmup_share))
    return stage.with_warmups(plan.warmups if plan else {})


def announce(stage: Stage, examples: int | None, noun: str, choices: Mapping[str, Any]) -> None:
    """Logs what a run is made of where that follows from its data.

    Args:
        stage: as it is trained.
        examples: of an epoch; None where its length was given in steps.
        noun: what they are.
        choices: what a preset chose, by flag.
    """
    if examples is None:
        return
    if preset():
        chosen = " ".join(f"--{name}={value}" for name, value in choices.items())
        logger.info(f"--preset={FLAGS.preset} for {examples:,} {noun}: {chosen}")
    warmups = ", ".join(f"{schedule.warmup} ({name})" for name, schedule in stage.warm_ups.items())
    logger.info(
        f"{stage.epochs(examples):.3g} epochs of {examples:,} {noun}: {stage.total_steps:,} steps of {stage.batch_size}, warm-up"
        f" {warmups}, evaluations every {stage.eval_every:,} steps"
    )
