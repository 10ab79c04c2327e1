"""Embeddings of n-grams of tokens, hashed into tables of a fixed size."""

from typing import Any

import keras
from keras import ops

from vsim_tf.types import Shape, Tensor

MULTIPLIER = 7919
"""Prime; times a bucket it stays below 2³¹ for up to `MAX_NGRAM_BUCKETS`, so that int32 does not overflow on any backend."""


class NgramEmbedding(keras.layers.Layer):
    """Σ over n = 2 ... `longest` of T_n[h(the token and the n − 1 before it)]; h is a polynomial hash modulo `buckets`.

    Encoders that learn from few texts know words of several characters by it (hashed n-grams: Bojanowski et al. 2017,
    arXiv 1607.04606; added to token embeddings: Pagnoni et al. 2024, arXiv 2412.09871). Tables begin with zeros: an encoder
    computes at first what it computes without them, and n-grams that training never sees add nothing.

    Args:
        longest: n of the longest n-grams, at least 2.
        buckets: rows of each table, at most `encoder_config.MAX_NGRAM_BUCKETS`; best a prime.
        dim: embedding dimension.
    """

    def __init__(self, longest: int, buckets: int, dim: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.longest, self.buckets, self.dim = longest, buckets, dim

    def build(self, input_ids_shape: Shape | None = None) -> None:
        del input_ids_shape
        shape = (self.buckets, self.dim)
        self.tables = [self.add_weight(name=f"ngram_{n}", shape=shape, initializer="zeros") for n in range(2, self.longest + 1)]

    def call(self, input_ids: Tensor) -> Tensor:
        """`[batch, text]` token ids to `[batch, text, dim]`."""
        ids = ops.cast(input_ids, "int32")
        hashed, total = ops.mod(ids, self.buckets), 0.0
        for n, table in enumerate(self.tables, start=2):
            before = ops.pad(ids, [[0, 0], [n - 1, 0]])[:, : ops.shape(ids)[1]]
            hashed = ops.mod(hashed * MULTIPLIER + before, self.buckets)
            total = total + ops.take(table, hashed, axis=0)
        return total
