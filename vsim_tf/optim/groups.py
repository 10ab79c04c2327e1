"""Which weights are trained by which schedule."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vsim_tf.components import Component, require
from vsim_tf.errors import UserError, count_and_first
from vsim_tf.optim.schedules import Schedule

if TYPE_CHECKING:
    import keras

    from vsim_tf.models.network import VideoNetwork


class Group(Component):
    """Weights with one schedule.

    Attributes:
        pattern: regular expression of their whole names, e.g. `encoder/.*` (`VideoNetwork.weights_by_name`).
        schedule: their learning rate.
    """

    pattern: str
    schedule: Schedule

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
            reason = ""
        except re.error as error:
            reason = str(error)
        require(not reason, f"pattern={self.pattern!r}: no regular expression: {reason}", "pattern")


def grouped(network: "VideoNetwork", groups: Mapping[str, Group]) -> "dict[str, list[keras.Variable]]":
    """Trainable variables of each group, in the network's order; one that several patterns match is in each of their groups.

    Raises:
        UserError: a variable that no pattern matches.
    """
    names = {id(v): name for name, v in network.weights_by_name().items()}
    trainable = network.trainable_variables
    members = {
        group: [v for v in trainable if re.fullmatch(settings.pattern, names[id(v)])] for group, settings in groups.items()
    }
    found = {id(v) for variables in members.values() for v in variables}
    left_out = [names[id(v)] for v in trainable if id(v) not in found]
    if left_out:
        raise UserError(f"weights that no group's pattern matches: {count_and_first(left_out)}", ["training.groups"])
    return members
