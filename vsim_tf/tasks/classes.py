"""Classification: which one of several classes a video is of."""

from typing import TYPE_CHECKING

from vsim_tf import losses
from vsim_tf.components import require
from vsim_tf.lazy import keras, ops
from vsim_tf.tasks.task import Step, Task
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.models.architectures import Model
    from vsim_tf.models.network import VideoNetwork

TARGET, HEAD = "classes", "classes"


class Classes(Task, name="classes"):
    """Σ over videos of the cross-entropy of logits on the embedding and the video's class (docs/facts_rank8.md 4)."""

    def require_model(self, model: "Model") -> None:
        message = f"the task {self.type_name} reads pooled states, which {model.name} does not have: embedding_size=0 is needed"
        require(model.pools_states, message)

    def add_heads(self, network: "VideoNetwork") -> None:
        from vsim_tf.layers.initializers import torch_uniform_bias, torch_uniform_kernel

        width = network.config.dim
        kernel, bias = torch_uniform_kernel(), torch_uniform_bias(width)
        units = network.config.num_classes
        head = keras.layers.Dense(units, dtype="float32", kernel_initializer=kernel, bias_initializer=bias, name=HEAD)
        network.heads[HEAD] = head
        head.build((None, width))

    def loss(self, step: Step) -> Tensor:
        (output,), (batch,) = step.outputs, step.batch.elements
        return ops.sum(losses.cross_entropy(self.logits(step.network, output.embedding), batch.targets[TARGET]))

    @staticmethod
    def logits(network: "VideoNetwork", embedding: Tensor) -> Tensor:
        """Logits `[batch, classes]` of embeddings `[batch, dim]`."""
        return network.heads[HEAD](ops.cast(embedding, "float32"))
