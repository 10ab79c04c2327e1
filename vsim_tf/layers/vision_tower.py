"""CLIP's vision tower: pictures to one vector each (Radford et al. 2021, arXiv 2103.00020)."""

from typing import Any

import keras
from keras import ops

from vsim_tf.layers.kernels.layer_norm import LayerNorm
from vsim_tf.layers.kernels.quick_gelu import quick_gelu
from vsim_tf.layers.kernels.rows import rows
from vsim_tf.layers.kernels.wide_dense import WideDense
from vsim_tf.layers.named_weights import NamedWeight, dense_weights, fused_weights, norm_weights
from vsim_tf.layers.vision_config import CHANNELS, PREFIX, VisionConfig
from vsim_tf.types import Shape, Tensor

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue in ImageNet, from 0 to 1: what pictures are normalised by (docs/facts_rank8.md 2), not CLIP's own."""


def pixel_values(pictures: Tensor) -> Tensor:
    """Pictures `[..., size, size, 3]` from 0 to 255 as (x / 255 - mean) / deviation, float32."""
    mean, deviation = (ops.convert_to_tensor(values, "float32") for values in (MEAN, DEVIATION))
    return (ops.cast(pictures, "float32") / 255.0 - mean) / deviation


class VisionAttention(keras.layers.Layer):
    """Multi-head self-attention over all patches, with one matrix product for queries, keys and values."""

    def __init__(self, config: VisionConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.heads = config.num_heads
        self.qkv = keras.layers.Dense(3 * config.hidden_size, name="qkv")
        self.output_dense = keras.layers.Dense(config.hidden_size, name="output")

    def build(self, shape: Shape) -> None:
        self.qkv.build(shape)
        self.output_dense.build(shape)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """`[pictures, positions, hidden]` to the same shape."""
        pictures, length, hidden = ops.shape(x)[0], x.shape[1], x.shape[2]
        width = hidden // self.heads
        qkv = ops.reshape(self.qkv(rows(x, training)), (pictures, length, 3, self.heads, width))
        query, key, value = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), 3)
        attention = ops.softmax(ops.matmul(query * width**-0.5, ops.transpose(key, (0, 1, 3, 2))))
        context = ops.reshape(ops.transpose(ops.matmul(attention, value), (0, 2, 1, 3)), (pictures, length, hidden))
        return ops.reshape(self.output_dense(rows(context, training)), (pictures, length, hidden))


class VisionBlock(keras.layers.Layer):
    """Pre-norm block without dropout: x = x + attention(LN(x)); x = x + FFN(LN(x)), with quick GELU."""

    def __init__(self, config: VisionConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.attention_norm = LayerNorm(epsilon=config.layer_norm_eps, name="attention_norm")
        self.attention = VisionAttention(config, name="attention")
        self.output_norm = LayerNorm(epsilon=config.layer_norm_eps, name="output_norm")
        self.intermediate = WideDense(config.intermediate_size, name="intermediate")
        self.output_dense = keras.layers.Dense(config.hidden_size, name="output")

    def build(self, shape: Shape) -> None:
        for layer in (self.attention_norm, self.attention, self.output_norm, self.intermediate):
            layer.build(shape)
        self.output_dense.build((*shape[:-1], self.intermediate.units))

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """`[pictures, positions, hidden]` to the same shape."""
        x = x + self.attention(self.attention_norm(x), training=training)
        wide = quick_gelu(self.intermediate(rows(self.output_norm(x), training), training=training), training=training)
        return x + ops.reshape(self.output_dense(wide), ops.shape(x))

    def named_weights(self, prefix: str) -> dict[str, NamedWeight]:
        return (
            fused_weights([f"{prefix}/self_attn/{name}" for name in ("q_proj", "k_proj", "v_proj")], self.attention.qkv)
            | dense_weights(f"{prefix}/self_attn/out_proj", self.attention.output_dense)
            | norm_weights(f"{prefix}/layer_norm1", self.attention_norm)
            | dense_weights(f"{prefix}/mlp/fc1", self.intermediate)
            | dense_weights(f"{prefix}/mlp/fc2", self.output_dense)
            | norm_weights(f"{prefix}/layer_norm2", self.output_norm)
        )


class VisionTower(keras.layers.Layer):
    """Patches and a class token through pre-norm blocks; the class token's last state, normalised, is the picture's vector.

    Its product with CLIP's 512-wide projection is not computed (docs/facts_rank8.md 2).
    """

    def __init__(self, config: VisionConfig, name: str = "tower", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.config = config
        self.patches = keras.layers.Dense(config.hidden_size, use_bias=False, name="patches")
        self.first_norm = LayerNorm(epsilon=config.layer_norm_eps, name="first_norm")
        self.blocks = [VisionBlock(config, name=f"block_{i}") for i in range(config.num_layers)]
        self.last_norm = LayerNorm(epsilon=config.layer_norm_eps, name="last_norm")

    def build(self, pixels_shape: Shape | None = None) -> None:
        del pixels_shape
        config, deviation = self.config, keras.initializers.RandomNormal(stddev=self.config.hidden_size**-0.5)
        positions = 1 + config.grid**2
        shape = (None, positions, config.hidden_size)
        self.patches.build((None, None, CHANNELS * config.patch_size**2))
        self.class_token = self.add_weight(name="class_token", shape=(config.hidden_size,), initializer=deviation)
        self.position = self.add_weight(
            name="position", shape=(positions, config.hidden_size), initializer=keras.initializers.RandomNormal(stddev=0.02)
        )
        layers: list[keras.layers.Layer] = [self.first_norm, *self.blocks, self.last_norm]
        for layer in layers:
            layer.build(shape)
        self._freeze()

    def _freeze(self) -> None:
        if self.config.trainable_blocks >= 0:
            trained = self.blocks[self.config.num_layers - self.config.trainable_blocks :]
            for layer in (self.patches, self.first_norm, *self.blocks, self.last_norm):
                layer.trainable = layer in trained
            self.class_token.trainable = self.position.trainable = False

    def call(self, pixels: Tensor, training: bool | None = None) -> Tensor:
        """One vector of each picture, `[pictures, hidden]`.

        Args:
            pixels: `pixel_values` of pictures, `[pictures, size, size, 3]`.
        """
        return self.pooled(self.states(pixels, training=training)[-1])

    def states(self, pixels: Tensor, training: bool | None = None) -> list[Tensor]:
        """States before the first block and after each, `[pictures, 1 + patches, hidden]`."""
        x = self.patches(self._cut(ops.cast(pixels, self.compute_dtype)))
        first = ops.broadcast_to(ops.cast(self.class_token, x.dtype), (ops.shape(x)[0], 1, x.shape[2]))
        states = [self.first_norm(ops.concatenate([first, x], axis=1) + ops.cast(self.position, x.dtype))]
        for block in self.blocks:
            states.append(block(states[-1], training=training))
        return states

    def pooled(self, states: Tensor) -> Tensor:
        """The vectors `[pictures, hidden]` of last states."""
        return self.last_norm(states[:, 0])

    def _cut(self, pixels: Tensor) -> Tensor:
        """Patches by rows, `[pictures, patches, 3 * patch_size²]`, each with its channels first."""
        grid, size = self.config.grid, self.config.patch_size
        cut = ops.reshape(pixels, (-1, grid, size, grid, size, CHANNELS))
        return ops.reshape(ops.transpose(cut, (0, 1, 3, 5, 2, 4)), (-1, grid**2, CHANNELS * size**2))

    def named_weights(self) -> dict[str, NamedWeight]:
        """Weights by their Hugging Face name, with the endings of TensorFlow; the kernel of patches is `[3 * size², hidden]`."""
        names = {
            f"{PREFIX}/embeddings/class_embedding": NamedWeight(self.class_token),
            f"{PREFIX}/embeddings/patch_embedding/kernel": NamedWeight(self.patches.kernel),
            f"{PREFIX}/embeddings/position_embedding/weight": NamedWeight(self.position),
        }
        names |= norm_weights(f"{PREFIX}/pre_layrnorm", self.first_norm) | norm_weights(
            f"{PREFIX}/post_layernorm", self.last_norm
        )
        for i, block in enumerate(self.blocks):
            names |= block.named_weights(f"{PREFIX}/encoder/layers/{i}")
        return names
