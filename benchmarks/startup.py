"""Seconds from starting a script to its help, and to the end of a first training step at tiny size."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.contest import contest_records
from benchmarks.table import in_turn, median, row, seconds

SCRIPTS = (
    "write_tfrecord.py", "train_pretrain.py", "train_pair.py", "inference_pair.py", "ensemble_final.py", "extract_features.py",
)  # fmt: skip


def script(*arguments: str):
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def first_step(model: str, data: Path, output: str) -> float:
    """Seconds until a pre-training has evaluated, saved, and taken its first step, whose log has the time."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    started = time.time()
    script(
        "train_pretrain.py", f"--model={model}", "--size=tiny", f"--data_dir={data}", f"--output_dir={output}",
        "--frame_embedding_size=128", "--total_steps=2", "--warmup_steps=0", "--bert_total_steps=2", "--bert_warmup_steps=0",
        "--print_freq=1", "--overwrite",
    )  # fmt: skip
    (file,) = Path(output, model, "pretrain", "events").iterdir()
    return next(event.wall_time for event in EventFileLoader(str(file)).Load() if event.step == 1) - started


def main():
    found = in_turn(3, **{name: lambda name=name: seconds(lambda: script(name, "--help")) for name in SCRIPTS})
    slowest = max(found, key=lambda name: median(found[name]))
    longest = median(found[slowest])
    row("--help", f"{longest:.2f} s ({slowest}, the slowest)", "wanted 1 s", 1 / longest)
    with tempfile.TemporaryDirectory() as folder:
        data = contest_records(Path(folder) / "data", pointwise=400, pairwise=200, frame_embedding_size=128)
        for model in ("uniter", "mix_nextvlad"):
            spent = median(in_turn(2, run=lambda model=model: first_step(model, data, folder))["run"])
            row(f"start, evaluation, save and first step: {model}, tiny", f"{spent:.1f} s", "wanted 12 s", 12 / spent)


if __name__ == "__main__":
    main()
