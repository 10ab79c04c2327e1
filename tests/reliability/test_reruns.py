"""All five scripts run twice, and each killed once: what is complete is left alone, what is not is completed."""

import signal
import time

import pytest
from runs import DIM, files, pretraining, training

NAMED_BY_PLACE = {"report.md", "report.png", "report.html", "result.source.json"}
"""They name the folder of the run, or the time of its files."""


def commands(data_dir, output) -> list[list[str]]:
    return [
        ["write_tfrecord.py", f"--data_dir={data_dir}", f"--output_dir={output}/folds", "--num_folds=3",
         f"--frame_embedding_size={DIM}"],
        pretraining(data_dir, output, "uniter", 6),
        ["train_pair.py", "--model=uniter", "--folds=0-1", f"--output_dir={output}", *training(6, 2)],
        ["inference_pair.py", "--model=uniter", "--folds=0-1", f"--data_dir={data_dir}", f"--output_dir={output}"],
        ["ensemble_final.py", "--models=uniter", "--folds=0-1", f"--data_dir={data_dir}", f"--output_dir={output}",
         f"--frame_embedding_size={DIM}", "--weights=1"],
    ]  # fmt: skip


def contents(folder) -> dict[str, tuple[int, bytes]]:
    """Time and content of every file but those that name the moment or place of a run."""
    names = [name for name in files(folder) if (folder / name).is_file()]
    return {name: ((folder / name).stat().st_mtime_ns, (folder / name).read_bytes()) for name in names}


@pytest.mark.slow
def test_every_script_twice_and_killed(server, data_dir, tmp_path):
    first = tmp_path / "first"
    seconds = []
    for command in commands(data_dir, first):
        ended = server.run(*command)
        assert ended.code == 0, ended.output
        seconds.append(ended.seconds)
    before = contents(first)
    for command in commands(data_dir, first):
        ended = server.run(*command)
        assert ended.code == 0, ended.output
    after = contents(first)
    assert before == after

    second = tmp_path / "second"
    for number, command in enumerate(commands(data_dir, second)):
        for part in (0.5, 0.8):
            script = server.start(*command)
            time.sleep(part * seconds[number])
            script.send(signal.SIGKILL)
            assert script.wait().code in (0, -signal.SIGKILL)
        ended = server.run(*command)
        assert ended.code == 0, ended.output
    other = contents(second)
    assert other.keys() == before.keys()
    assert not [name for name in before if name not in NAMED_BY_PLACE and before[name][1] != other[name][1]]
