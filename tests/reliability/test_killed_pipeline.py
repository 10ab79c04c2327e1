"""`run.sh` killed as a whole at random moments, and run again until it is done: the same embeddings to the bit."""

import hashlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from runs import DIM

ROOT = Path(__file__).parents[2]
KILLS = {"folds": (2, 6), "pre-training": (6, 6), "fine-tuning": (6, 6), "embedding": (4, 6), "ensemble": (2, 1)}
"""For each stage, how often run.sh is killed, at a random moment of so many seconds from the stage's beginning."""
LAST_STAGE = list(KILLS)[-1]
STAGE = "--bert_warmup_steps=1 --warmup_steps=1 --print_freq=2 --eval_freq=2 --batch_size=16 --val_batch_size=64"


def command(data_dir, output_dir) -> list[str]:
    return [
        "sh", "run.sh", f"--data_dir={data_dir}", f"--output_dir={output_dir}", "--size=debug", "--models=uniter mix_nextvlad",
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


def kill_in(stage, seconds, data_dir, output_dir, log: Path) -> str:
    """Starts run.sh, kills it and all it has started so many seconds after a stage began, and returns the stage it was in.

    The last stage is short: it is killed at its beginning at the latest if another was meant.
    """
    with open(log, "w") as file:
        process = start(data_dir, output_dir, file)
    while f"== {stage}" not in log.read_text():
        assert process.poll() is None, log.read_text()[-3000:]
        time.sleep(0.01)
    end = time.monotonic() + seconds
    while time.monotonic() < end and (stage == LAST_STAGE or f"== {LAST_STAGE}" not in log.read_text()):
        time.sleep(0.01)
    assert process.poll() is None, f"it was complete before it could be killed in {stage}"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return log.read_text().rpartition("== ")[2].split()[0]


def run_to_the_end(data_dir, output_dir, log: Path) -> dict[str, str]:
    with open(log, "w") as file:
        code = start(data_dir, output_dir, file).wait()
    assert code == 0, log.read_text()[-3000:]
    return digests(output_dir)


@pytest.mark.slow
def test_run_sh_killed_at_20_random_moments(data_dir, tmp_path):
    expected = run_to_the_end(data_dir, tmp_path / "whole", tmp_path / "log")
    assert len(expected) == 1 + 2 * 2 * 2  # the zip; models, folds, test sets
    rng, folder = random.Random(2021), tmp_path / "killed"
    moments = [(stage, rng.uniform(0, seconds)) for stage, (count, seconds) in KILLS.items() for _ in range(count)]
    killed = [kill_in(*moment, data_dir, folder, tmp_path / "log") for moment in moments]
    assert run_to_the_end(data_dir, folder, tmp_path / "log") == expected
    assert not list(folder.rglob(".*"))
    print(f"{len(killed)} kills survived: {', '.join(killed)}")
