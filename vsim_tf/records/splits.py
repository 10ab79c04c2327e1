"""The ways to split labelled pairs into folds, by name."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vsim_tf.errors import UserError
from vsim_tf.records.folds import CONTEST_FOLDS, Split, split_pairs
from vsim_tf.records.folds_modulo import MODULUS, split_by_modulo
from vsim_tf.records.labels import Pair
from vsim_tf.types import PathLike


class SplitKind(NamedTuple):
    """A way to split pairs.

    Attributes:
        num_folds: number of folds unless another one is given.
        split: makes the folds of pairs, a number of folds, a seed, and the name of the label file for errors.
    """

    num_folds: int
    split: Callable[[Sequence[Pair], int, int, PathLike], Split]


SPLITS = {
    "shuffled": SplitKind(CONTEST_FOLDS, lambda pairs, num_folds, seed, label_file: split_pairs(pairs, num_folds, seed)),
    "modulo": SplitKind(MODULUS, lambda pairs, num_folds, seed, label_file: split_by_modulo(pairs, num_folds, label_file)),
}
"""The splits of the 4th and of the 1st place of 2021."""


def make_split(
    name: str, pairs: Sequence[Pair], num_folds: int | None = None, seed: int = 42, label_file: PathLike = "the label file"
) -> Split:
    """The folds of pairs by a registered split.

    Args:
        name: of `SPLITS`.
        pairs: one for each line of the label file.
        num_folds: number of folds; default: the split's.
        seed: seed of the shuffles; takes no part in the modulo split.
        label_file: what errors call the file of the pairs.

    Raises:
        UserError: an unknown split, or pairs that cannot be split so.
    """
    if name not in SPLITS:
        raise UserError(f"split is {name!r}; expected one of {', '.join(SPLITS)}", ["split"])
    kind = SPLITS[name]
    return kind.split(pairs, kind.num_folds if num_folds is None else num_folds, seed, label_file)
