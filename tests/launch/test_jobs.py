"""Commands side by side: in their places, and stopped when one fails."""

import io
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from vsim_tf.distributed.gpus import Gpu
from vsim_tf.errors import UserError
from vsim_tf.launch.jobs import Failure, Job, make_places, run_jobs
from vsim_tf.training.console import LAUNCHED

SAVES_AT_SIGTERM = """
import pathlib, signal, sys, time
file = pathlib.Path(sys.argv[1])

def save(*_):
    time.sleep(0.3)
    file.write_text("saved")
    sys.exit(143)

signal.signal(signal.SIGTERM, save)
file.write_text("started")
time.sleep(60)
"""
FAILS_WHEN_THE_OTHER_HAS_STARTED = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.01)
sys.exit(int(sys.argv[2]))
"""


TOUCHES = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()"


def python(name: str, program: str, *arguments) -> Job:
    return Job(name, [sys.executable, "-c", program, *map(str, arguments)])


def gpus(count: int) -> list[Gpu]:
    return [Gpu(str(index), (8, 0)) for index in range(count)]


def test_all_end_well_and_lines_stay_whole(tmp_path, capfd):
    jobs = [python(str(n), f"for i in range(50): print('{n}' * 60, flush=True)") for n in range(4)]
    assert run_jobs(jobs, make_places(2, 1, []))[0] is None
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 200
    assert all(line == line[0] * 60 for line in lines)


def test_as_many_at_a_time_as_there_are_places(tmp_path):
    program = """
import os, pathlib, sys, time
mine = pathlib.Path(sys.argv[1], str(os.getpid()))
mine.touch()
count = len(list(mine.parent.glob("[0-9]*")))
time.sleep(0.2)
(mine.parent / f"seen-{os.getpid()}").write_text(str(count))
mine.unlink()
"""
    assert run_jobs([python(str(n), program, tmp_path) for n in range(5)], [{}, {}])[0] is None
    seen = [int(path.read_text()) for path in tmp_path.glob("seen-*")]
    assert len(seen) == 5
    assert max(seen) == 2


@pytest.mark.parametrize("code", [1, 2, 123])
def test_the_first_failure_stops_the_others_which_save(tmp_path, capfd, code):
    other, never = tmp_path / "other", tmp_path / "never"
    jobs = [
        python("good", SAVES_AT_SIGTERM, other),
        python("bad", FAILS_WHEN_THE_OTHER_HAS_STARTED, other, code),
        python("next", TOUCHES, never),
    ]
    assert run_jobs(jobs, [{}, {}])[0] == Failure("bad", code)
    assert other.read_text() == "saved"
    assert not never.exists()
    assert "bad failed: good is stopped" in capfd.readouterr().out


class Closed(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


def test_commands_end_when_nobody_reads_what_they_write(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Closed())
    program = f"for _ in range(5000): print('x' * 60)\n{TOUCHES}"
    assert run_jobs([python("writes", program, tmp_path / "end")], [{}])[0] is None
    assert (tmp_path / "end").exists()


def test_both_streams_are_passed_on_by_whole_lines(capfd):
    assert run_jobs([python("writes", "import sys; print('out', end=''); print('error', file=sys.stderr)")], [{}])[0] is None
    assert capfd.readouterr() == ("out\n", "error\n")


def test_who_is_told_that_a_command_runs(tmp_path):
    """Not that it has ended, if it has failed."""
    told = []
    jobs = [python(str(code), f"raise SystemExit({code})")._replace(note=told.append) for code in (0, 3)]
    assert run_jobs(jobs, [{}])[0] == Failure("3", 3)
    assert told == [True, False, True]


def test_a_killed_command_is_a_failure(tmp_path):
    job = python("killed", "import os; os.kill(os.getpid(), 9)")
    assert run_jobs([job], [{}])[0] == Failure("killed", 137)


def test_a_failure_without_others(tmp_path):
    jobs = [python("bad", "raise SystemExit(2)"), python("next", TOUCHES, tmp_path / "a")]
    assert run_jobs(jobs, [{}])[0] == Failure("bad", 2)
    assert not (tmp_path / "a").exists()


def test_sigterm_is_passed_on_and_nothing_is_begun_after_it(tmp_path):
    """Sent by a thread when the first has started; its handler of before is back afterwards."""
    file, never = tmp_path / "file", tmp_path / "never"

    def send():
        while not file.exists() or not file.read_text():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=send)
    thread.start()
    jobs = [python("saves", SAVES_AT_SIGTERM, file), python("next", TOUCHES, never)]
    assert run_jobs(jobs, [{}])[0] == Failure("saves", 143)
    thread.join()
    assert file.read_text() == "saved"
    assert not never.exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_ctrl_c_waits_for_what_it_has_reached_too(tmp_path):
    """A command that has got it sends 130; the others save by themselves, and a second signal would end them at once."""
    file = tmp_path / "file"
    program = SAVES_AT_SIGTERM.replace("time.sleep(60)", "time.sleep(0.5); file.write_text('undisturbed')")
    jobs = [python("other", program, file), python("stopped", FAILS_WHEN_THE_OTHER_HAS_STARTED, file, 130)]
    assert run_jobs(jobs, [{}, {}])[0] == Failure("stopped", 130)
    assert file.read_text() == "undisturbed"


def test_each_job_has_a_gpu_of_its_own(tmp_path):
    places = make_places(3, 1, gpus(4))
    assert [place["CUDA_VISIBLE_DEVICES"] for place in places] == ["0", "1", "2"]
    program = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(os.environ['CUDA_VISIBLE_DEVICES'])"
    jobs = [python(str(n), program, tmp_path / str(n)) for n in range(9)]
    assert run_jobs(jobs, places)[0] is None
    assert {path.read_text() for path in tmp_path.iterdir()} <= {"0", "1", "2"}


def test_a_job_knows_that_it_is_one_of_many(tmp_path):
    program = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(os.environ[sys.argv[2]])"
    assert run_jobs([python("a", program, tmp_path / "a", LAUNCHED)], [{}])[0] is None
    assert (tmp_path / "a").read_text() and LAUNCHED not in os.environ


def test_gpus_are_shared_when_asked_for():
    places = make_places(4, 2, gpus(2))
    assert [place["CUDA_VISIBLE_DEVICES"] for place in places] == ["0", "1", "0", "1"]
    assert all(place["TF_FORCE_GPU_ALLOW_GROWTH"] == "true" for place in places)


@pytest.mark.parametrize(
    ("jobs", "per_gpu", "count", "message"),
    [
        (2, 1, 1, "--jobs=2: there is one GPU; give --jobs=1, or --jobs_per_gpu=2 to let"),
        (5, 1, 2, "--jobs=5: there are 2 GPUs; give --jobs=2, or --jobs_per_gpu=3 to let"),
        (5, 2, 2, "--jobs=5: there are 2 GPUs; give --jobs=4, or --jobs_per_gpu=3 to let"),
    ],
)
def test_more_jobs_than_gpus_are_refused(jobs, per_gpu, count, message):
    with pytest.raises(UserError, match=message):
        make_places(jobs, per_gpu, gpus(count))


def test_one_job_sees_everything():
    assert make_places(1, 1, gpus(8)) == [{}]
    assert make_places(1, 1, []) == [{}]


def test_jobs_on_a_cpu_share_its_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for limit in ("TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS"):
        assert [place[limit] for place in make_places(3, 1, [])] == ["2", "2", "2"]
        assert make_places(9, 1, [])[0][limit] == "1"


MEMORY = """
import sys
from vsim_tf.launch.jobs import Job, run_jobs

def used(*sizes):
    jobs = [Job(str(size), [sys.executable, "-c", f"held = b'1' * {size}"]) for size in sizes]
    return run_jobs(jobs, [{}])

print(used(10)[1], *used(400_000_000, 10))
"""


def test_the_most_memory_of_a_command_is_told():
    """Of the larger one. In a process of its own: a command counts as no smaller than the process that starts it."""
    ended = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, timeout=60, check=True)
    small, failure, large = ended.stdout.split()
    assert failure == "None"
    assert 5e6 < int(small) < 3e8
    assert 4e8 < int(large) < 4.5e8
