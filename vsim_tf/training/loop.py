"""One training loop for every objective and every tf.distribute strategy."""

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import tensorflow as tf
from tqdm import tqdm

from vsim_tf.config import StageConfig
from vsim_tf.data.files import read_json_lines, replacing
from vsim_tf.errors import UserError
from vsim_tf.models import VideoModel
from vsim_tf.training.checkpoints import TrainingState
from vsim_tf.training.cluster import is_chief
from vsim_tf.training.optimizers import GroupAdam
from vsim_tf.training.strategy import distribute

METRICS_FILE = "metrics.jsonl"


class Trainer:
    """A model, its objective and optimizer, compiled once and used for as many runs as there are folds.

    Args:
        model: made under the strategy's scope.
        objective: called with (model, batch), returns this replica's part of the loss sum and of the logged means.
        stage: steps, batch, schedules, intervals.
        strategy: where the replicas live.
    """

    def __init__(self, model: VideoModel, objective: Callable, stage: StageConfig, strategy: tf.distribute.Strategy):
        self.model, self.objective, self.stage, self.strategy = model, objective, stage, strategy
        schedules = {"encoder": stage.encoder_schedule, "head": stage.head_schedule}
        with strategy.scope():
            self.optimizer = GroupAdam(model.optimizer_groups(), schedules)
            self.state = TrainingState(model, self.optimizer)
        self.compiled_step = tf.function(self._train_step, reduce_retracing=True)

    def train_step(self, batch) -> dict[str, tf.Tensor]:
        """One update on a global batch; returns the logged means."""
        return self.compiled_step(batch)

    def _train_step(self, batch):
        logs = self.strategy.run(self._replica_step, args=(batch,))
        self.state.step.assign_add(1)
        return {name: self.strategy.experimental_local_results(value)[0] for name, value in logs.items()}

    def _replica_step(self, batch):
        with tf.GradientTape() as tape:
            total, logs = self.objective(self.model, batch)
        gradients = tape.gradient(total, self.optimizer.variables)
        self.optimizer.apply(gradients, self.state.step)
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, logs)

    def run(
        self,
        folder: Path,
        batches: Callable[[int], tf.data.Dataset],
        evaluate: Callable[[], dict[str, float]],
        start_from: Callable[[], None],
        label: str,
    ) -> dict[str, float]:
        """Trains in a run folder until the stage's last step, continuing what the folder already holds.

        Args:
            folder: receives `last/`, `best/`, `metrics.jsonl` and TensorBoard events.
            batches: the training data from a step on.
            evaluate: metrics of the model as it is; "spearman" decides what is best.
            start_from: sets the weights of a new run.
            label: stands before the progress bar.

        Returns:
            step, spearman, best_spearman, best_step.

        Raises:
            UserError: the loss is no longer finite; the last good state is kept.
        """
        self.state.reset()
        restored = self.state.restore_last(folder)
        if not restored:
            start_from()
        log = RunLog(folder, int(self.state.step.numpy()) if restored else -1)
        return self._loop(folder, batches, evaluate, log, label)

    def _loop(self, folder, batches, evaluate, log, label):
        start, total = int(self.state.step.numpy()), self.stage.total_steps
        data = self._batches(batches, start)
        metrics, logs = log.validation(start), {}
        with tqdm(total=total, initial=start, desc=label, unit="step") as bar:
            for step in range(start, total + 1):
                due = step == total or step % self.stage.eval_every == 0
                if due and (step > start or not metrics):
                    self._finite(logs, step)
                    metrics = self._evaluate_and_save(folder, evaluate, log, step)
                if step == total:
                    break
                logs = self.train_step(next(data))
                if (step + 1) % self.stage.log_every == 0:
                    log.write(step + 1, self._finite(logs, step + 1))
                bar.set_postfix(
                    loss=f"{float(logs['loss']):.4g}",
                    spearman=f"{metrics.get('spearman', math.nan):.4f}",
                    refresh=False,
                )
                bar.update()
        return metrics | {
            "step": total, "best_spearman": float(self.state.best_value.numpy()), "best_step": int(self.state.best_step.numpy())
        }  # fmt: skip

    def _batches(self, batches: Callable[[int], tf.data.Dataset], start: int) -> Iterator:
        data = distribute(self.strategy, batches(start), self.stage.batch_size)
        self.compiled_step.get_concrete_function(data.element_spec)  # one trace for all lengths, not one for the first
        return iter(data)

    def _evaluate_and_save(self, folder: Path, evaluate, log: "RunLog", step: int) -> dict[str, float]:
        if broken := self.state.broken_weights():
            raise _not_finite(f"weight '{broken[0]}'", "not finite", step)
        metrics = evaluate()
        log.write(step, {f"validation/{name}": value for name, value in metrics.items()})
        if metrics["spearman"] > float(self.state.best_value.numpy()):  # never true for nan
            self.state.best_value.assign(metrics["spearman"])
            self.state.best_step.assign(step)
            self.state.save_best(folder)
        self.state.save_last(folder)
        return metrics

    def _finite(self, logs: dict[str, tf.Tensor], step: int) -> dict[str, float]:
        values = {name: float(value) for name, value in logs.items()}
        values |= {f"learning_rate/{k}": float(v) for k, v in self.optimizer.learning_rates(self.state.step - 1).items()}
        for name in reversed(values):
            if not math.isfinite(values[name]):
                raise _not_finite(f"'{name}'", values[name], step)
        return values


def _not_finite(what: str, value, step: int) -> UserError:
    return UserError(
        f"{what} is {value} at step {step}; the state of the last evaluation is kept."
        " Lower --lr or --bert_lr, or look for damaged frames, and run the same command again"
    )


def _line(values: dict[str, float]) -> str:
    return json.dumps(values) + "\n"


def _step(line: dict[str, float], path: Path) -> int:
    if type(line.get("step")) is not int:
        raise UserError(f"{path}: the line {line} has no step; give --overwrite to train anew")
    return line["step"]


class RunLog:
    """`metrics.jsonl` (one JSON object a line: step and values, no times) and TensorBoard events of one run.

    Lines after `step` are left-overs of a run that was killed and are dropped; -1 drops all.
    """

    def __init__(self, folder: Path, step: int):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / METRICS_FILE
        lines = read_json_lines(self.path) if self.path.exists() else []
        self.kept = [line for line in lines if _step(line, self.path) <= step]
        self.started, self.first_step = time.perf_counter(), step
        if is_chief():
            with replacing(self.path) as file:
                file.write("".join(map(_line, self.kept)).encode())
            self.events = tf.summary.create_file_writer(str(folder / "events"))

    def validation(self, step: int) -> dict[str, float]:
        """Metrics of the evaluation at a step before this process; none where there was none."""
        values = {name: value for line in self.kept if line["step"] == step for name, value in line.items()}
        return {name.removeprefix("validation/"): v for name, v in values.items() if name.startswith("validation/")}

    def write(self, step: int, values: dict[str, float]):
        """Appends one line and one point of every curve."""
        if not is_chief():
            return
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(_line({"step": step} | values))
        with self.events.as_default(step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
            speed = (step - self.first_step) / (time.perf_counter() - self.started)
            tf.summary.scalar("steps_per_second", speed)
        self.events.flush()
