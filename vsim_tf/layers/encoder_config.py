"""Sizes and kind of a BERT or RoFormer encoder."""

from typing import TYPE_CHECKING

from vsim_tf.components import Component, require
from vsim_tf.layers.initializers import torch_uniform_bias, torch_uniform_kernel
from vsim_tf.lazy import keras

if TYPE_CHECKING:
    from keras.initializers import Initializer

KINDS = ("bert", "roformer")
INITIALIZERS = {"truncated_normal": "TruncatedNormal", "normal": "RandomNormal"}
"""Distributions of new weights, with Keras' names."""
TORCH_UNIFORM = "torch_uniform"
MAX_NGRAM_BUCKETS = 2**17


class EncoderConfig(Component):
    """A BERT or RoFormer encoder; field meanings are those of Hugging Face's config.json.

    Attributes:
        kind: "bert" (absolute positions) or "roformer" (rotary positions).
        vocab_size: number of token embeddings; 0 as long as the vocabulary is not known.
        embedding_size: dimension of the token embeddings; differs from `hidden_size` only in RoFormer. 0 means `hidden_size`.
        rotary_value: rotate the values too, not only queries and keys (RoFormer).
        initializer: distribution of new weights, "truncated_normal" (Transformers for TensorFlow) or "normal" (for PyTorch), with
            standard deviation `initializer_range`; or "torch_uniform", PyTorch's own for kernels and biases.
        padding_token: id of the token whose embedding is zero at first and gets no gradient, PyTorch's `padding_idx`; -1: none.
        longest_ngram: tokens of the longest n-grams whose hashed embeddings are added to those of tokens; 1: none.
        ngram_buckets: embeddings of n-grams of each length.
    """

    kind: str
    vocab_size: int = 0
    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    intermediate_size: int = 3072
    max_positions: int = 512
    type_vocab_size: int = 2
    embedding_size: int = 0
    hidden_dropout: float = 0.1
    attention_dropout: float = 0.1
    layer_norm_eps: float = 1e-12
    initializer_range: float = 0.02
    rotary_value: bool = False
    initializer: str = "truncated_normal"
    padding_token: int = -1
    longest_ngram: int = 1
    ngram_buckets: int = 20011

    def __post_init__(self) -> None:
        require(self.kind in KINDS, f"encoder kind={self.kind!r}: 'bert' or 'roformer' is accepted", "kind")
        require(self.vocab_size >= 0, f"vocab_size={self.vocab_size}: an integer from 0 is needed", "vocab_size")
        self.require_positive("hidden_size", "num_layers", "num_heads", "intermediate_size", "max_positions")
        self.require_fraction("hidden_dropout", "attention_dropout", "layer_norm_eps", "initializer_range")
        heads = f"hidden_size={self.hidden_size} and num_heads={self.num_heads}"
        require(self.hidden_size % self.num_heads == 0, f"{heads}: the first must be a multiple of the second", "hidden_size")
        self.require_one_of("initializer", (*INITIALIZERS, TORCH_UNIFORM))
        require(self.padding_token >= -1, f"padding_token={self.padding_token}: an id from 0, or -1, is needed", "padding_token")
        self.require_positive("longest_ngram", "ngram_buckets")
        few = f"ngram_buckets={self.ngram_buckets}: at most {MAX_NGRAM_BUCKETS} are accepted"
        require(self.ngram_buckets <= MAX_NGRAM_BUCKETS, few, "ngram_buckets")
        if self.embedding_size == self.hidden_size:  # one form for one encoder
            object.__setattr__(self, "embedding_size", 0)
        even = self.hidden_size // self.num_heads % 2 == 0
        require(self.kind == "bert" or even, f"{heads}: RoFormer needs an even head width", "hidden_size")

    @property
    def token_dim(self) -> int:
        """Dimension of the token embeddings."""
        return self.embedding_size or self.hidden_size

    @property
    def is_rotary(self) -> bool:
        """Whether positions enter every layer, as angles, instead of the token embeddings."""
        return self.kind == "roformer"

    def new_weights(self) -> "Initializer":
        """The initializer of new kernels and tables."""
        if self.initializer == TORCH_UNIFORM:
            return torch_uniform_kernel()
        initializer: Initializer = getattr(keras.initializers, INITIALIZERS[self.initializer])(stddev=self.initializer_range)
        return initializer

    def new_biases(self, fan_in: int) -> "Initializer | str":
        """The initializer of the new bias of a Dense layer with so many inputs."""
        return torch_uniform_bias(fan_in) if self.initializer == TORCH_UNIFORM else "zeros"
