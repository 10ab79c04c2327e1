"""How gradients are made of passes over a batch."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from vsim_tf.components import Component
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.models.network import VideoNetwork

Pass = Callable[[], tuple[dict[str, Tensor], list[Tensor]]]
"""One forward and backward pass: logged means, and the gradient of each variable (None where there is none)."""


class GradientMethod(Component):
    """What happens around a forward and backward pass, for example adversarial steps on token embeddings."""

    def gradients(
        self, compute: Pass, network: "VideoNetwork", variables: list[Tensor]
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Logged means, and the gradients to apply.

        Args:
            compute: may be called several times; in between weights may be changed, and must be as before in the end.
            network: the model.
            variables: those that the gradients are of.
        """
        raise NotImplementedError
