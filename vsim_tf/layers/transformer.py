"""BERT and RoFormer encoders: token embeddings, and a stack of blocks over any sequence of states.

BERT: Devlin et al. 2018, arXiv 1810.04805. RoFormer: Su et al. 2021, arXiv 2104.09864. Weights carry Hugging Face's names
(`TransformerEncoder.named_weights`), so that published checkpoints fit.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from vsim_tf.layers.dropout import Dropout
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.kernels.gelu import gelu
from vsim_tf.layers.kernels.layer_norm import LayerNorm
from vsim_tf.layers.kernels.rows import rows
from vsim_tf.layers.kernels.wide_dense import WideDense
from vsim_tf.layers.named_weights import NamedWeight, dense_weights, fused_weights, norm_weights
from vsim_tf.layers.ngram_embedding import NgramEmbedding
from vsim_tf.layers.recompute import recomputed
from vsim_tf.types import Shape, Tensor

MASKED_SCORE = -10000.0
"""Added to the attention scores of masked keys (2021 solution, transformers 4.9)."""


def score_bias(attention_mask: Tensor, dtype: str) -> Tensor:
    """The number that is added to the scores of each key, `[batch, 1, 1, positions]`, of a mask `[batch, positions]`."""
    return ((1.0 - ops.cast(attention_mask, dtype)) * MASKED_SCORE)[:, None, None, :]


def sinusoid_table(positions: int, width: int) -> np.ndarray:
    """Rotary angles of RoFormer, `[positions, width]`: row p has width/2 sines, then width/2 cosines, of p·10000^(-2i/width)."""
    angle = np.arange(positions)[:, None] / 10000 ** (2 * np.arange(width // 2) / width)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype("float32")


def rotate(x: Tensor, sinusoid: Tensor) -> Tensor:
    """Rotates neighbouring pairs (x[2i], x[2i+1]) of the last axis by the position's angle.

    Args:
        x: `[batch, heads, positions, width]`.
        sinusoid: sines then cosines of the positions, `[positions, width]` or of each video `[batch, 1, positions, width]`.
    """
    sine, cosine = ops.split(ops.cast(sinusoid, x.dtype), 2, axis=-1)
    sine, cosine = ops.repeat(sine, 2, axis=-1), ops.repeat(cosine, 2, axis=-1)
    pairs = ops.reshape(x, (*ops.shape(x)[:-1], -1, 2))
    turned = ops.reshape(ops.stack([-pairs[..., 1], pairs[..., 0]], axis=-1), ops.shape(x))
    return x * cosine + turned * sine


class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention with one matrix product for queries, keys and values."""

    def __init__(self, config: EncoderConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config
        initializer = config.new_weights()
        biases = config.new_biases(config.hidden_size)
        self.qkv = keras.layers.Dense(3 * config.hidden_size, kernel_initializer=initializer, bias_initializer=biases, name="qkv")
        self.output_dense = keras.layers.Dense(
            config.hidden_size, kernel_initializer=initializer, bias_initializer=biases, name="output"
        )
        self.dropout = Dropout(config.attention_dropout, name="attention_dropout")

    def build(self, shape: Shape) -> None:
        self.qkv.build(shape)
        self.output_dense.build(shape)

    def call(
        self,
        x: Tensor,
        score_bias: Tensor,
        sinusoid: Tensor | None = None,
        first_only: bool = False,
        training: bool | None = None,
        seed: Tensor | None = None,
    ) -> Tensor:
        """Attended states, `[batch, positions, hidden]`.

        Args:
            x: `[batch, positions, hidden]`.
            score_bias: added to the scores of each key, `[batch, 1, 1, positions]`.
            sinusoid: see `rotate`, or None.
            first_only: only the first position asks; the result is `[batch, 1, hidden]`.
            seed: of dropout, or None for the next one.
        """
        batch, length = ops.shape(x)[0], ops.shape(x)[1]
        heads, width = self.config.num_heads, self.config.hidden_size // self.config.num_heads
        qkv = ops.reshape(self.qkv(rows(x, training)), (batch, length, 3, heads, width))
        query, key, value = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), 3)
        if sinusoid is not None:
            query, key = rotate(query, sinusoid), rotate(key, sinusoid)
            value = rotate(value, sinusoid) if self.config.rotary_value else value
        query = query[:, :, :1] if first_only else query
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * (width**-0.5) + score_bias
        attention = self.dropout(ops.softmax(scores), training=training, seed=seed)
        shape = (batch, 1 if first_only else length, heads * width)
        context = ops.reshape(ops.transpose(ops.matmul(attention, value), (0, 2, 1, 3)), shape)
        return ops.reshape(self.output_dense(rows(context, training)), shape)


class TransformerBlock(keras.layers.Layer):
    """Post-norm block: x = LN(x + attention(x)); x = LN(x + FFN(x)), dropout before each sum."""

    def __init__(self, config: EncoderConfig, **kwargs: Any):
        super().__init__(**kwargs)
        initializer = config.new_weights()
        self.attention = SelfAttention(config, name="attention")
        self.attention_norm = LayerNorm(epsilon=config.layer_norm_eps, name="attention_norm")
        self.intermediate = WideDense(
            config.intermediate_size,
            kernel_initializer=initializer,
            bias_initializer=config.new_biases(config.hidden_size),
            name="intermediate",
        )
        self.output_dense = keras.layers.Dense(
            config.hidden_size,
            kernel_initializer=initializer,
            bias_initializer=config.new_biases(config.intermediate_size),
            name="output",
        )
        self.output_norm = LayerNorm(epsilon=config.layer_norm_eps, name="output_norm")
        self.attention_dropout = Dropout(config.hidden_dropout, name="attention_output_dropout")
        self.output_dropout = Dropout(config.hidden_dropout, name="output_dropout")

    def build(self, shape: Shape) -> None:
        self.attention.build(shape)
        self.attention_norm.build(shape)
        self.intermediate.build(shape)
        self.output_dense.build((*shape[:-1], self.intermediate.units))
        self.output_norm.build(shape)

    def call(
        self,
        x: Tensor,
        score_bias: Tensor,
        sinusoid: Tensor | None = None,
        first_only: bool = False,
        training: bool | None = None,
        seeds: Sequence[Tensor | None] = (None, None, None),
    ) -> Tensor:
        """States after the block; arguments as those of `SelfAttention`, and `seeds` as `draw_seeds` returns them."""
        of_attention, of_attended, of_output = seeds
        attended = self.attention(x, score_bias, sinusoid, first_only=first_only, training=training, seed=of_attention)
        x = x[:, :1] if first_only else x
        x = self.attention_norm(x + self.attention_dropout(attended, training=training, seed=of_attended))
        wide = gelu(self.intermediate(rows(x, training), training=training), training=training)
        projected = ops.reshape(self.output_dense(wide), ops.shape(x))
        return self.output_norm(x + self.output_dropout(projected, training=training, seed=of_output))

    def draw_seeds(self) -> list[Tensor | None]:
        """Seeds of dropout for a call that is repeated."""
        return [layer.draw_seed() for layer in (self.attention.dropout, self.attention_dropout, self.output_dropout)]

    def named_weights(self, prefix: str) -> dict[str, NamedWeight]:
        return (
            fused_weights([f"{prefix}/attention/self/{name}" for name in ("query", "key", "value")], self.attention.qkv)
            | dense_weights(f"{prefix}/attention/output/dense", self.attention.output_dense)
            | norm_weights(f"{prefix}/attention/output/LayerNorm", self.attention_norm)
            | dense_weights(f"{prefix}/intermediate/dense", self.intermediate)
            | dense_weights(f"{prefix}/output/dense", self.output_dense)
            | norm_weights(f"{prefix}/output/LayerNorm", self.output_norm)
        )


def _recomputed_block(
    block: TransformerBlock, x: Tensor, score_bias: Tensor, sinusoid: Tensor | None, training: bool | None
) -> Tensor:
    """A block that is computed again in the backward pass, with the same dropout."""
    seeds = block.draw_seeds()

    def call(x: Tensor, sinusoid: Tensor | None = None) -> Tensor:
        return block(x, score_bias, sinusoid, training=training, seeds=seeds)

    return recomputed(call, x) if sinusoid is None else recomputed(call, x, sinusoid)


class TextEmbedding(keras.layers.Layer):
    """Word (+ n-grams) + token type (always 0) + position (BERT only) → LayerNorm → dropout → projection where widths differ."""

    def __init__(self, config: EncoderConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config
        self.norm = LayerNorm(epsilon=config.layer_norm_eps, name="norm")
        self.dropout = Dropout(config.hidden_dropout, name="embedding_dropout")
        self.ngrams = None
        if config.longest_ngram > 1:
            self.ngrams = NgramEmbedding(config.longest_ngram, config.ngram_buckets, config.token_dim, name="ngrams")
        self.project = None
        if config.token_dim != config.hidden_size:
            self.project = keras.layers.Dense(config.hidden_size, name="project")

    def build(self, input_ids_shape: Shape | None = None) -> None:
        del input_ids_shape
        config = self.config
        initializer = config.new_weights()

        def table(name: str, rows: int, zero_row: int = -1) -> Tensor:
            def first_values(shape: Shape, dtype: str) -> Tensor:
                values = initializer(shape, dtype=dtype)
                return values if zero_row < 0 else ops.where(ops.arange(rows)[:, None] == zero_row, 0.0, values)

            return self.add_weight(name=name, shape=(rows, config.token_dim), initializer=first_values)

        self.word = table("word", config.vocab_size, config.padding_token)
        self.token_type = table("token_type", config.type_vocab_size)
        self.position = table("position", config.max_positions) if config.kind == "bert" else None
        self.norm.build((None, None, config.token_dim))
        if self.ngrams:
            self.ngrams.build()
        if self.project:
            self.project.build((None, None, config.token_dim))

    def call(self, input_ids: Tensor, training: bool | None = None) -> Tensor:
        """`[batch, text]` token ids to `[batch, text, hidden]`."""
        x = ops.take(self.word, input_ids, axis=0)
        if self.config.padding_token >= 0:
            x = ops.where(ops.equal(input_ids, self.config.padding_token)[..., None], ops.stop_gradient(x), x)
        if self.ngrams:
            x = x + self.ngrams(input_ids)
        x = x + self.token_type[0]
        if self.position is not None:
            x = x + self.position[: ops.shape(input_ids)[1]]
        x = self.dropout(self.norm(x), training=training)
        return self.project(x) if self.project else x

    def named_weights(self) -> dict[str, NamedWeight]:
        names = {
            "embeddings/word_embeddings/weight": NamedWeight(self.word),
            "embeddings/token_type_embeddings/embeddings": NamedWeight(self.token_type),
        }
        if self.position is not None:
            names["embeddings/position_embeddings/embeddings"] = NamedWeight(self.position)
        names |= norm_weights("embeddings/LayerNorm", self.norm)
        return names | (dense_weights("embeddings_project", self.project) if self.project else {})


class TransformerEncoder(keras.layers.Layer):
    """BERT or RoFormer: token embeddings, and the bare stack of transformer blocks over any sequence of states.

    Args:
        config: sizes and kind.
        pooler: add BERT's pooler, tanh(Dense([CLS])).
        tokens: has token embeddings; else it is the stack alone.

    Attributes:
        remat: in training, keep of each block its input alone and compute it again in the backward pass; no number changes.
    """

    def __init__(self, config: EncoderConfig, pooler: bool = False, tokens: bool = True, name: str = "encoder", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.config, self.remat = config, False
        self.embedding = TextEmbedding(config, name="embedding") if tokens else None
        self.blocks = [TransformerBlock(config, name=f"block_{i}") for i in range(config.num_layers)]
        initializer = config.new_weights()  # of one for each encoder, also without a pooler: each takes the next random seed
        self.pooler = (
            keras.layers.Dense(config.hidden_size, activation="tanh", kernel_initializer=initializer, name="pooler")
            if pooler
            else None
        )

    def build(self, states_shape: Shape | None = None) -> None:
        del states_shape
        config = self.config
        shape = (None, None, config.hidden_size)
        if self.embedding:
            self.embedding.build((None, None))
        for block in self.blocks:
            block.build(shape)
        if self.pooler:
            self.pooler.build((None, config.hidden_size))
        self.sinusoid = None
        if config.is_rotary:  # a trainable weight, as in transformers 4.9 (quirk 18)
            table = sinusoid_table(config.max_positions, config.hidden_size // config.num_heads)
            self.sinusoid = self.add_weight(
                name="sinusoid", shape=table.shape, initializer=lambda shape, dtype: ops.convert_to_tensor(table, dtype)
            )

    def embed(self, input_ids: Tensor, training: bool | None = None) -> Tensor:
        """Embedded tokens `[batch, text, hidden]` of ids `[batch, text]`."""
        if not self.built:
            self.build()
        assert self.embedding is not None
        return self.embedding(input_ids, training=training)

    def call(
        self, states: Tensor, attention_mask: Tensor, positions: Tensor, first_only: bool = False, training: bool | None = None
    ) -> Tensor:
        """Contextual states of all positions.

        Args:
            states: `[batch, length, hidden]`.
            attention_mask: `[batch, length]`, 1 or True at positions that are attended to.
            positions: for rotary embeddings, `[length]` or `[batch, length]` integers; BERT ignores them.
            first_only: return the state of the first position alone, `[batch, 1, hidden]`; the last block computes no
                other.

        Returns:
            `[batch, length, hidden]`.
        """
        bias, sinusoid = score_bias(attention_mask, states.dtype), self._sinusoid(positions)
        call = _recomputed_block if self.remat and training else TransformerBlock.__call__
        for block in self.blocks[:-1]:
            states = call(block, states, bias, sinusoid, training=training)
        # not the last block: the backward pass begins with it, so that its activations are the first to be freed anyway
        return self.blocks[-1](states, bias, sinusoid, first_only=first_only, training=training)

    def _sinusoid(self, positions: Tensor) -> Tensor | None:
        """Rotary angles of positions, with an axis for the heads where they are of each video; None in BERT."""
        if self.sinusoid is None:
            return None
        angles = ops.take(self.sinusoid, positions, axis=0)
        return angles[:, None] if len(angles.shape) == 3 else angles

    def pool(self, states: Tensor) -> Tensor:
        """BERT's pooler: `[batch, positions, hidden]` to `[batch, hidden]`."""
        assert self.pooler is not None
        return self.pooler(states[:, 0])

    def named_weights(self) -> dict[str, NamedWeight]:
        """Weights by their Hugging Face TensorFlow name, without the model's prefix."""
        names = self.embedding.named_weights() if self.embedding else {}
        if self.sinusoid is not None:
            names["encoder/embed_positions/embeddings"] = NamedWeight(self.sinusoid)
        for i, block in enumerate(self.blocks):
            names |= block.named_weights(f"encoder/layer_._{i}")
        return names | (dense_weights("pooler/dense", self.pooler) if self.pooler else {})
