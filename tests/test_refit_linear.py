"""benchmarks/refit_linear.py keeps the network of a run and fits another linear embedding."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.evaluation.raw_videos import sample_raw_videos
from vsim_tf.records.labels import Pair, write_labels
from vsim_tf.runs.run_folder import RunFolder


@pytest.fixture
def data(tmp_path):
    for name in ("pointwise", "pairwise"):
        (tmp_path / name).mkdir()
        toys.write_records(tmp_path / name / "a.tfrecords", toys.random_videos(60))
    ids = sample_raw_videos([str(tmp_path / "pairwise/a.tfrecords")], toys.DIM).ids
    pairs = [Pair(first, second, (row % 5) / 4) for row, (first, second) in enumerate(zip(ids[::2], ids[1::2], strict=True))]
    write_labels(tmp_path / "pairwise/label.tsv", pairs)
    (tmp_path / "tag_list.txt").write_text("".join(f"{tag}\n" for tag in toys.TAGS))
    return tmp_path


def run(*command):
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    ended = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr


def weights(run_folder):
    reader = tf.train.load_checkpoint(RunFolder.open(run_folder).checkpoint())
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith("weights/")]
    return {name: reader.get_tensor(name) for name in names}


@pytest.mark.slow
def test_the_network_is_kept_and_the_linear_embedding_is_not(data, tmp_path):
    flags = ["--model=uniter", "--recipe=plus", f"--data_dir={data}", f"--frame_embedding_size={toys.DIM}", "--size=debug"]
    lengths = ["--bert_seq_length=12", "--max_frames=4", "--batch_size=8", "--val_batch_size=8"]
    steps = ["--total_steps=3", "--warmup_steps=0", "--bert_warmup_steps=0", "--lr=1e-2", "--bert_lr=1e-2"]
    run("train_pretrain.py", *flags, *lengths, *steps, f"--output_dir={tmp_path / 'first'}")
    first, second = (tmp_path / name / "uniter" / "pretrain" for name in ("first", "second"))
    other = "--set=model.linear.multiple=1"
    run("-m", "benchmarks.refit_linear", first, *flags, *lengths, other, f"--output_dir={tmp_path / 'second'}")
    trained, kept = weights(first), weights(second)
    assert trained.keys() == kept.keys()
    of_linear = {name for name in kept if name.startswith("weights/linear.S")}  # TensorFlow writes / so
    changed = {name for name in kept if kept[name].shape != trained[name].shape}
    assert changed and changed <= of_linear < kept.keys()
    for name in kept.keys() - of_linear:
        np.testing.assert_allclose(kept[name], trained[name], atol=1e-7, err_msg=name)
