"""Small demo data, and the flags of runs that take seconds."""

import pytest
from runs import DIM

from vsim_tf.demo.data import write_demo_data


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    sizes = {"num_pointwise": 120, "num_pairwise_videos": 80, "num_pairs": 120, "num_test_videos": 40, "num_test_pairs": 40}
    write_demo_data(str(folder), frame_embedding_size=DIM, **sizes)
    return folder
