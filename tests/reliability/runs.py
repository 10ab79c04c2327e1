"""Commands of short runs on small demo data, and when two runs are the same bit for bit."""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from vsim_tf.runs.checkpoint_files import newest_checkpoint

DIM = 16
SCHEDULE = ("--lr=1e-3", "--bert_lr=1e-3", "--warmup_steps=2", "--bert_warmup_steps=2")


def pretraining(data_dir: Path, output_dir: Path, model="debug", steps=60, eval_freq=2, *flags: str) -> list[str]:
    """The command of a pre-training."""
    return [
        "train_pretrain.py", f"--model={model}", "--size=debug", f"--data_dir={data_dir}", f"--output_dir={output_dir}",
        f"--frame_embedding_size={DIM}", "--bert_seq_length=12", "--max_frames=4", *training(steps, eval_freq), *flags,
    ]  # fmt: skip


def training(steps: int, eval_freq: int) -> list[str]:
    """Flags of both training scripts."""
    return [
        *SCHEDULE, f"--total_steps={steps}", f"--bert_total_steps={steps}", f"--eval_freq={eval_freq}", "--print_freq=3",
        "--batch_size=16", "--val_batch_size=64", "--keep_optimizer",  # so that moments are compared too
    ]  # fmt: skip


def tensors(folder: Path, kind: str) -> dict[str, bytes]:
    """Every tensor of the newest checkpoint of a kind: weights, and in `last` slots, counters and states of dropout."""
    reader = tf.train.load_checkpoint(newest_checkpoint(folder, kind))
    names = [name for name in reader.get_variable_to_shape_map() if not name.startswith("_CHECKPOINTABLE")]
    return {name: np.asarray(reader.get_tensor(name)).tobytes() for name in names}


def assert_same_run(folder: Path, expected: Path):
    """Weights, optimizer slots, log, best choice and summary are the same, and no left-over stands next to them."""
    for kind in ("last", "best"):
        assert Path(newest_checkpoint(folder, kind)).name == Path(newest_checkpoint(expected, kind)).name
        ours, theirs = tensors(folder, kind), tensors(expected, kind)
        assert ours.keys() == theirs.keys()
        assert not [name for name in ours if ours[name] != theirs[name]]
    for file in ("metrics.jsonl", "summary.json", "config.json"):
        assert (folder / file).read_text() == (expected / file).read_text(), file
    assert files(folder) == files(expected)


def files(folder: Path) -> list[str]:
    """Names of all files but TensorBoard's, of which every start makes one."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if "events" not in p.relative_to(folder).parts)


def steps_of(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
