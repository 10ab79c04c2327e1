"""All stages of a run, with a small script in place of the five: what is checked first, skipped, refused and said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vsim_tf.ensemble.timings import read_timings
from vsim_tf.io.files import exclusive

ROOT = Path(__file__).parents[2]
SCRIPT = """
import os
import sys
from pathlib import Path

from absl import flags as absl_flags

from vsim_tf.cli import app, flags
from vsim_tf.io.files import require_existing
from vsim_tf.errors import UserError

FLAGS = absl_flags.FLAGS


def define_flags():
    for name in ("model", "reads", "writes", "refuses"):
        absl_flags.DEFINE_string(name, "", "")
    absl_flags.DEFINE_string("fails", "", "Model that fails with code 7.")
    absl_flags.DEFINE_integer("batch_size", 8, "")


def output():
    return Path(FLAGS.writes + FLAGS.model)


def check_flags(devices):
    if FLAGS.batch_size < devices:
        raise UserError(f"--batch_size={FLAGS.batch_size} on {devices} devices")


def check_inputs():
    if FLAGS.reads:
        require_existing(FLAGS.reads)


def finished():
    if FLAGS.refuses:
        raise UserError(FLAGS.refuses)
    if output().exists():
        print(output().name, "is there")
    return output().exists()


def main():
    if FLAGS.fails and FLAGS.fails == FLAGS.model:
        sys.exit(7)
    output().write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "all"))


if __name__ == "__main__":
    define_flags()
    app.run(main, "")
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path


def launch(folder: Path, *stages: str, jobs="1", per_gpu="1", gpus: int | None = None) -> subprocess.CompletedProcess:
    """Stages are lines: a name, then flags; `*` before the name: for each model, `!`: makes inputs."""
    words = []
    for name, *flags in map(str.split, stages):
        marks = ["--each_model"] * ("*" in name) + ["--before_checks"] * ("!" in name)
        words += [f"--stage={name.strip('*!')}", *marks, "script.py", *flags]
    options = ["--output_dir=out", "--models=uniter uniter_asl mix_nextvlad", f"--jobs={jobs}", f"--jobs_per_gpu={per_gpu}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    if gpus is not None:
        (folder / "bin").mkdir(exist_ok=True)
        (folder / "bin/nvidia-smi").write_text("#!/bin/sh\n" + "".join(f"echo '{index}, 8.0'\n" for index in range(gpus)))
        (folder / "bin/nvidia-smi").chmod(0o755)
        environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{environment['PATH']}"
    command = [sys.executable, "-m", "vsim_tf.launch", *options, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def assert_refused(result, *words):
    """One line, before any stage."""
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert not [word for word in words if word not in line], line


def times(folder: Path) -> list[str]:
    path = folder / "out/timings.tsv"
    return [line.split("\t")[0] for line in path.read_text().splitlines()] if path.exists() else []


STAGES = ("first --writes=a", "*second --writes=b-", "third --writes=c")


def test_all_stages_then_none(folder):
    result = launch(folder, *STAGES)
    assert (result.returncode, result.stderr) == (0, "")
    assert [line for line in result.stdout.splitlines() if line[:1] == "["] == ["[1/3] first", "[2/3] second", "[3/3] third"]
    assert "\r" not in result.stdout
    assert result.stdout.splitlines()[-1].endswith("\tall")
    assert times(folder) == ["first", "second", "third"]
    assert all(timing.peak_bytes > 5e6 for timing in read_timings(folder / "out/timings.tsv"))
    written = {path.name: path.stat().st_mtime_ns for path in folder.glob("[abc]*")}
    assert {"a", "b-uniter", "b-uniter_asl", "b-mix_nextvlad", "c"} <= set(written)

    again = launch(folder, *STAGES)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.count("is there") == 5
    assert times(folder) == ["first", "second", "third"]  # stages without work add no time
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("[abc]*")} == written

    (folder / "b-uniter_asl").unlink()
    third = launch(folder, *STAGES, jobs="2")
    assert third.stdout.count("is there") == 4
    assert times(folder) == ["first", "second", "third", "second"]
    assert not (folder / "out/.run.lock").exists()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_failure_names_the_model_and_returns_its_code(folder, jobs):
    result = launch(folder, STAGES[0], f"{STAGES[1]} --fails=uniter_asl", STAGES[2], jobs=jobs)
    assert result.returncode == 7
    assert "error: stage 'second' failed at uniter_asl; when that is fixed, run the same command again" in result.stderr
    assert "third" not in result.stdout
    assert not (folder / "c").exists()
    assert times(folder) == ["first"]


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        (["first --writes=a", "last --colour=red"], ["colour"]),
        (["first --writes=a", "*last --batch_size=many"], ["batch_size"]),
        (["first --writes=a", "last --reads=none"], ["none does not exist"]),
    ],
)
def test_flags_and_inputs_of_all_stages_are_checked_before_the_first(folder, stages, words):
    assert_refused(launch(folder, *stages), *words)
    assert not (folder / "a").exists()


def test_inputs_that_a_stage_makes_are_checked_after_it(folder):
    result = launch(folder, "!data --writes=input", "first --reads=input --writes=a")
    assert result.returncode == 0, result.stderr
    assert times(folder) == ["data", "first"]


def test_results_of_other_settings_stop_the_stage(folder):
    result = launch(folder, "first --writes=a", "second --refuses=other-settings")
    assert result.returncode == 2
    assert result.stderr.splitlines()[0] == "error: other-settings"
    assert "stage 'second' failed" in result.stderr


def test_a_second_run_in_one_folder_is_refused(folder):
    with exclusive(folder / "out/run"):
        assert_refused(launch(folder, *STAGES), "--output_dir=out: another run.sh is writing into it")
    assert not (folder / "a").exists()
    assert launch(folder, *STAGES).returncode == 0


def test_each_job_gets_a_gpu(folder):
    assert launch(folder, *STAGES, jobs="2", gpus=2).returncode == 0
    assert {(folder / f"b-{model}").read_text() for model in ("uniter", "uniter_asl", "mix_nextvlad")} == {"0", "1"}
    assert (folder / "a").read_text() == "all"


@pytest.mark.slow
def test_jobs_share_a_gpu_only_when_asked_to(folder):
    assert_refused(launch(folder, *STAGES, jobs="2", gpus=1), "--jobs=2: there is one GPU", "--jobs_per_gpu=2")
    assert launch(folder, *STAGES, jobs="2", per_gpu="2", gpus=1).returncode == 0


def test_a_batch_smaller_than_the_number_of_devices(folder):
    stage = "*second --writes=b- --batch_size=7"
    assert_refused(launch(folder, STAGES[0], stage, gpus=8), "--batch_size=7 on 8 devices")
    assert launch(folder, stage, gpus=8, jobs="2").returncode == 0  # a device each
