"""Settings of all tests: tiers, two threads, two logical CPUs for replicas, and a fresh global state of Keras for each."""

import gc
import os
import resource
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is loaded

import keras
import pytest
import tensorflow as tf
from hypothesis import settings
from processes import Server
from tiers import is_medium

from vsim_tf.cli.messages import shown_messages

tf.config.threading.set_intra_op_parallelism_threads(2)
tf.config.threading.set_inter_op_parallelism_threads(2)
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

gc.set_threshold(700, 10, 10**9)  # taking hundreds of traced graphs apart takes a minute: only where memory grows


def resident_memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Memory:
    """Collects what tests have left behind whenever it has grown by so many bytes."""

    step = 3 * 2**30
    limit = step

    @classmethod
    def tidy(cls) -> None:
        if resident_memory() > cls.limit:
            gc.collect()
            cls.limit = resident_memory() + cls.step


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items):
    """Mark all tests of medium folders and files, which come first: the last files to be dealt out to workers are short ones."""
    items.sort(key=lambda item: not is_medium(item.path))
    for item in items:
        if is_medium(item.path):
            item.add_marker(pytest.mark.medium)


def pytest_unconfigure():
    """Nothing is taken apart at the end either."""
    gc.freeze()


def start_afresh():
    """Seeds and arithmetic as a new process has them, whatever the test before did."""
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy("float32")


@pytest.fixture(autouse=True, scope="module")
def start_of_a_file(request):
    """For what a file's tests share. Graphs run as they were traced: optimising them takes longer than a few steps save."""
    start_afresh()
    Memory.tidy()
    optimised = any(mark.name == "optimised_graphs" for mark in request.node.iter_markers())
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not optimised})


@pytest.fixture(autouse=True)
def start_of_a_test():
    start_afresh()


@pytest.fixture
def console(capsys):
    """`capsys` of a script, which shows what the library logs."""
    with shown_messages():
        yield capsys


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Starts scripts in a tenth of a second."""
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def two_replicas():
    """One strategy for all tests: a second one in a process numbers its collective operations as the first, and they clash."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
