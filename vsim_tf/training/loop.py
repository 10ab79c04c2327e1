"""One training loop for every objective and every tf.distribute strategy."""

import functools
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn

import tensorflow as tf

from vsim_tf.distributed.strategy import Rows, distribute
from vsim_tf.distributed.workers import require_agreement
from vsim_tf.errors import Stopped, UserError
from vsim_tf.io.files import without_nan
from vsim_tf.io.memory import enough_memory
from vsim_tf.io.paths import BEST, checkpoint_name
from vsim_tf.models.network import VideoNetwork
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.optim.groups import grouped
from vsim_tf.runs.checkpoints import TrainingState
from vsim_tf.runs.logged_step import OF_STEPS
from vsim_tf.runs.stage import Stage
from vsim_tf.runs.weights import restore_weights
from vsim_tf.tasks.global_batch import GlobalBatch
from vsim_tf.tasks.objective import Objective
from vsim_tf.training.accumulation import Batch, LogsAndGradients, accumulated, micro_batch_sizes
from vsim_tf.training.run_log import VALIDATION, RunLog
from vsim_tf.training.run_progress import RunProgress
from vsim_tf.training.stopping import StopAsked, StopSignals

Batches = Callable[[int, Rows | None], tf.data.Dataset]
"""Batches from a step on: certain rows of each global batch, or all."""
logger = logging.getLogger(__name__)
LENGTHS = "or in pre-training model.frames.max_frames and model.text.max_length"
RECOMPUTE = "or keep it and resume with remat=True (docs/memory.md)"
GRADIENT_NORM = "gradient_norm"
"""Logged: the global norm of the gradient of the mean loss, before it is clipped; 0 at steps that are not logged."""
LENGTH_FIELDS = ("model.frames.max_frames", "model.text.max_length")


class Trainer:
    """A network and its stage, compiled once and used for as many runs as there are folds.

    Args:
        network: made under the strategy's scope, with the heads of the stage's tasks.
        stage: tasks, steps, batch, groups, intervals.
        strategy: where the replicas live.
    """

    def __init__(self, network: VideoNetwork, stage: Stage, strategy: tf.distribute.Strategy):
        stage.require_micro_batches(network.config, strategy.num_replicas_in_sync)
        self.network, self.stage, self.strategy = network, stage, strategy
        self.objective = Objective(stage.tasks)
        with strategy.scope():
            names = {id(v): name for name, v in network.weights_by_name().items()}
            self.optimizer = GroupAdam(grouped(network, stage.groups), stage.schedules, stage.optimizer, names)
            self.state = TrainingState(network, self.optimizer, stage.selection, stage.average)
        # no Python control flow on tensors anywhere: autograph would find nothing, and take seconds for it
        self.compiled_step = tf.function(self._train_step, reduce_retracing=True, autograph=False)
        self.evaluate_step = tf.function(self._evaluate_step, reduce_retracing=True, autograph=False)
        """The logged means of a global batch without dropout and without an update."""
        self._losses_and_gradients: Callable[[Batch, GlobalBatch], LogsAndGradients] = self._forward_and_backward
        self.compiled_shapes: set[tuple[Any, ...]] = set()
        if stage.jit_compile:
            self._require_compilable()
            self._losses_and_gradients = tf.function(self._forward_and_backward, jit_compile=True, autograph=False)
        if stage.accumulate > 1:
            self._losses_and_gradients = accumulated(self._losses_and_gradients, self.optimizer.variables, stage.accumulate)

    @property
    def traces(self) -> int:
        """How often the step was traced: once, whatever lengths batches have."""
        count: int = self.compiled_step.experimental_get_tracing_count()
        return count

    @property
    def compilations(self) -> int:
        """How often XLA compiled the step: once on each replica for every shape of its micro-batches; 0 without `jit_compile`."""
        return len(self.compiled_shapes)

    def _require_compilable(self) -> None:
        replicas = self.strategy.num_replicas_in_sync
        if replicas > 1 and not self.stage.videos_are_independent(self.network.config):
            raise UserError(
                f"jit_compile=True with {replicas} replicas: {self.network.config.name} needs numbers of all replicas within"
                " a step (BatchNorm, a loss of all examples), which XLA cannot compile; leave it out, or use one device",
                ["training.jit_compile"],
            )

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """One update on a global batch; returns the logged means."""
        if self.stage.jit_compile:
            self.compiled_shapes |= self._shapes(batch)
        logs: dict[str, tf.Tensor] = self.compiled_step(batch)
        return logs

    def _shapes(self, batch: Batch) -> set[tuple[Any, ...]]:
        """The shapes of each local replica's micro-batches."""
        fields = [self.strategy.experimental_local_results(field) for field in tf.nest.flatten(batch)]
        return {
            (replica, *((size, *part.shape[1:]) for part in parts))
            for replica, parts in enumerate(zip(*fields, strict=True))
            for size in micro_batch_sizes(parts[0].shape[0], self.stage.accumulate)
        }

    def _train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        logs = self.strategy.run(self._replica_step, args=(batch,))
        self.state.step.assign_add(1)
        self.state.update_average(self.strategy)
        return {name: self.strategy.experimental_local_results(value)[0] for name, value in logs.items()}

    def _evaluate_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        logs = self.strategy.run(self._replica_means, args=(batch,))
        return {name: self.strategy.experimental_local_results(value)[0] for name, value in logs.items()}

    def _replica_means(self, batch: Batch) -> dict[str, tf.Tensor]:
        _, logs = self.objective(self.network, batch.without_ids(), training=False)
        means: dict[str, tf.Tensor] = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, logs)
        return means

    def _replica_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        batch = batch.without_ids()  # XLA takes no strings
        world = self.objective.global_batch(batch)
        method, variables = self.stage.gradient_method, self.optimizer.variables

        def compute() -> LogsAndGradients:
            return self._losses_and_gradients(batch, world)

        logs, gradients = method.gradients(compute, self.network, variables) if method else compute()
        videos = self.stage.batch_size * len(batch.elements) if self.stage.reduction == "sum" else 1
        largest = self.stage.clip_norm * videos
        summed = self.optimizer.apply(gradients, self.state.step, largest or None)
        # at log steps alone: in small models it takes some percent of a step
        logged = (self.state.step + 1) % self.stage.log_every == 0
        norm = tf.cond(logged, lambda: tf.linalg.global_norm(summed) / videos, lambda: 0.0)
        means: dict[str, tf.Tensor] = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, logs)
        return {GRADIENT_NORM: norm} | means  # first: of what is not finite the last is named

    def _forward_and_backward(self, batch: Batch, world: GlobalBatch) -> LogsAndGradients:
        with tf.GradientTape() as tape:
            total, logs = self.objective(self.network, batch, world)
            target = total if self.stage.reduction == "sum" else logs["loss"]
        return logs, tape.gradient(target, self.optimizer.variables)

    def run(
        self,
        folder: Path,
        batches: Batches,
        evaluate: Callable[[], dict[str, float]],
        start_from: Callable[[], None],
        label: str,
        keep_optimizer: bool = False,
        ended_epoch: Callable[[int], range | None] = lambda completed: None,
    ) -> dict[str, float | None]:
        """Trains in a run folder, which the caller has locked, until the stage's last step, from what the folder already holds.

        Args:
            folder: receives `last/`, `best/`, `metrics.jsonl` and TensorBoard events.
            batches: the training data from a step on: certain rows of each global batch, or all.
            evaluate: metrics of the model as it is; the stage's selection says which evaluation is the best.
            start_from: sets the weights of a new run.
            label: stands before the progress bar.
            keep_optimizer: whether the complete run keeps the optimizer's moments.
            ended_epoch: the steps of the epoch that ends with so many completed steps, else None.

        Returns:
            step, the metrics of the last evaluation, and the selected metric of the best with its step, e.g. `best_spearman` and
            `best_step`; None for a metric that is not defined. `of_steps` are the stage's, where the run ended before its last.

        Raises:
            UserError: a number is no longer finite, a checkpoint cannot be read or written, or memory does not suffice; the
                last good state is kept.
            Stopped: by SIGTERM or Ctrl-C; the state is saved.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with StopSignals(self.strategy) as signals:
            self.state.reset()
            restored = self.state.restore_last(folder)
            if not self._out_of_patience():
                self.state.require_moments(folder, self.stage.total_steps)
            if not restored:
                start_from()
                self.state.start_average()
            log = RunLog(folder, int(self.state.step.numpy()) if restored else -1, int(self.state.evaluated.numpy()))
            evaluation = log.validation(int(self.state.evaluated.numpy()))
            require_agreement(self.strategy, lambda: self.state.summary() | {"evaluation": evaluation}, folder)
            summary = self._loop(folder, batches, evaluate, log, label, signals, ended_epoch)
            self.state.complete(folder, keep_optimizer)
            return summary

    def _loop(
        self,
        folder: Path,
        batches: Batches,
        evaluate: Callable[[], dict[str, float]],
        log: RunLog,
        label: str,
        signals: StopSignals,
        ended_epoch: Callable[[int], range | None],
    ) -> dict[str, float | None]:
        start, total = int(self.state.step.numpy()), self.stage.total_steps
        data = self.batches(batches, start)
        metrics = log.validation(int(self.state.evaluated.numpy()))
        logs: dict[str, tf.Tensor] = {}
        try:
            with RunProgress(label, start, total) as progress:
                for step in range(start, total + 1):
                    due = step == total or step % self.stage.eval_every == 0
                    if due and (step > self.state.evaluated.numpy() or not metrics):
                        metrics = self._evaluate_and_save(folder, evaluate, log, step, logs, signals)
                    if signals.asked():
                        self._save_and_stop(folder, step, logs, signals)
                    if step == total or (due and self._out_of_patience()):
                        break
                    epoch = ended_epoch(step) if self.stage.reload_best else None
                    if epoch and self.state.evaluated.numpy() > epoch.start:  # else an epoch without evaluation would be lost
                        self._reload_best(folder)
                    with self._enough_memory(f"for a step of {label}", "batch_size"):
                        logs = self.train_step(next(data))
                    if (step + 1) % self.stage.log_every == 0:
                        log.write(step + 1, self._finite(logs, step + 1))
                    progress.note(step + 1, functools.partial(self._shown, logs, metrics))
        finally:
            del data  # here and now: Python's collector may do so in a thread that its own threads wait for
        best_value, best_step = float(self.state.best_value.numpy()), int(self.state.best_step.numpy())
        best = {f"best_{self.stage.selection.metric}": best_value, "best_step": best_step}
        summary: dict[str, float | None] = without_nan(metrics | {"step": step} | best)
        return summary if step == total else summary | {OF_STEPS: total}

    def _out_of_patience(self) -> bool:
        """Whether the newest evaluation, with which the state was saved, is the last of so many that brought nothing better."""
        if not self.stage.patience:
            return False
        step, evaluated, best = (int(v.numpy()) for v in (self.state.step, self.state.evaluated, self.state.best_step))
        return evaluated == step and step - best >= self.stage.patience * self.stage.eval_every

    def _shown(self, logs: dict[str, tf.Tensor], metrics: dict[str, float]) -> dict[str, str]:
        """Loss of the last step and selected metric of the last evaluation."""
        selected = self.stage.selection.metric
        return {"loss": f"{float(logs['loss']):.4g}", selected: f"{metrics.get(selected, math.nan):.4f}"}

    def _reload_best(self, folder: Path) -> None:
        """Puts the best weights since the first step in the place of the present ones."""
        if best_step := int(self.state.best_step.numpy()):
            restore_weights(self.network, folder / BEST / checkpoint_name(best_step))

    def batches(self, batches: Batches, start: int) -> Iterator[Batch]:
        """This worker's part of the batches from a step on."""
        data = distribute(
            self.strategy, lambda rows: batches(start, rows).map(lambda batch: batch.without_ids()), self.stage.batch_size
        )
        self.compiled_step.get_concrete_function(data.element_spec)  # one trace for all lengths, not one for the first
        return iter(data)

    def _evaluate_and_save(
        self,
        folder: Path,
        evaluate: Callable[[], dict[str, float]],
        log: RunLog,
        step: int,
        logs: dict[str, tf.Tensor],
        signals: StopSignals,
    ) -> dict[str, float]:
        self._finite(logs, step)
        try:
            with signals.interruptible(), self._enough_memory("for the evaluation", "val_batch_size"), self.state.averaged():
                metrics = evaluate()
        except StopAsked:
            self._save_and_stop(folder, step, logs, signals)
        log.write(step, {f"{VALIDATION}{name}": value for name, value in metrics.items()})
        self._warn_of_divergence(step, metrics)
        if self.stage.selection.is_better(self._selected(metrics), float(self.state.best_value.numpy())):
            self.state.best_value.assign(self._selected(metrics))
            self.state.best_step.assign(step)
            self.state.save_best(folder)
        self.state.evaluated.assign(step)
        self.state.save_last(folder)
        return metrics

    def _warn_of_divergence(self, step: int, metrics: dict[str, float]) -> None:
        selection, value, best = self.stage.selection, self._selected(metrics), float(self.state.best_value.numpy())
        if selection.has_diverged(value, best):
            advice = "the end of the epoch puts its weights back" if self.stage.reload_best else "clip_norm=1 prevents that"
            logger.warning(
                f"training diverged: {selection.metric} is {value:.4g} at step {step} and was {best:.4g} at step"
                f" {self.state.best_step.numpy()}; {advice}",
                extra={"fields": ["training.clip_norm"]},
            )

    def _enough_memory(self, purpose: str, size: str) -> AbstractContextManager[None]:
        fields = (f"training.{size}", *LENGTH_FIELDS, "training.remat")
        advice = [] if self.stage.remat or size != "batch_size" else [RECOMPUTE]
        return enough_memory(purpose, f"{size}={getattr(self.stage, size)}", LENGTHS, *advice, fields=fields)

    def _selected(self, metrics: dict[str, float]) -> float:
        name = self.stage.selection.metric
        if name not in metrics:
            raise UserError(f"metric={name!r}: evaluated are {', '.join(metrics)}", ["training.selection.metric"])
        return metrics[name]

    def _save_and_stop(self, folder: Path, step: int, logs: dict[str, tf.Tensor], signals: StopSignals) -> NoReturn:
        assert signals.received is not None
        self._finite(logs, step)
        self.state.save_last(folder)
        raise Stopped(signals.received, f"saved in {folder} at step {step}; the same command resumes from there")

    def _finite(self, logs: dict[str, tf.Tensor], step: int) -> dict[str, float]:
        """The logged values and learning rates; `UserError` if one of them or a weight is not finite."""
        values = {name: float(value) for name, value in logs.items()}
        values |= {f"learning_rate/{k}": float(v) for k, v in self.optimizer.learning_rates(self.state.step - 1).items()}
        for name in reversed(values):
            if not math.isfinite(values[name]):
                raise self._not_finite(f"'{name}'", values[name], step)
        if broken := self.state.broken_weights():
            raise self._not_finite(f"weight '{broken[0]}'", "not finite", step)
        return values

    def _not_finite(self, what: str, value: float | str, step: int) -> UserError:
        kept = "the state of the last evaluation is kept" if step else "no state is saved"
        rates = self.stage.rate_paths
        return UserError(
            f"{what} is {value} at step {step}; {kept}."
            f" Lower {' or '.join(rates)}, or look for damaged frames, and run the same command again",
            rates,
        )
