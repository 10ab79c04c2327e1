"""Runs the stages of run.sh: python -m vsim_tf.launch OPTIONS --stage=NAME COMMAND --stage=NAME COMMAND ... (see `plan`)"""

import logging
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from vsim_tf.cli.app import USER_ERROR_EXIT, guarded
from vsim_tf.cli.messages import shown_messages
from vsim_tf.cli.setting_flags import in_flags
from vsim_tf.distributed.gpus import visible_gpus
from vsim_tf.ensemble.timings import Timing, read_timings
from vsim_tf.errors import UserError
from vsim_tf.io.files import exclusive
from vsim_tf.io.paths import LAUNCH, TIMINGS
from vsim_tf.launch.bar import shown
from vsim_tf.launch.jobs import Failure, Job, Place, make_places, run_jobs
from vsim_tf.launch.plan import Plan, Stage, Task, read_plan
from vsim_tf.launch.progress import Progress, about
from vsim_tf.training.console import tensorboard_command


def launch(plan: Plan) -> None:
    """Checks all stages, then runs what is not finished; exits with the code of the first that fails."""
    gpus = visible_gpus()
    places = make_places(plan.jobs, plan.jobs_per_gpu, gpus)
    for task in plan.tasks():
        task.check_flags(devices=len(gpus) if plan.jobs == 1 else 1)
    said = f"--output_dir={plan.output_dir}: another run.sh is writing into it; wait for its end, or choose another folder"
    inputs = [stage for stage in plan.stages if stage.makes_inputs]
    others = [stage for stage in plan.stages if not stage.makes_inputs]
    progress = Progress([*inputs, *others], plan.jobs)
    with exclusive(plan.output_dir / LAUNCH, said):
        with shown(progress):
            run_stages(inputs, places, plan.output_dir, progress)
            check_inputs(others)
            print(f"curves: {tensorboard_command(plan.output_dir)}", flush=True)
            run_stages(others, places, plan.output_dir, progress)
        print_times(plan.output_dir)


def check_inputs(stages: Iterable[Stage]) -> None:
    """`UserError` with all that is missing, each once, so that it can be made at one go."""
    faults = []
    for task in (task for stage in stages for task in stage.tasks):
        try:
            task.check_inputs()
        except UserError as error:
            faults.append(in_flags(error))
    if faults:
        raise UserError("; ".join(dict.fromkeys(faults)))


def run_stages(stages: Iterable[Stage], places: list[Place], output_dir: Path, progress: Progress) -> None:
    """Runs stages one after the other, and adds time and memory of those that had something to do to timings.tsv."""
    for stage in stages:
        left = about(progress.seconds_left())
        print(f"\n{progress.next_stage()}{left and f', {left} in all'}", flush=True)
        started = time.monotonic()
        try:
            unfinished = [task for task in stage.tasks if not task.finished()]
        except UserError as error:
            print("error:", in_flags(error), file=sys.stderr)
            fail(stage, Failure("", USER_ERROR_EXIT))
        progress.skip(task.model for task in stage.tasks if task not in unfinished)
        jobs = [job(task, progress) for task in unfinished]
        failure, peak_bytes = run_jobs(jobs, places if len(stage.tasks) > 1 else [{}])
        if failure:
            fail(stage, failure)
        if unfinished:
            with open(output_dir / TIMINGS, "a", encoding="utf-8") as file:
                file.write(Timing(stage.name, time.monotonic() - started, peak_bytes).line())


def job(task: Task, progress: Progress) -> Job:
    name = task.model or task.arguments[0]
    return Job(name, (sys.executable, *task.command), lambda running: progress.note(task.model, running))


def fail(stage: Stage, failure: Failure) -> None:
    """Says which stage and model failed, and exits with its code."""
    where = f" at {failure.name}" if failure.name and len(stage.tasks) > 1 else ""
    if failure.code in (130, 143):
        said = f"stopped in stage '{stage.name}'{where}; the same command resumes from there: finished stages are skipped"
    else:
        said = (
            f"error: stage '{stage.name}' failed{where}; when that is fixed, run the same command again:"
            " finished stages are skipped"
        )
    print(said, file=sys.stderr, flush=True)
    sys.exit(failure.code)


def print_times(output_dir: Path) -> None:
    """Seconds of each stage over all runs that had something to do."""
    if not (output_dir / TIMINGS).exists():
        return
    stages = sorted(read_timings(output_dir / TIMINGS), key=lambda timing: timing.seconds)
    print(f"\nwhere the time went, in seconds over all runs into {output_dir}:")
    for timing in [*stages, Timing("all", sum(timing.seconds for timing in stages))]:
        print(f"{timing.seconds:.0f}\t{timing.stage}")


if __name__ == "__main__":
    logging.getLogger("absl").setLevel(logging.WARNING)
    sys.path.insert(0, os.getcwd())  # the five scripts
    with shown_messages():
        guarded(lambda: launch(read_plan(sys.argv[1:])))
