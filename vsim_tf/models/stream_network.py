"""What networks with one stream for text and one for frames share."""

from keras import ops

from vsim_tf.models.network import VideoNetwork
from vsim_tf.models.two_streams import StreamModel
from vsim_tf.types import Tensor


class StreamNetwork(VideoNetwork):
    """The network of a `StreamModel`."""

    config: StreamModel

    def __init__(self, config: StreamModel, name: str):
        super().__init__(config, name=name)
        self.pool = config.pooling.build(self.encoder)

    def pooled(self, states: Tensor, mask: Tensor) -> Tensor:
        """One vector of the states of a stream, `[batch, dim]`; padding is that of the mask, `[batch, positions]`."""
        counts = ops.ones_like(mask) if self.config.pooling.reads_padding else mask
        return self.pool(states, ops.cast(counts, states.dtype))
