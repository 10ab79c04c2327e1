"""The training loop: what it writes, and that a run that was stopped anywhere ends as if it had not been."""

import contextlib
import dataclasses
import itertools
import json
import math
import os
import re
import shutil
import signal
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
import toys
from tiers import slow_but
from tqdm import tqdm

from vsim_tf.errors import Stopped, UserError
from vsim_tf.input.pipeline import TrainingData
from vsim_tf.io.interrupts import Interrupts
from vsim_tf.records.schema import PairBatch
from vsim_tf.runs.checkpoint_files import newest_checkpoint
from vsim_tf.tasks.forward import call_network
from vsim_tf.tasks.masked_tokens import MaskedTokens
from vsim_tf.training import run_progress
from vsim_tf.training.loop import Trainer
from vsim_tf.training.pretraining import make_trainer
from vsim_tf.training.run_log import METRICS_FILE, RunLog

STEPS = 8
STAGE = toys.stage(STEPS, eval_every=3, log_every=2)  # evaluates at 0, 3, 6, 8 and logs at 2, 4, 6, 8


class Interrupted(Exception):
    """Stands for a kill."""


class Case(NamedTuple):
    """A trainer, its data, and the folder and result of a run that nothing stopped."""

    name: str
    trainer: Trainer
    data: TrainingData
    folder: object
    summary: dict


CASES = {  # dropout, masked tokens and a variable in both groups; BatchNorm and pairs
    "uniter pre-training": ("uniter", "pretrain"),
    "mix_nextvlad fine-tuning": ("mix_nextvlad", "finetune"),
}


GATES = ("gate/expert_1", "gate/expert_2", "gate/se_1", "gate/se_2")

ONE_CASE = pytest.mark.parametrize("case", ["uniter pre-training"], indirect=True)


def new_trainer(name, strategy=None, dropout=None, total_steps=STEPS, **changes) -> Trainer:
    stage = toys.stage(total_steps, CASES[name], **{"eval_every": 3, "log_every": 2} | changes)
    return make_trainer(toys.model(CASES[name][0], dropout=dropout), stage, strategy or tf.distribute.get_strategy())


def weight_score(trainer):
    """An evaluation that depends on every weight and reads nothing but them."""
    return lambda: {"spearman": math.tanh(sum(float(tf.reduce_sum(w)) for w in trainer.state.weights.values()) / 100)}


def run(trainer, data, folder, evaluate=None, batches=None, start_from=lambda: None):
    """A run that keeps its optimizer, so that its whole state is compared; others: test_complete_runs.py."""
    evaluate = evaluate or weight_score(trainer)
    return trainer.run(folder, batches or data.batches, evaluate, start_from, "test", keep_optimizer=True)


@pytest.fixture(scope="module", params=slow_but(["uniter pre-training"], CASES))
def case(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    make, kind = (toys.random_videos, "videos") if CASES[request.param][1] == "pretrain" else (toys.random_pairs, "pairs")
    file = toys.write_records(folder / "records", make(23))  # five steps an epoch
    data = TrainingData(
        [file],
        kind,
        toys.batch_format(),
        STAGE.batch_size,
        STAGE.seed,
        corruptions=[MaskedTokens().corrupt] if kind == "videos" else [],
    )
    trainer = new_trainer(request.param)
    summary = run(trainer, data, folder / "whole")
    return Case(request.param, trainer, data, folder / "whole", summary)


@pytest.fixture(scope="module")
def other_trainer(case):
    """What a second process would have."""
    return new_trainer(case.name)


def state(folder, kind="last") -> dict[str, bytes]:
    """Every tensor of the newest checkpoint by its name in the file, without TensorFlow's own count of saves."""
    reader = tf.train.load_checkpoint(newest_checkpoint(folder, kind))
    names = [name for name in reader.get_variable_to_shape_map() if not name.startswith(("save_counter", "_CHECKPOINT"))]
    return {name: reader.get_tensor(name).tobytes() for name in names}


def lines(folder) -> list[dict]:
    text = (folder / METRICS_FILE).read_text()
    return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]  # NaN and Infinity are not JSON


def assert_same_run(folder, expected):
    assert newest_checkpoint(folder, "last").endswith(f"ckpt-{STEPS}")
    assert newest_checkpoint(folder, "best").split("/")[-1] == newest_checkpoint(expected, "best").split("/")[-1]
    for kind in ("last", "best"):
        ours, theirs = state(folder, kind), state(expected, kind)
        assert ours.keys() == theirs.keys()
        assert not [name for name in ours if ours[name] != theirs[name]]
    assert (folder / METRICS_FILE).read_text() == (expected / METRICS_FILE).read_text()


def test_one_trace_for_all_lengths(tmp_path):
    form = dataclasses.replace(toys.batch_format(), trim_text=True, trim_frames=True)
    file = toys.write_records(tmp_path / "records", toys.random_pairs(23))
    data = TrainingData([file], "pairs", form, STAGE.batch_size, STAGE.seed)
    assert len({(batch.first.input_ids.shape[1], batch.first.frames.shape[1]) for batch in data.batches().take(STEPS)}) >= 3
    config = toys.model("uniter", recipe="plus")
    trainer = make_trainer(config, STAGE, tf.distribute.get_strategy())
    run(trainer, data, tmp_path / "run")
    assert trainer.traces == 1


def test_what_a_run_leaves_behind(case):
    written = lines(case.folder)
    assert [line["step"] for line in written] == [0, 2, 3, 4, 6, 6, 8, 8]
    validations = {line["step"]: line["validation/spearman"] for line in written if "validation/spearman" in line}
    assert list(validations) == [0, 3, 6, 8]
    best = max(validations, key=validations.get)
    assert case.summary == {
        "step": STEPS, "spearman": validations[8], "best_spearman": validations[best], "best_step": best,
    }  # fmt: skip
    terms = {"uniter pre-training": {"tag", "mlm"}, "mix_nextvlad fine-tuning": {"mse", "kl", "tag"}}[case.name]
    for line in written:
        if "loss" in line:
            rates = {"learning_rate/encoder", "learning_rate/head"}
            gates = set(GATES) if case.name.startswith("mix") else set()
            assert line.keys() == {"step", "loss", "gradient_norm"} | terms | rates | gates
            assert line["loss"] == pytest.approx(sum(line[term] for term in terms), rel=1e-5)
    assert sorted(p.name for p in (case.folder / "last").glob("*.index")) == ["ckpt-8.index"]
    assert [p.name for p in (case.folder / "best").glob("*.index")] == [f"ckpt-{best}.index"]
    assert list((case.folder / "events").iterdir())


def test_gates_are_logged_as_they_are_for_the_videos_of_a_batch(tmp_path):
    """Those of experts add up to 1."""
    stage = toys.stage(1, CASES["mix_nextvlad fine-tuning"])
    trainer = make_trainer(toys.model("mix_nextvlad", dropout=0.0), stage, tf.distribute.get_strategy())
    batch = toys.random_batch(trainer.network.config, stage.batch_size)
    outputs = call_network(trainer.network, batch, training=True)
    logs = trainer.train_step(PairBatch(batch, batch, {"similarity": tf.ones(stage.batch_size)}))
    for k, gate in enumerate(outputs.experts.se_gates, start=1):
        np.testing.assert_allclose(logs[f"gate/se_{k}"], np.mean(gate), rtol=1e-5)
        np.testing.assert_allclose(logs[f"gate/expert_{k}"], np.mean(outputs.experts.gate[:, k - 1]), rtol=1e-5)
    assert sum(float(logs[f"gate/expert_{k}"]) for k in (1, 2)) == pytest.approx(1)


@pytest.mark.parametrize("clip_norm", [pytest.param(0.0, marks=pytest.mark.slow), 0.5])
def test_replicas_run_as_one(two_replicas, tmp_path, clip_norm):
    """Without dropout, whose random numbers belong to a replica; what two have written one can read."""
    file = toys.write_records(tmp_path / "records", toys.random_videos(23))
    data = TrainingData([file], "videos", toys.batch_format(), STAGE.batch_size, STAGE.seed, corruptions=[MaskedTokens().corrupt])
    one = new_trainer("uniter pre-training", dropout=0.0, clip_norm=clip_norm)
    two = new_trainer("uniter pre-training", two_replicas, dropout=0.0, clip_norm=clip_norm)
    run(one, data, tmp_path / "one", evaluate=lambda: {"spearman": 0.5})
    summary = run(two, data, tmp_path / "two", evaluate=lambda: {"spearman": 0.5})
    assert summary == {"step": STEPS, "spearman": 0.5, "best_spearman": 0.5, "best_step": 0}
    for ours, theirs in zip(lines(tmp_path / "two"), lines(tmp_path / "one"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    trained = {name: weight.numpy() for name, weight in two.state.weights.items()}
    one.state.reset()
    assert one.state.restore_last(tmp_path / "two")
    for name, weight in one.state.weights.items():
        np.testing.assert_array_equal(weight, trained[name], err_msg=name)


def first_update(name, data, clip_norm) -> tuple[dict[str, np.ndarray], float]:
    """The gradient that the first update of a run without dropout gets, from its first moments; and the norm that is logged."""
    trainer = new_trainer(name, dropout=0.0, clip_norm=clip_norm, log_every=1)
    logs = trainer.train_step(next(iter(data.batches(0))))
    gradients = {slot: 10 * value.numpy() for slot, value in trainer.optimizer.slots.items() if slot.endswith("/m")}
    return gradients, float(logs["gradient_norm"])


def test_the_gradient_of_the_mean_loss_is_clipped(case):
    """Whatever the batch and however many videos an example has; a variable that is in both groups counts once."""
    (whole, norm_of_whole), (clipped, norm_of_clipped) = (first_update(case.name, case.data, clip) for clip in (0.0, 0.5))
    videos = {"uniter pre-training": 1, "mix_nextvlad fine-tuning": 2}[case.name] * STAGE.batch_size
    once = {slot.split("/", 1)[1]: value for slot, value in whole.items()}
    norm = np.sqrt(sum(np.square(value.astype(np.float64)).sum() for value in once.values())) / videos
    assert norm > 0.5
    unlogged = new_trainer(case.name, dropout=0.0, log_every=2)
    assert float(unlogged.train_step(next(iter(case.data.batches(0))))["gradient_norm"]) == 0  # costs nothing
    assert [norm_of_whole, norm_of_clipped] == pytest.approx([norm, norm], rel=1e-5)  # logged before it is clipped
    for slot, value in whole.items():
        np.testing.assert_allclose(clipped[slot], value * 0.5 / norm, rtol=1e-3, atol=1e-5 * videos)


def test_a_run_moves_every_weight_that_has_a_gradient(case):
    reader = tf.train.load_checkpoint(newest_checkpoint(case.folder, "last"))
    moments = [key for key in reader.get_variable_to_shape_map() if key.startswith("slots/") and "/v/" in key.replace(".S", "/")]
    still = {key for key in moments if not reader.get_tensor(key).any()}
    assert len(moments) > 20
    assert len(still) <= 1, still  # the classifier's bias has a gradient, the key's bias has one of rounding


def stop_at_call(number, function):
    """The function, interrupted when it is called once more than that."""
    calls = iter(range(number))

    def call(*args):
        if next(calls, None) is None:
            raise Interrupted
        return function(*args)

    return call


def assert_ends_as_if_it_had_not_been_stopped(case, other_trainer, folder, evaluate=None):
    """Runs until the interruption that the caller has set up, and again by a trainer of its own."""
    with pytest.raises(Interrupted):
        run(case.trainer, case.data, folder, evaluate)
    assert run(other_trainer, case.data, folder) == case.summary
    assert_same_run(folder, case.folder)


def test_a_run_stopped_in_a_step(case, other_trainer, tmp_path, monkeypatch):
    """After the log line of step 4, which belongs to no saved state."""
    monkeypatch.setattr(case.trainer, "train_step", stop_at_call(5, case.trainer.train_step))
    assert_ends_as_if_it_had_not_been_stopped(case, other_trainer, tmp_path / "run")


def test_a_run_stopped_while_it_saves(case, other_trainer, tmp_path, monkeypatch):
    """`best` and the log are ahead of `last`."""
    monkeypatch.setattr(case.trainer.state, "save_last", stop_at_call(2, case.trainer.state.save_last))
    assert_ends_as_if_it_had_not_been_stopped(case, other_trainer, tmp_path / "run")


@ONE_CASE
@pytest.mark.parametrize("evaluations", [0, 2])
def test_a_run_stopped_in_an_evaluation(case, other_trainer, evaluations, tmp_path):
    evaluate = stop_at_call(evaluations, weight_score(case.trainer))
    assert_ends_as_if_it_had_not_been_stopped(case, other_trainer, tmp_path / "run", evaluate)


@ONE_CASE
def test_a_run_stopped_in_its_second_step(case, other_trainer, tmp_path, monkeypatch):
    """The evaluation before the first step is not repeated."""
    monkeypatch.setattr(case.trainer, "train_step", stop_at_call(1, case.trainer.train_step))
    assert_ends_as_if_it_had_not_been_stopped(case, other_trainer, tmp_path / "run")


def test_a_run_that_is_complete_but_for_its_summary(case, other_trainer, tmp_path):
    shutil.copytree(case.folder, tmp_path / "run")
    assert run(other_trainer, case.data, tmp_path / "run", evaluate=pytest.fail) == case.summary
    assert_same_run(tmp_path / "run", case.folder)


def test_a_trainer_starts_every_run_afresh(case, tmp_path):
    started = []
    assert run(case.trainer, case.data, tmp_path / "run", start_from=lambda: started.append(1)) == case.summary
    assert_same_run(tmp_path / "run", case.folder)
    assert started == [1]


@ONE_CASE
def test_a_continued_run_does_not_start_from_other_weights(case, tmp_path):
    shutil.copytree(case.folder, tmp_path / "run")
    run(case.trainer, case.data, tmp_path / "run", start_from=pytest.fail)


# --- which state is best ----------------------------------------------------------------------------------------------


def scripted(*values):
    values = iter(values)
    return lambda: {"spearman": next(values)}


@ONE_CASE
@pytest.mark.parametrize(("values", "best"), [
    ((0.1, 0.5, 0.3, 0.2), (0.5, 3)),
    ((math.nan, 0.2, math.nan, 0.1), (0.2, 3)),
    ((-0.4, -0.4, math.nan, -0.3), (-0.3, 8)),
    ((0.4, 0.4, 0.4, 0.4), (0.4, 0)),
])  # fmt: skip
def test_best_is_the_first_highest_spearman_and_never_nan(case, tmp_path, values, best):
    summary = run(case.trainer, case.data, tmp_path / "run", scripted(*values))
    assert (summary["best_spearman"], summary["best_step"]) == best
    assert newest_checkpoint(tmp_path / "run", "best").endswith(f"ckpt-{best[1]}")


@ONE_CASE
def test_nan_alone_is_not_kept_as_best(case, tmp_path):
    summary = run(case.trainer, case.data, tmp_path / "run", scripted(*[math.nan] * 4))
    assert (summary["spearman"], summary["best_spearman"], summary["best_step"]) == (None, None, 0)
    assert [line["validation/spearman"] for line in lines(tmp_path / "run") if "validation/spearman" in line] == [None] * 4
    with pytest.raises(UserError, match="best holds no checkpoint"):
        newest_checkpoint(tmp_path / "run", "best")
    assert newest_checkpoint(tmp_path / "run", "last").endswith(f"ckpt-{STEPS}")


@ONE_CASE
def test_a_run_resumes_from_an_evaluation_that_is_not_defined(case, other_trainer, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(case.trainer, "train_step", stop_at_call(4, case.trainer.train_step))
        run(case.trainer, case.data, tmp_path / "run", scripted(0.1, math.nan))
    summary = run(other_trainer, case.data, tmp_path / "run", scripted(math.nan, math.nan))
    assert summary == {"step": STEPS, "spearman": None, "best_spearman": 0.1, "best_step": 0}


# --- numbers that are not finite --------------------------------------------------------------------------------------


def spoiled(data, first_bad_step):
    """The data with frames that are not numbers from a step on."""

    def spoil(step, batch):
        bad = tf.where(step >= first_bad_step, tf.constant(math.nan, tf.float16), tf.constant(0, tf.float16))
        return tf.nest.map_structure(lambda x: x + bad if x.dtype == tf.float16 else x, batch)

    return lambda start, rows: data.batches(start, rows).enumerate(start).map(spoil)


@ONE_CASE
@pytest.mark.parametrize(("first_bad_step", "kept", "noticed"), [(4, 3, 6), (6, 6, 8), (2, 0, 3)])
def test_nan_stops_the_run_and_keeps_the_last_good_state(case, tmp_path, first_bad_step, kept, noticed):
    with pytest.raises(
        UserError, match=rf"'(tag|mlm|mse|kl|loss)' is nan at step {noticed};.*groups.head.schedule.peak"
    ) as caught:
        run(case.trainer, case.data, tmp_path / "run", batches=spoiled(case.data, first_bad_step))
    assert "\n" not in str(caught.value)
    assert newest_checkpoint(tmp_path / "run", "last").endswith(f"ckpt-{kept}")
    reader = tf.train.load_checkpoint(newest_checkpoint(tmp_path / "run", "last"))
    for key in reader.get_variable_to_shape_map():
        if key.startswith(("weights/", "slots/")):
            assert np.isfinite(reader.get_tensor(key)).all(), key
    assert all(math.isfinite(value) for line in lines(tmp_path / "run") for value in line.values())
    assert run(case.trainer, case.data, tmp_path / "run") == case.summary  # with sound data it goes on
    assert_same_run(tmp_path / "run", case.folder)


@ONE_CASE
def test_weights_that_are_not_numbers_are_not_saved(case, tmp_path, monkeypatch):
    """A gradient may overflow where the loss does not."""
    name, weight = next(iter(case.trainer.state.weights.items()))
    step = case.trainer.train_step

    def spoiling_step(batch):
        logs = step(batch)
        if case.trainer.state.step == 3:
            weight.assign(weight * math.inf)
        return logs

    monkeypatch.setattr(case.trainer, "train_step", spoiling_step)
    with pytest.raises(UserError, match=f"weight '{name}' is not finite at step 3; .*groups.head.schedule.peak"):
        run(case.trainer, case.data, tmp_path / "run")
    assert newest_checkpoint(tmp_path / "run", "last").endswith("ckpt-0")


# --- the log ----------------------------------------------------------------------------------------------------------


def test_lines_after_the_restored_step_and_half_lines_are_dropped(tmp_path):
    whole = [json.dumps({"step": step, "loss": 1.0}) for step in (0, 2, 3, 4)]
    (tmp_path / METRICS_FILE).write_text("\n".join(whole) + "\n" + '{"step": 1, "lo')
    log = RunLog(tmp_path, 3, 3)
    log.write(4, {"loss": 2.0})
    assert lines(tmp_path) == [{"step": s, "loss": 1.0} for s in (0, 2, 3)] + [{"step": 4, "loss": 2.0}]
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == [METRICS_FILE]


def test_a_log_with_nan_of_an_older_version_is_read_and_becomes_json(tmp_path):
    (tmp_path / METRICS_FILE).write_text('{"step": 0, "validation/spearman": NaN, "validation/mse": 0.5}\n')
    metrics = RunLog(tmp_path, 0, 0).validation(0)
    assert math.isnan(metrics["spearman"])
    assert metrics["mse"] == 0.5
    assert lines(tmp_path) == [{"step": 0, "validation/spearman": None, "validation/mse": 0.5}]


def test_a_new_run_starts_an_empty_log(tmp_path):
    (tmp_path / METRICS_FILE).write_text('{"step": 0}\n')
    RunLog(tmp_path, -1, -1)
    assert (tmp_path / METRICS_FILE).read_text() == ""


class Loss:
    """A loss on a device, which counts how often it is waited for."""

    reads = 0

    def __float__(self):
        Loss.reads += 1
        return 0.5


@ONE_CASE
@pytest.mark.parametrize(("interval", "reads"), [(1e9, 4), (0, 4 + STEPS)])
def test_the_loss_is_read_where_it_is_shown(case, tmp_path, monkeypatch, interval, reads):
    """At the four log lines, and whenever the bar is drawn; evaluations follow log lines here."""
    step = case.trainer.train_step
    monkeypatch.setattr(case.trainer, "train_step", lambda batch: step(batch) | {"loss": Loss()})
    monkeypatch.setattr(case.trainer, "stage", case.trainer.stage.replace(eval_every=STEPS))
    shown = {"mininterval": interval, "miniters": 1, "disable": False}
    monkeypatch.setattr(run_progress, "tqdm", lambda **given: tqdm(**given | shown))
    Loss.reads = 0
    run(case.trainer, case.data, tmp_path / "run")
    assert Loss.reads == reads + 1  # the last evaluation looks once more


@ONE_CASE
@pytest.mark.parametrize(("seconds", "messages"), [(600, 0), (0, STEPS)])
def test_messages_where_there_is_no_bar(case, tmp_path, monkeypatch, console, seconds, messages):
    monkeypatch.setattr(run_progress, "SECONDS", seconds)
    run(case.trainer, case.data, tmp_path / "run", scripted(*[0.5] * 4))
    out, err = console.readouterr()
    said = re.findall(r"^test: step (\d) of 8, loss \d+\.\d+, spearman 0\.5000$", out, re.MULTILINE)
    assert said == [str(step) for step in range(1, STEPS + 1)][:messages]
    assert "\r" not in out + err


# --- signals and other processes --------------------------------------------------------------------------------------


def raised_at_call(number, function, name):
    """The function, during whose call of that number this process gets a signal."""
    calls = itertools.count(1)

    def call(*args):
        if next(calls) == number:
            os.kill(os.getpid(), getattr(signal, name))
        return function(*args)

    return call


@ONE_CASE
@pytest.mark.parametrize(("name", "code", "call"), [("SIGTERM", 143, 3), ("SIGTERM", 143, 8), ("SIGINT", 130, 2)])
def test_a_signal_in_a_step_saves_at_its_end(case, other_trainer, tmp_path, monkeypatch, name, code, call):
    """Step 3 and the last one would be evaluated: they are when the run goes on."""
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    monkeypatch.setattr(case.trainer, "train_step", raised_at_call(call, case.trainer.train_step, name))
    with pytest.raises(Stopped, match=f"stopped by {name}: saved in .* at step {call}; the same command") as caught:
        run(case.trainer, case.data, tmp_path / "run")
    assert caught.value.exit_code == code
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert newest_checkpoint(tmp_path / "run", "last").endswith(f"ckpt-{call}")
    assert run(other_trainer, case.data, tmp_path / "run") == case.summary
    assert_same_run(tmp_path / "run", case.folder)


@ONE_CASE
@pytest.mark.parametrize(("evaluation", "step"), [(2, 3)])
def test_a_signal_in_an_evaluation_ends_it(case, other_trainer, tmp_path, evaluation, step):
    def never():
        pytest.fail("the evaluation goes on")

    calls = itertools.count(1)

    def evaluate():
        if next(calls) == evaluation:
            os.kill(os.getpid(), signal.SIGTERM)
            never()
        return weight_score(case.trainer)()

    with pytest.raises(Stopped, match=f"at step {step};"):
        run(case.trainer, case.data, tmp_path / "run", evaluate)
    assert step not in {line["step"] for line in lines(tmp_path / "run") if "validation/spearman" in line}
    assert run(other_trainer, case.data, tmp_path / "run") == case.summary
    assert_same_run(tmp_path / "run", case.folder)


@ONE_CASE
def test_ctrl_c_that_was_swallowed_ends_a_run_at_its_start(case, tmp_path):
    """As `PyObject_HasAttr` of a library may do with what a handler raises."""
    handler = signal.signal(signal.SIGINT, Interrupts())
    try:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(Stopped, match="stopped by SIGINT: saved in .* at step 0") as stopped:
            run(case.trainer, case.data, tmp_path / "run")
    finally:
        signal.signal(signal.SIGINT, handler)
    assert stopped.value.exit_code == 130


@ONE_CASE
def test_a_kill_after_an_evaluation_that_a_signal_had_put_off(case, other_trainer, tmp_path, monkeypatch):
    """The state of step 3 was saved without its evaluation; the line of that is written, the state with it is not."""
    with monkeypatch.context() as patch:
        patch.setattr(case.trainer, "train_step", raised_at_call(3, case.trainer.train_step, "SIGTERM"))
        with pytest.raises(Stopped):
            run(case.trainer, case.data, tmp_path / "run")
    monkeypatch.setattr(case.trainer.state, "save_last", stop_at_call(0, case.trainer.state.save_last))
    assert_ends_as_if_it_had_not_been_stopped(case, other_trainer, tmp_path / "run")


@ONE_CASE
def test_state_that_is_not_finite_is_not_saved_at_a_signal(case, tmp_path, monkeypatch):
    """Noticed at once, not at the next log line."""
    monkeypatch.setattr(case.trainer, "train_step", raised_at_call(5, case.trainer.train_step, "SIGTERM"))
    with pytest.raises(UserError, match="is nan at step 5"):
        run(case.trainer, case.data, tmp_path / "run", batches=spoiled(case.data, 4))
    assert newest_checkpoint(tmp_path / "run", "last").endswith("ckpt-3")
