"""Settings of Adam."""

import re

from vsim_tf.components import Component, require


class Adam(Component):
    """Adam, and with a decay AdamW (Loshchilov & Hutter 2017, arXiv 1711.05101).

    Attributes:
        epsilon: added to the root of the second moment, before its bias is corrected.
        decay: after each update a weight loses this share of itself, times the learning rate; its moments do not see it.
        undecayed: regular expression of the whole names of weights without decay (`VideoNetwork.weights_by_name`).
    """

    epsilon: float = 1e-8
    decay: float = 0.0
    undecayed: str = ""

    def __post_init__(self) -> None:
        self.require_finite("decay")
        require(0 < self.epsilon < 1, f"epsilon={self.epsilon!r}: a number above 0 and below 1 is needed", "epsilon")
        try:
            re.compile(self.undecayed)
            reason = ""
        except re.error as error:
            reason = str(error)
        require(not reason, f"undecayed={self.undecayed!r}: no regular expression: {reason}", "undecayed")

    def decay_of(self, name: str) -> float:
        """The decay of a weight."""
        return 0.0 if re.fullmatch(self.undecayed, name) else self.decay
