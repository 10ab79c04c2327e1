"""Settings of a linear embedding."""

import math

from vsim_tf.components import Component, require
from vsim_tf.layers.encoder_config import MAX_NGRAM_BUCKETS


class LinearConfig(Component):
    """A linear embedding of title and mean frame, fitted in closed form before training (`layers/linear_embedding.py`).

    Attributes:
        buckets: rows for pairs of neighbouring tokens, which are hashed into them; best a prime.
        multiple: how many times the numbers of the network's embedding the linear one has.
        exponents: of the singular values, of which labelled pairs choose (`training/linear_exponent.py`).
        weight: of the linear embedding next to the network's, both of unit norm.
        penalty: of ridge regression.
        metric: fine-tuning begins with a metric of the linear embedding that follows its pairs (`training/pair_metric.py`).
    """

    buckets: int = 8191
    multiple: int = 2
    exponents: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
    weight: float = 0.8
    penalty: float = 1.0
    metric: bool = True

    def __post_init__(self) -> None:
        self.require_positive("buckets", "multiple")
        few = f"buckets={self.buckets}: at most {MAX_NGRAM_BUCKETS} are accepted"
        require(self.buckets <= MAX_NGRAM_BUCKETS, few, "buckets")
        for name in ("weight", "penalty"):
            value = getattr(self, name)
            require(0 < value < math.inf, f"{name}={value!r}: a number above 0 is needed", name)
        fits = self.exponents and all(0 < exponent < math.inf for exponent in self.exponents)
        require(bool(fits), f"exponents={list(self.exponents)}: at least one number is needed, each above 0", "exponents")
