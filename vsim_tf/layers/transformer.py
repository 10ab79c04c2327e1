"""BERT and RoFormer encoders that take text, or text followed by frames, as one sequence.

BERT: Devlin et al. 2018, arXiv 1810.04805. RoFormer: Su et al. 2021, arXiv 2104.09864. Weights carry Hugging Face's names
(`TransformerEncoder.named_weights`), so that published checkpoints fit.
"""

import keras
import numpy as np
from keras import ops

from vsim_tf.config import EncoderConfig
from vsim_tf.layers.dropout import Dropout
from vsim_tf.layers.gelu import gelu
from vsim_tf.layers.layer_norm import LayerNorm
from vsim_tf.layers.packing import packed_positions, take_positions
from vsim_tf.layers.wide_dense import WideDense

MASKED_SCORE = -10000.0
"""Added to the attention scores of masked keys (2021 solution, transformers 4.9)."""


class NamedWeight:
    """A weight under its Hugging Face name: a whole variable, or the query, key or value third of a fused one."""

    def __init__(self, variable: keras.Variable, part: int | None = None):
        self.variable = variable
        self.part = part

    @property
    def shape(self) -> tuple[int, ...]:
        shape = tuple(self.variable.shape)
        return shape if self.part is None else (*shape[:-1], shape[-1] // 3)

    def _columns(self) -> slice:
        width = self.shape[-1]
        return slice(None) if self.part is None else slice(self.part * width, (self.part + 1) * width)

    def select(self, array: np.ndarray) -> np.ndarray:
        """The part of an array shaped like the whole variable that belongs to this name."""
        return np.asarray(array)[..., self._columns()]

    def read(self) -> np.ndarray:
        return self.select(self.variable.numpy())

    def assign(self, value: np.ndarray):
        whole = np.array(self.variable.numpy())
        whole[..., self._columns()] = value
        self.variable.assign(whole)


def dense_weights(name: str, layer: keras.layers.Dense) -> dict[str, NamedWeight]:
    """Hugging Face names of a Dense layer's kernel and bias."""
    return {f"{name}/kernel": NamedWeight(layer.kernel), f"{name}/bias": NamedWeight(layer.bias)}


def norm_weights(name: str, layer: LayerNorm) -> dict[str, NamedWeight]:
    """Hugging Face names of a LayerNorm's scale and offset."""
    return {f"{name}/gamma": NamedWeight(layer.gamma), f"{name}/beta": NamedWeight(layer.beta)}


def sinusoid_table(positions: int, width: int) -> np.ndarray:
    """Rotary angles of RoFormer, `[positions, width]`: row p has width/2 sines, then width/2 cosines, of p·10000^(-2i/width)."""
    angle = np.arange(positions)[:, None] / 10000 ** (2 * np.arange(width // 2) / width)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype("float32")


def rotate(x, sinusoid):
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


def rows(x, training):
    """`[batch, positions, dim]` as `[batch * positions, dim]` for a Dense layer, in training as it is.

    On a matrix TensorFlow computes product, bias and GELU as one operation; on more axes Keras puts a reshape between
    product and bias, which keeps them apart. Training gains nothing by it, and the one operation does not survive that
    memory runs out.
    """
    return x if training else ops.reshape(x, (-1, x.shape[-1]))


class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention with one matrix product for queries, keys and values."""

    def __init__(self, config: EncoderConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range)
        self.qkv = keras.layers.Dense(3 * config.hidden_size, kernel_initializer=initializer, name="qkv")
        self.output_dense = keras.layers.Dense(config.hidden_size, kernel_initializer=initializer, name="output")
        self.dropout = Dropout(config.attention_dropout, name="attention_dropout")

    def build(self, shape):
        self.qkv.build(shape)
        self.output_dense.build(shape)

    def call(self, x, score_bias, sinusoid=None, first_only=False, training=None):
        """Attended states, `[batch, positions, hidden]`.

        Args:
            x: `[batch, positions, hidden]`.
            score_bias: added to the scores of each key, `[batch, 1, 1, positions]`.
            sinusoid: see `rotate`, or None.
            first_only: only the first position asks; the result is `[batch, 1, hidden]`.
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
        attention = self.dropout(ops.softmax(scores), training=training)
        shape = (batch, 1 if first_only else length, heads * width)
        context = ops.reshape(ops.transpose(ops.matmul(attention, value), (0, 2, 1, 3)), shape)
        return ops.reshape(self.output_dense(rows(context, training)), shape)


class TransformerBlock(keras.layers.Layer):
    """Post-norm block: x = LN(x + attention(x)); x = LN(x + FFN(x)), dropout before each sum."""

    def __init__(self, config: EncoderConfig, **kwargs):
        super().__init__(**kwargs)
        initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range)
        self.attention = SelfAttention(config, name="attention")
        self.attention_norm = LayerNorm(epsilon=config.layer_norm_eps, name="attention_norm")
        self.intermediate = WideDense(config.intermediate_size, kernel_initializer=initializer, name="intermediate")
        self.output_dense = keras.layers.Dense(config.hidden_size, kernel_initializer=initializer, name="output")
        self.output_norm = LayerNorm(epsilon=config.layer_norm_eps, name="output_norm")
        self.attention_dropout = Dropout(config.hidden_dropout, name="attention_output_dropout")
        self.output_dropout = Dropout(config.hidden_dropout, name="output_dropout")

    def build(self, shape):
        self.attention.build(shape)
        self.attention_norm.build(shape)
        self.intermediate.build(shape)
        self.output_dense.build((*shape[:-1], self.intermediate.units))
        self.output_norm.build(shape)

    def call(self, x, score_bias, sinusoid=None, first_only=False, training=None):
        attended = self.attention(x, score_bias, sinusoid, first_only=first_only, training=training)
        x = x[:, :1] if first_only else x
        x = self.attention_norm(x + self.attention_dropout(attended, training=training))
        wide = gelu(self.intermediate(rows(x, training), training=training), training=training)
        projected = ops.reshape(self.output_dense(wide), ops.shape(x))
        return self.output_norm(x + self.output_dropout(projected, training=training))

    def named_weights(self, prefix: str) -> dict[str, NamedWeight]:
        names = {}
        for part, name in enumerate(("query", "key", "value")):
            names[f"{prefix}/attention/self/{name}/kernel"] = NamedWeight(self.attention.qkv.kernel, part)
            names[f"{prefix}/attention/self/{name}/bias"] = NamedWeight(self.attention.qkv.bias, part)
        return (
            names
            | dense_weights(f"{prefix}/attention/output/dense", self.attention.output_dense)
            | norm_weights(f"{prefix}/attention/output/LayerNorm", self.attention_norm)
            | dense_weights(f"{prefix}/intermediate/dense", self.intermediate)
            | dense_weights(f"{prefix}/output/dense", self.output_dense)
            | norm_weights(f"{prefix}/output/LayerNorm", self.output_norm)
        )


class TextEmbedding(keras.layers.Layer):
    """Word + token type (always 0) + position (BERT only) → LayerNorm → dropout → projection where widths differ."""

    def __init__(self, config: EncoderConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.norm = LayerNorm(epsilon=config.layer_norm_eps, name="norm")
        self.dropout = Dropout(config.hidden_dropout, name="embedding_dropout")
        self.project = None
        if config.embedding_size != config.hidden_size:
            self.project = keras.layers.Dense(config.hidden_size, name="project")

    def build(self, input_ids_shape=None):
        del input_ids_shape
        config = self.config
        initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range)

        def table(name, rows):
            return self.add_weight(name=name, shape=(rows, config.embedding_size), initializer=initializer)

        self.word = table("word", config.vocab_size)
        self.token_type = table("token_type", config.type_vocab_size)
        self.position = table("position", config.max_positions) if config.kind == "bert" else None
        self.norm.build((None, None, config.embedding_size))
        if self.project:
            self.project.build((None, None, config.embedding_size))

    def call(self, input_ids, training=None):
        """`[batch, text]` token ids to `[batch, text, hidden]`."""
        x = ops.take(self.word, input_ids, axis=0) + self.token_type[0]
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
    """BERT or RoFormer over text, or over text followed by frame vectors.

    Args:
        config: sizes and kind.
        pooler: add BERT's pooler, tanh(Dense([CLS])).

    Frames enter after the text embedding's LayerNorm and dropout and get no position, token type or LayerNorm of their own;
    in RoFormer the rotary positions run on over them (2021 solution, facts 3.4 and 3.5).
    """

    def __init__(self, config: EncoderConfig, pooler: bool = False, name: str = "encoder", **kwargs):
        super().__init__(name=name, **kwargs)
        self.config = config
        self.embedding = TextEmbedding(config, name="embedding")
        self.blocks = [TransformerBlock(config, name=f"block_{i}") for i in range(config.num_layers)]
        initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range)
        self.pooler = (
            keras.layers.Dense(config.hidden_size, activation="tanh", kernel_initializer=initializer, name="pooler")
            if pooler
            else None
        )

    def build(self, input_ids_shape=None):
        del input_ids_shape
        config = self.config
        shape = (None, None, config.hidden_size)
        self.embedding.build((None, None))
        for block in self.blocks:
            block.build(shape)
        if self.pooler:
            self.pooler.build((None, config.hidden_size))
        self.sinusoid = None
        if config.kind == "roformer":  # a trainable weight, as in transformers 4.9 (quirk 18)
            table = sinusoid_table(config.max_positions, config.hidden_size // config.num_heads)
            self.sinusoid = self.add_weight(
                name="sinusoid", shape=table.shape, initializer=lambda shape, dtype: ops.convert_to_tensor(table, dtype)
            )

    def call(
        self,
        input_ids,
        attention_mask,
        frame_vectors=None,
        frame_mask=None,
        text_positions=None,
        pack=False,
        first_only=False,
        training=None,
    ):
        """States of all positions.

        Args:
            input_ids, attention_mask: `[batch, text]` integers.
            frame_vectors: `[batch, frames, hidden]`, or None for text alone.
            frame_mask: `[batch, frames]`, 1 at real frames; masked frames are no attention keys.
            text_positions: rotary position of the first frame, so that it does not depend on how much padding was
                trimmed; by default it follows the text as given.
            pack: leave padding out (`packing.packed_positions`).
            first_only: return the state of the first position alone, `[batch, 1, hidden]`; the last block computes no
                other.

        Returns:
            `[batch, text + frames, hidden]`, or fewer positions if packed.
        """
        x = self.embedding(input_ids, training=training)
        mask, frames = ops.cast(attention_mask, x.dtype), 0
        if frame_vectors is not None:
            frames = ops.shape(frame_vectors)[1]
            x = ops.concatenate([x, ops.cast(frame_vectors, x.dtype)], axis=1)
            mask = ops.concatenate([mask, ops.cast(frame_mask, x.dtype)], axis=1)
        sinusoid = self._sinusoid(ops.shape(input_ids)[1], frames, text_positions)
        if pack:
            order = packed_positions(mask)
            x, mask = take_positions(x, order), ops.take_along_axis(mask, order, axis=1)
            sinusoid = None if sinusoid is None else ops.take(sinusoid, order, axis=0)[:, None]
        score_bias = ((1.0 - mask) * MASKED_SCORE)[:, None, None, :]
        for block in self.blocks[:-1]:
            x = block(x, score_bias, sinusoid, training=training)
        return self.blocks[-1](x, score_bias, sinusoid, first_only=first_only, training=training)

    def _sinusoid(self, text, frames, text_positions):
        """Rotary angles of `text` positions and of `frames` from `text_positions` on; None in BERT."""
        if self.sinusoid is None:
            return None
        start = text if text_positions is None else text_positions
        return ops.concatenate([self.sinusoid[:text], self.sinusoid[start : start + frames]], axis=0)

    def pool(self, states):
        """BERT's pooler: `[batch, positions, hidden]` to `[batch, hidden]`."""
        return self.pooler(states[:, 0])

    def embedding_variables(self) -> list[keras.Variable]:
        """The embedding block: word, type and position tables and LayerNorm (the projection is not part of it)."""
        project = self.embedding.project
        apart = set() if project is None else {id(v) for v in project.trainable_variables}
        return [v for v in self.embedding.trainable_variables if id(v) not in apart]

    def named_weights(self) -> dict[str, NamedWeight]:
        """Weights by their Hugging Face TensorFlow name, without the model's prefix."""
        names = self.embedding.named_weights()
        if self.sinusoid is not None:
            names["encoder/embed_positions/embeddings"] = NamedWeight(self.sinusoid)
        for i, block in enumerate(self.blocks):
            names |= block.named_weights(f"encoder/layer_._{i}")
        return names | (dense_weights("pooler/dense", self.pooler) if self.pooler else {})
