"""Training processes that are killed for real, and end as if they had not been."""

import random
import signal
import socket
import time

import pytest
from runs import assert_same_run, files, pretraining, training

from vsim_tf.runs.checkpoints import UNFINISHED

KILLS = 20
STEPS, EVAL_FREQ = 40, 2


@pytest.fixture(scope="module")
def undisturbed(server, data_dir, tmp_path_factory):
    """A pre-training run that nothing stopped, and how long it took."""
    output = tmp_path_factory.mktemp("undisturbed")
    ended = server.run(*pretraining(data_dir, output, steps=STEPS, eval_freq=EVAL_FREQ))
    assert ended.code == 0, ended.output
    return output / "debug" / "pretrain", ended.seconds


def states(folder) -> set[str]:
    return {path.name for path in (folder / "last").glob("*.index")}


def wait_for_a_state(script, folder, known: set[str]):
    """Until the process has saved one that was not there, or has ended."""
    while not states(folder) - known and not script.ended():
        time.sleep(0.005)


def start_and_kill(server, command, folder, rng, how, whole) -> int:
    """Starts a script, kills it anywhere in its life, after it has saved a state, or at a file operation; its exit code."""
    known = states(folder)
    prelude = {"killed_at_file_operation": {"number": rng.randrange(12, 60)}} if how == "file operation" else {}
    script = server.start(*command, **prelude)
    if how == "anywhere":
        time.sleep(rng.uniform(0, whole))
    elif how == "saving":
        wait_for_a_state(script, folder, known)
        time.sleep(rng.uniform(0, 0.1))
    if how != "file operation":
        script.send(signal.SIGKILL)
    ended = script.wait()
    assert ended.code in (0, -signal.SIGKILL), ended.output
    return ended.code


@pytest.mark.slow
def test_training_killed_at_20_random_moments(server, data_dir, undisturbed, tmp_path):
    """When a run is complete it is compared and another one is begun."""
    expected, whole = undisturbed
    rng, killed, unfinished, runs = random.Random(2021), 0, 0, 0
    while killed < KILLS:
        output = tmp_path / str(runs)
        folder, command = output / "debug" / "pretrain", pretraining(data_dir, output, steps=STEPS, eval_freq=EVAL_FREQ)
        code = None
        while code != 0 and killed < KILLS:
            how = ("anywhere", "saving", "file operation")[killed % 3]
            code = start_and_kill(server, command, folder, rng, how, whole)
            killed += code != 0
            unfinished += any((folder / kind / UNFINISHED).exists() for kind in ("last", "best"))
        ended = server.run(*command)
        assert ended.code == 0, ended.output
        assert_same_run(folder, expected)
        runs += 1
    print(f"{killed} kills survived in {runs} runs, {unfinished} of them in the middle of a save")


@pytest.mark.slow
def test_a_signal_saves_once_more_and_ends_with_128_and_its_number(server, data_dir, undisturbed, tmp_path):
    expected, _ = undisturbed
    folder = tmp_path / "debug" / "pretrain"
    command = pretraining(data_dir, tmp_path, steps=STEPS, eval_freq=EVAL_FREQ)
    for number in (signal.SIGTERM, signal.SIGINT):
        known = states(folder)
        script = server.start(*command)
        wait_for_a_state(script, folder, known)
        script.send(number)
        ended = script.wait()
        assert ended.code == 128 + number, ended.output
        said = ended.output.splitlines()[-1]
        assert said.startswith(f"stopped by {number.name}: saved in {folder} at step ")
        step = int(said.split(" at step ")[1].split(";")[0])
        assert (folder / "last" / f"ckpt-{step}.index").exists()
        assert "Traceback" not in ended.output
    ended = server.run(*command)
    assert ended.code == 0, ended.output
    assert_same_run(folder, expected)


@pytest.mark.slow
def test_all_workers_stop_at_the_same_step_when_one_gets_a_signal(server, data_dir, tmp_path):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(2)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    folder = tmp_path / "debug" / "pretrain"
    command = pretraining(data_dir, tmp_path, steps=2000, eval_freq=5)
    workers = [server.start(*command, worker={"ports": ports, "index": index}) for index in (0, 1)]
    wait_for_a_state(workers[0], folder, {"ckpt-0.index"})
    workers[1].send(signal.SIGTERM)
    ended = [worker.wait() for worker in workers]
    assert [end.code for end in ended] == [128 + signal.SIGTERM] * 2, [end.output for end in ended]
    said = [end.output.splitlines()[-1].partition(":")[2] for end in ended]
    assert said[0] == said[1]
    step = int(said[0].split(" at step ")[1].split(";")[0])
    assert 0 < step < 2000
    assert (folder / "last" / f"ckpt-{step}.index").exists()


@pytest.mark.slow
def test_a_signal_before_training_begins_ends_at_once(server, data_dir, tmp_path):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)):
        script = server.start(*pretraining(data_dir, tmp_path))
        time.sleep(0.3)
        script.send(number)
        ended = script.wait()
        assert ended.code == code, ended.output
        assert "Traceback" not in ended.output


@pytest.mark.slow
def test_fine_tuning_killed_in_two_folds(server, data_dir, undisturbed, tmp_path):
    pretrained, _ = undisturbed
    folds = tmp_path / "folds"
    write = ["write_tfrecord.py", f"--data_dir={data_dir}", f"--output_dir={folds}", "--num_folds=3", "--frame_embedding_size=16"]
    assert server.run(*write).code == 0

    def command(output):
        return [
            "train_pair.py", "--model=debug", "--folds=0-1", f"--output_dir={output}", f"--folds_dir={folds}",
            f"--pretrained_dir={pretrained}", *training(40, 2),
        ]  # fmt: skip

    ended = server.run(*command(tmp_path / "whole"))
    assert ended.code == 0, ended.output
    for fold in ("fold-00", "fold-01"):
        folder = tmp_path / "killed" / "debug" / fold
        for _ in range(2):
            known = states(folder)
            script = server.start(*command(tmp_path / "killed"))
            wait_for_a_state(script, folder, known)
            script.send(signal.SIGKILL)
            assert script.wait().code == -signal.SIGKILL
    ended = server.run(*command(tmp_path / "killed"))
    assert ended.code == 0, ended.output
    for fold in ("fold-00", "fold-01"):
        assert_same_run(tmp_path / "killed" / "debug" / fold, tmp_path / "whole" / "debug" / fold)
    before = files(tmp_path / "killed")
    ended = server.run(*command(tmp_path / "killed"))
    assert (ended.code, files(tmp_path / "killed")) == (0, before)
