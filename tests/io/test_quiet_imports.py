"""Importing TensorFlow in somebody else's process."""

import gc

import pytest

from vsim_tf.io.quiet_imports import quiet_imports


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_stays_as_it_was_where_tensorflow_is_loaded(enabled):
    """Freezing again would keep garbage of the process for good."""
    frozen = gc.get_freeze_count()
    try:
        gc.enable() if enabled else gc.disable()
        with quiet_imports():
            assert gc.isenabled() == enabled
        assert gc.isenabled() == enabled
        assert gc.get_freeze_count() == frozen
    finally:
        gc.enable()
