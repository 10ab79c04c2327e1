"""The rest of a plan, counted in toy run folders by a clock set by hand."""

import json
from pathlib import Path

import pytest

from vsim_tf.io.paths import CONFIG, METRICS_FILE, SUMMARY
from vsim_tf.launch.plan import Stage
from vsim_tf.launch.progress import Progress, about


class ToyTask:
    """A task of some runs, all with the same number of steps."""

    def __init__(self, model: str, folder: Path, runs: int = 0, steps: int = 0):
        self.model, self.folders, self.steps = model, [folder / model / str(run) for run in range(runs)], steps

    def steps_of_runs(self) -> dict[Path, int]:
        return dict.fromkeys(self.folders, self.steps)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def log_step(folder: Path, step: int):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / METRICS_FILE).write_text("".join(json.dumps({"step": each}) + "\n" for each in (0, step)))


@pytest.fixture
def plan(tmp_path):
    """Records; two models pre-trained in 100 steps each; each fine-tuned in two folds of 50 steps; an ensemble."""
    models = ("uniter", "uniter_asl")
    return [
        Stage("folds", (ToyTask("", tmp_path),)),
        Stage("pre-training", tuple(ToyTask(model, tmp_path / "p", 1, 100) for model in models)),
        Stage("fine-tuning", tuple(ToyTask(model, tmp_path / "f", 2, 50) for model in models)),
        Stage("ensemble", (ToyTask("", tmp_path),)),
    ]


def started(plan, jobs=1) -> tuple[Progress, Clock]:
    """After the first stage, which took 10 seconds."""
    clock = Clock()
    progress = Progress(plan, jobs, clock)
    assert progress.next_stage().endswith("] folds")
    progress.note("", running=True)
    clock.now = 10
    progress.note("", running=False)
    progress.next_stage()
    return progress, clock


def test_runs_are_counted_and_seconds_are_measured(plan):
    """20 s for 40 steps are 0.5 s for each: 30 s for 60, 50 s for the other model, and 4 · 25 s for the folds of both."""
    progress, clock = started(plan)
    assert (progress.title(), progress.runs()) == ("[2/4] pre-training", (1, 8))
    assert progress.seconds_left() is None
    progress.note("uniter", running=True)
    assert progress.seconds_left() is None
    log_step(plan[1].tasks[0].folders[0], 40)
    clock.now = 30
    assert progress.runs() == (pytest.approx(1.4), 8)
    assert progress.seconds_left() == pytest.approx(30 + 50 + 4 * 25)
    assert progress.title() == "[2/4] pre-training uniter"


def test_a_measured_stage_has_a_pace_of_its_own(plan):
    """Fine-tuning takes 1 s for a step: 25 s more for the second fold, 100 s for the other model; 10 were made before."""
    progress, clock = started(plan)
    progress.skip(["uniter", "uniter_asl"])
    assert progress.next_stage() == "[3/4] fine-tuning"
    uniter, asl = plan[2].tasks
    log_step(asl.folders[0], 10)
    progress.note("uniter", running=True)
    log_step(uniter.folders[0], 50)
    log_step(uniter.folders[1], 25)
    clock.now += 75
    assert progress.title() == "[3/4] fine-tuning uniter 2/2"
    assert progress.seconds_left() == pytest.approx(25 + 90)
    clock.now += 25
    progress.note("uniter", running=False)
    progress.note("uniter_asl", running=True)
    clock.now += 30
    assert progress.seconds_left() == pytest.approx(90)  # it has done nothing by itself yet
    log_step(asl.folders[0], 20)
    assert progress.seconds_left() == pytest.approx(3 * 80)
    assert progress.title() == "[3/4] fine-tuning uniter_asl 1/2"


def test_jobs_share_the_time_that_is_left(plan):
    """The longer one has 60 s left; then 200 steps of 80 s / 120, two at a time."""
    progress, clock = started(plan, jobs=2)
    for task, step in zip(plan[1].tasks, (80, 40), strict=True):
        progress.note(task.model, running=True)
        log_step(task.folders[0], step)
    clock.now += 40
    assert progress.title() == "[2/4] pre-training uniter, uniter_asl"
    assert progress.seconds_left() == pytest.approx(60 + 200 * (80 / 120) / 2)


def test_a_damaged_log_counts_nothing(plan):
    (folder := plan[1].tasks[0].folders[0]).mkdir(parents=True)
    for text in ("", '{"step": 10', '{"step": null}\n', '{"loss": 1}\n', "[]\n", "\n\n"):
        (folder / METRICS_FILE).write_text(text)
        assert started(plan)[0].runs() == (1, 8), text
    (folder / METRICS_FILE).write_text('{"step": 50}\n{"step": 6')
    assert started(plan)[0].runs() == (1.5, 8)


def test_a_run_that_ended_early_has_made_its_steps(tmp_path):
    """Of 50 steps of each of two folds 12; that it ended before 40 says nothing of 50."""
    task = ToyTask("uniter", tmp_path, 2, 50)
    progress = Progress([Stage("fine-tuning", (task,))])
    for folder, asked in zip(task.folders, (50, 40), strict=True):
        log_step(folder, 12)
        (folder / SUMMARY).write_text(json.dumps({"step": 12, "of_steps": asked}))
    assert progress.works[0][0].made() == [50, 12]


def test_without_training_nothing_is_known(plan):
    assert started([plan[0], plan[3]])[0].seconds_left() is None


def test_the_end(plan):
    progress, _ = started(plan)
    progress.skip(["uniter", "uniter_asl"])
    progress.next_stage()
    progress.skip(["uniter", "uniter_asl"])
    progress.next_stage()
    assert progress.seconds_left() is None  # of the ensemble
    progress.note("", running=True)
    assert (progress.title(), progress.runs()) == ("[4/4] ensemble", (7, 8))
    progress.note("", running=False)
    assert progress.runs() == (8, 8)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (0.2, "about 0 s left"),
        (89, "about 89 s left"),
        (100, "about 2 min left"),
        (3599, "about 60 min left"),
        (7500, "about 2 h 5 min left"),
        (86400 + 3 * 3600, "about 1 d 3 h left"),
    ],
)
def test_durations_are_said_roundly(seconds, said):
    assert about(seconds) == said


def test_runs_whose_length_follows_from_the_data(tmp_path):
    """Nothing is known until the first fold has written its settings; the second one is as long. 10 s for 20 of 80 steps."""
    folds = ToyTask("uniter", tmp_path, 2, 0)
    clock = Clock()
    progress = Progress([Stage("fine-tuning", (folds,))], 1, clock)
    progress.next_stage()
    progress.note("uniter", running=True)
    assert (progress.seconds_left(), progress.runs()) == (None, (0, 2))
    log_step(folds.folders[0], 20)
    (folds.folders[0] / CONFIG).write_text(json.dumps({"training": {"total_steps": 40}}))
    clock.now = 10
    assert (progress.seconds_left(), progress.runs()) == (30, (0.5, 2))
    assert progress.title() == "[1/1] fine-tuning uniter 1/2"


def test_runs_that_a_stage_before_made_possible(tmp_path):
    """Folds are counted again when they have been written."""
    folds = ToyTask("uniter", tmp_path, 11, 40)
    progress = Progress([Stage("folds", (ToyTask("", tmp_path),)), Stage("fine-tuning", (folds,))])
    progress.next_stage()
    assert progress.runs() == (0, 12)
    folds.folders = folds.folders[:3]
    progress.next_stage()
    assert progress.runs() == (0, 4)
