"""Flags of how fine-tuning learns similarity."""

import re

from absl import flags

from vsim_tf.components import fields_below
from vsim_tf.errors import UserError
from vsim_tf.presets.pair_losses import PAIR_LOSSES, PUBLISHED, with_pair_loss
from vsim_tf.runs.stage import Stage


def define() -> None:
    """Defines the flags of a fine-tuning script."""
    flags.DEFINE_enum(
        "pair_loss", PUBLISHED, [PUBLISHED, *PAIR_LOSSES],
        "Loss of similarities: the model's own, or of their values (mse), correlation (pearson) or order (cosent, combinations).",
    )  # fmt: skip
    flags.DEFINE_string(
        "matryoshka", None, "Dimensions, e.g. 64,128: the loss is the mean of those of the first so many numbers, and of all."
    )


def as_asked(stage: Stage, given: flags.FlagValues) -> Stage:
    """A fine-tuning with the loss that the flags ask for.

    Raises:
        UserError: flags that contradict each other, or dimensions that are none.
    """
    if given.pair_loss != PUBLISHED and given.kl_weight is not None:
        raise UserError(f"--kl_weight={given.kl_weight:g}: --pair_loss={given.pair_loss} has no such term, give one of the two")
    with fields_below("training."):
        return with_pair_loss(stage, given.pair_loss, parse_dims(given.matryoshka) if given.matryoshka is not None else [])


def parse_dims(text: str) -> list[int]:
    """ "64,128" to [64, 128]; `UserError` for anything else than integers."""
    if not re.fullmatch(r"\d{1,6}(,\d{1,6})*", text, re.ASCII):
        raise UserError(f"--matryoshka={text}: integers are needed, each larger than the one before, e.g. 64,128")
    return [int(part) for part in text.split(",")]
