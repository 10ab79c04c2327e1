"""`run.sh` killed as a whole at random moments, and run again until it is done: the same results to the bit."""

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

from vsim_tf.demo.short_videos import write_short_videos

ROOT = Path(__file__).parents[2]
KILLS = {"folds": (2, 6), "pre-training": (6, 6), "fine-tuning": (6, 6), "embedding": (4, 6), "ensemble": (2, 1)}
"""For each stage, how often run.sh is killed, at a random moment of so many seconds from the stage's beginning."""
CLASS_STAGES = (
    "pictures of labeled", "pre-training of the tower", "features of unlabeled", "pre-training", "fine-tuning", "fine-tuning",
    "prediction", "ensemble",
)  # fmt: skip
"""In each of which run.sh is killed, at a random moment of six seconds from its beginning; of one second in the last."""
LAST_STAGE = list(KILLS)[-1]
STAGE = "--bert_warmup_steps=1 --warmup_steps=1 --print_freq=2 --eval_freq=2 --batch_size=16 --val_batch_size=64"


def command(data_dir, output_dir) -> list[str]:
    return [
        "sh", "run.sh", f"--data_dir={data_dir}", f"--output_dir={output_dir}", "--size=debug", "--models=uniter mix_nextvlad",
        "--folds=0-1", "--jobs=2", f"--frame_embedding_size={DIM}",
        f"--pretrain_flags={STAGE} --total_steps=20 --bert_total_steps=20 --bert_seq_length=12 --max_frames=4",
        f"--finetune_flags={STAGE} --total_steps=10 --bert_total_steps=10",
    ]  # fmt: skip


def class_command(data_dir, output_dir) -> list[str]:
    stage = "--print_freq=2 --eval_freq=2 --batch_size=16 --val_batch_size=16"
    return [
        "sh", "run.sh", "--system=wbdc2022_rank8", f"--data_dir={data_dir}", f"--output_dir={output_dir}", "--size=debug",
        "--models=wbdc_1 wbdc_3", "--jobs=2", "--frame_embedding_size=16", f"--bert_vocab={data_dir}/vocab.txt",
        f"--pretrain_flags={stage} --total_steps=10 --bert_seq_length=16 --max_frames=2",
        f"--finetune_flags={stage} --total_steps=6",
    ]  # fmt: skip


def start(words: list[str], log) -> subprocess.Popen:
    """Starts run.sh in a process group of its own."""
    return subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )


def digests(output_dir) -> dict[str, str]:
    """sha256 of the zip or csv, and of all embeddings or predictions."""
    made = [*output_dir.glob("result.zip"), *output_dir.glob("result.csv")]
    paths = [*made, *sorted(output_dir.rglob("embeddings/*.npz")), *sorted(output_dir.rglob("predictions/*.npz"))]
    return {str(path.relative_to(output_dir)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def stages_begun(log: Path) -> list[str]:
    return re.findall(r"^\[\d+/\d+\] ([^,\n]+).*\n", log.read_text(), re.MULTILINE)


def kill_in(stage, seconds, words: list[str], log: Path) -> str:
    """Starts run.sh, kills it and all it has started so many seconds after a stage began, and returns the stage it was in.

    The last stage is short: it is killed at its beginning at the latest if another was meant.
    """
    with open(log, "w") as file:
        process = start(words, file)
    while stage not in stages_begun(log):
        assert process.poll() is None, log.read_text()[-3000:]
        time.sleep(0.01)
    end = time.monotonic() + seconds
    while time.monotonic() < end and (stage == LAST_STAGE or LAST_STAGE not in stages_begun(log)):
        time.sleep(0.01)
    assert process.poll() is None, f"it was complete before it could be killed in {stage}"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return stages_begun(log)[-1]


def run_to_the_end(words: list[str], output_dir, log: Path) -> dict[str, str]:
    with open(log, "w") as file:
        code = start(words, file).wait()
    assert code == 0, log.read_text()[-3000:]
    return digests(output_dir)


@pytest.mark.slow
def test_run_sh_killed_at_20_random_moments(data_dir, tmp_path):
    expected = run_to_the_end(command(data_dir, tmp_path / "whole"), tmp_path / "whole", tmp_path / "log")
    assert len(expected) == 1 + 2 * 2 * 2  # the zip; models, folds, test sets
    rng, folder = random.Random(2021), tmp_path / "killed"
    moments = [(stage, rng.uniform(0, seconds)) for stage, (count, seconds) in KILLS.items() for _ in range(count)]
    killed = [kill_in(*moment, command(data_dir, folder), tmp_path / "log") for moment in moments]
    assert run_to_the_end(command(data_dir, folder), folder, tmp_path / "log") == expected
    assert not list(folder.rglob(".*"))
    print(f"{len(killed)} kills survived: {', '.join(killed)}")


@pytest.mark.slow
def test_run_sh_of_classes_killed_in_every_stage(tmp_path):
    data_dir, folder, log = tmp_path / "data", tmp_path / "killed", tmp_path / "log"
    sizes = {"num_unlabeled": 24, "num_labeled": 60, "num_test_videos": 12, "num_video_files": 0, "picture_size": 16}
    write_short_videos(str(data_dir), **sizes)
    expected = run_to_the_end(class_command(data_dir, tmp_path / "whole"), tmp_path / "whole", log)
    assert len(expected) == 1 + 2 * 2  # the csv; models, test sets
    rng = random.Random(2022)
    moments = [(stage, rng.uniform(0, 1 if stage == LAST_STAGE else 6)) for stage in CLASS_STAGES]
    killed = [kill_in(*moment, class_command(data_dir, folder), log) for moment in moments]
    assert run_to_the_end(class_command(data_dir, folder), folder, log) == expected
    assert not list(folder.rglob(".*"))
    print(f"{len(killed)} kills survived: {', '.join(killed)}")
