"""`run.sh` killed as a whole at random moments, and run again until it is done: the same embeddings to the bit."""

import collections
import hashlib
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from runs import DIM

ROOT = Path(__file__).parents[2]
KILLS, SECONDS = 20, (1, 10)
STAGE = "--bert_warmup_steps=1 --warmup_steps=1 --print_freq=2 --eval_freq=2 --batch_size=16 --val_batch_size=64"


def command(data_dir, output_dir) -> list[str]:
    return [
        "sh", "run.sh", f"--data_dir={data_dir}", f"--output_dir={output_dir}", "--size=testing", "--models=uniter mix_nextvlad",
        "--folds=0-1", "--jobs=2", f"--frame_embedding_size={DIM}",
        f"--pretrain_flags={STAGE} --total_steps=20 --bert_total_steps=20 --bert_seq_length=12 --max_frames=4",
        f"--finetune_flags={STAGE} --total_steps=10 --bert_total_steps=10",
    ]  # fmt: skip


def start(data_dir, output_dir, log) -> subprocess.Popen:
    """Starts run.sh in a process group of its own."""
    return subprocess.Popen(
        command(data_dir, output_dir), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip


def digests(output_dir) -> dict[str, str]:
    """sha256 of the zip and of all embeddings."""
    paths = [output_dir / "result.zip", *sorted(output_dir.rglob("embeddings/*.npz"))]
    return {str(path.relative_to(output_dir)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.mark.slow
def test_run_sh_killed_at_20_random_moments(data_dir, tmp_path):
    with open(tmp_path / "log", "w") as log:
        assert start(data_dir, tmp_path / "whole", log).wait() == 0, (tmp_path / "log").read_text()[-3000:]
        expected = digests(tmp_path / "whole")
        assert len(expected) == 1 + 2 * 2 * 2  # the zip; models, folds, test sets
        rng = random.Random(2021)
        killed, stages = 0, collections.Counter()
        while killed < KILLS:
            process = start(data_dir, tmp_path / "killed", log)
            time.sleep(rng.uniform(*SECONDS))
            assert process.poll() is None, "it ended, or was complete, before it could be killed so often"
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
            stages[re.findall(r"== (\S+)", (tmp_path / "log").read_text())[-1]] += 1
        assert start(data_dir, tmp_path / "killed", log).wait() == 0, (tmp_path / "log").read_text()[-3000:]
    assert digests(tmp_path / "killed") == expected
    unfinished = list((tmp_path / "killed").rglob(".*"))
    assert not unfinished
    print(f"{killed} kills survived: {dict(stages)}")
