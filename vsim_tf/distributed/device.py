"""What the flags that depend on the device stand for where they are not given."""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from vsim_tf.distributed.gpus import multiply_bfloat16


def suitable_precision(wanted: str) -> str:
    """`wanted`, or for "auto": `mixed_bfloat16` if every GPU multiplies it in hardware, `float32` otherwise, as in 2021."""
    if wanted != "auto":
        return wanted
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return "mixed_bfloat16" if multiply_bfloat16([detail.get("compute_capability", (0, 0)) for detail in details]) else "float32"


@contextlib.contextmanager
def precision_scope(precision: str) -> Iterator[None]:
    """Keras layers that are made inside have this dtype policy (or what "auto" stands for); outside all stays as it was."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(suitable_precision(precision))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def use_deterministic_kernels(wanted: bool | None) -> None:
    """Makes TensorFlow compute the same bits on every run; None means: unless there is a GPU, where that costs speed.

    Call it before the first computation. On a CPU it costs nothing that could be measured (docs/reliability.md).
    """
    if wanted or (wanted is None and not tf.config.list_physical_devices("GPU")):
        tf.config.experimental.enable_op_determinism()


def use_memory_as_needed() -> None:
    """GPU memory is taken as it is needed, not all at once, so that several processes can share a GPU.

    Call it before the first computation; later it does nothing, as TensorFlow cannot change it any more.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):  # this process has used its GPUs already
            tf.config.experimental.set_memory_growth(gpu, True)
