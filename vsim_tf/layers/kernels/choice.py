"""Which implementation computes GELU, LayerNorm and wide Dense layers: one made for CPUs, or Keras' own.

Those made for CPUs give the same numbers to rounding. They pass tensors through memory that fused GPU kernels do not: GELU's own
gradient writes 80 bytes an element against 32 of the derived one.
"""

import contextlib
import functools
from collections.abc import Iterator

import keras

_choice: bool | None = None


def made_for_cpus() -> bool:
    """Whether layers use the implementations made for CPUs; by default where there is no GPU. Asked when a layer is traced."""
    return _no_gpu() if _choice is None else _choice


@contextlib.contextmanager
def use_kernels(for_cpus: bool) -> Iterator[None]:
    """Layers that are traced inside the block use the implementations made for CPUs, or Keras' own."""
    global _choice
    before, _choice = _choice, for_cpus
    try:
        yield
    finally:
        _choice = before


@functools.cache
def _no_gpu() -> bool:
    return not keras.distribution.list_devices("gpu")
