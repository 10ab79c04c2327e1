"""Seconds from starting a script to its help, and to the end of a first training step at tiny size."""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.contest import contest_records
from benchmarks.table import medians, row

SCRIPTS = ("write_tfrecord.py", "train_pretrain.py", "train_pair.py", "inference_pair.py", "ensemble_final.py")


def script(*arguments: str):
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def main():
    times = medians({name: lambda name=name: script(name, "--help") for name in SCRIPTS}, 3)
    slowest = max(times, key=times.get)
    row("--help", f"{times[slowest]:.2f} s ({slowest}, the slowest)", "wanted 1 s", 1 / times[slowest])
    with tempfile.TemporaryDirectory() as folder:
        data = contest_records(Path(folder) / "data", 400, frame_embedding_size=128)
        for model in ("uniter", "mix_nextvlad"):
            command = (
                "train_pretrain.py", f"--model={model}", "--size=tiny", f"--data_dir={data}", f"--output_dir={folder}/{model}",
                "--frame_embedding_size=128", "--total_steps=1", "--warmup_steps=0", "--bert_total_steps=1",
                "--bert_warmup_steps=0", "--overwrite",
            )  # fmt: skip
            spent = medians({model: lambda command=command: script(*command)}, 3)[model]
            row(
                f"start, two evaluations, first step and save: {model}, tiny",
                f"{spent:.1f} s",
                "wanted 12 s to the first step",
                12 / spent,
            )


if __name__ == "__main__":
    main()
