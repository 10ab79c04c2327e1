"""What a tag head of a single-stream model reads."""

from typing import TYPE_CHECKING, ClassVar

from vsim_tf.components import Component
from vsim_tf.lazy import keras, ops
from vsim_tf.models.sequence import Sequence
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from keras.layers import Dense


class TagHead(Component):
    """Features and the Dense layer that makes tag logits of them.

    Attributes:
        reads_cls: whether it reads the state of [CLS], which then must stand first.
    """

    reads_cls: ClassVar[bool] = False

    def features(self, sequence: Sequence, embedding: Tensor) -> Tensor:
        """`[batch, width]` of the sequence that tasks read, and of the embedding before it is scaled to unit norm."""
        raise NotImplementedError

    def dense(self, num_tags: int, hidden_size: int, embedding_size: int) -> "Dense":
        """The layer, called `classifier`."""
        from vsim_tf.layers.initializers import torch_uniform_bias, torch_uniform_kernel

        width = hidden_size if self.reads_cls else embedding_size
        return keras.layers.Dense(
            num_tags, dtype="float32", kernel_initializer=torch_uniform_kernel(), bias_initializer=torch_uniform_bias(width),
            name="classifier",
        )  # fmt: skip


class EmbeddingTags(TagHead, name="embedding"):
    """The embedding itself (docs/facts.md 3.4)."""

    def features(self, sequence: Sequence, embedding: Tensor) -> Tensor:
        return embedding

    def dense(self, num_tags: int, hidden_size: int, embedding_size: int) -> "Dense":
        return keras.layers.Dense(num_tags, dtype="float32", name="classifier")


class ReluEmbeddingTags(TagHead, name="relu_embedding"):
    """ReLU of the embedding (docs/facts_rank1.md 3, jobs 2 and 3)."""

    def features(self, sequence: Sequence, embedding: Tensor) -> Tensor:
        return ops.relu(embedding)


class ReluClsTags(TagHead, name="relu_cls"):
    """ReLU of the state of [CLS] (docs/facts_rank1.md 3, jobs 1, 4, 5 and 6)."""

    reads_cls = True

    def features(self, sequence: Sequence, embedding: Tensor) -> Tensor:
        return ops.relu(ops.cast(sequence.first("cls"), "float32"))
