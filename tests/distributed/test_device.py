"""What flags stand for on each device."""

import keras
import pytest
import tensorflow as tf

from vsim_tf.distributed.device import precision_scope, suitable_precision, use_deterministic_kernels


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ((), "float32"),  # a CPU
        (((7, 5),), "float32"),
        (((8, 0),), "mixed_bfloat16"),
        (((9, 0), (9, 0)), "mixed_bfloat16"),
        (((9, 0), (7, 0)), "float32"),
        ((None,), "float32"),  # a GPU that does not tell
    ],
)
def test_auto_is_bfloat16_where_every_gpu_is_made_for_it(monkeypatch, capabilities, precision):
    details = dict(enumerate(capabilities))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(details))
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details",
        lambda gpu: {"compute_capability": details[gpu]} if details[gpu] else {},
    )  # fmt: skip
    assert suitable_precision("auto") == precision


@pytest.mark.parametrize("wanted", ["float32", "mixed_bfloat16"])
def test_what_is_asked_for_is_what_comes(wanted):
    assert suitable_precision(wanted) == wanted


@pytest.mark.parametrize(("wanted", "gpus", "expected"), [(None, 0, True), (None, 1, False), (True, 1, True), (False, 0, False)])
def test_deterministic_kernels_are_the_default_without_a_gpu(wanted, gpus, expected, monkeypatch):
    called = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] * gpus)
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: called.append(True))
    use_deterministic_kernels(wanted)
    assert bool(called) == expected


def test_a_precision_holds_inside_its_scope_alone():
    for before in ("float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(before)
        with pytest.raises(ZeroDivisionError), precision_scope("mixed_float16"):
            assert keras.layers.Dense(1).dtype_policy.name == "mixed_float16"
            raise ZeroDivisionError
        assert keras.config.dtype_policy().name == before
