"""A file system that is full in the middle of a save (a small tmpfs: needs the right to mount one)."""

import subprocess
from pathlib import Path

import pytest
from runs import assert_same_run, pretraining

KILOBYTES = 4000
FREE = (0, 16, 40, 80, 150, 250, 350, 500, 700, 1000, 1500, 2000, KILOBYTES)


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={KILOBYTES}k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def leave_free(folder: Path, kilobytes: int):
    """Fills a disk but for so much."""
    with open(folder / "ballast", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1000))
        except OSError:
            file.truncate(max(0, file.tell() - 1000 * kilobytes))


@pytest.mark.slow
def test_a_run_goes_on_when_there_is_room_again(server, data_dir, small_disk, tmp_path):
    """The disk is full at another place each time: in the settings, the log, the first state, one of the following."""
    command = pretraining(data_dir, small_disk, steps=12)
    leave_free(small_disk, 500)
    ended = server.run(*command)
    (small_disk / "ballast").unlink()
    assert ended.code == 2, ended.output
    assert " MB are needed for checkpoints of one run, 0." in ended.output.splitlines()[-1]
    failures = []
    for kilobytes in FREE:
        leave_free(small_disk, kilobytes)
        ended = server.run(*command, large_disk={})
        (small_disk / "ballast").unlink()
        if ended.code == 0:
            break
        assert ended.code == 2, ended.output
        assert "Traceback" not in ended.output
        failures.append(ended.output.splitlines()[-1])
        assert "No space left on device" in failures[-1]
    assert len({failure.split("cannot be written")[0] for failure in failures}) >= 3, failures
    assert ended.code == 0, ended.output
    expected = server.run(*pretraining(data_dir, tmp_path / "whole", steps=12))
    assert expected.code == 0, expected.output
    assert_same_run(small_disk / "debug" / "pretrain", tmp_path / "whole" / "debug" / "pretrain")
    print(f"{len(failures)} full disks survived")
