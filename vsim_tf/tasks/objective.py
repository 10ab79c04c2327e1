"""The weighted sum of tasks, which is minimised."""

from collections.abc import Mapping
from typing import Any, TypeVar

from vsim_tf.lazy import ops
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.records.schema import PairBatch, VideoBatch
from vsim_tf.tasks.forward import call_elements
from vsim_tf.tasks.global_batch import GlobalBatch
from vsim_tf.tasks.task import Step, Task
from vsim_tf.types import Tensor

T = TypeVar("T")


class Objective:
    """The weighted sum of the losses of tasks.

    Args:
        tasks: by the names under which their terms are logged.
    """

    def __init__(self, tasks: Mapping[str, Task]):
        self.tasks = dict(tasks)

    def global_batch(self, batch: VideoBatch | PairBatch) -> GlobalBatch:
        """What the losses need of all replicas' batches."""
        counts = {name: task.count(batch) for name, task in self.tasks.items()}
        rows = {name: task.shared_rows(batch) for name, task in self.tasks.items()}
        return GlobalBatch.of(batch, _present(counts), _present(rows))

    def __call__(
        self, network: Any, batch: VideoBatch | PairBatch, world: GlobalBatch | None = None, training: bool = True
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """This replica's part of the sum, a scalar, and of each weighted term's mean over videos, by name.

        The means of gates are logged with them.
        """
        return self.of_outputs(network, call_elements(network, batch, training), batch, world, training)

    def of_outputs(
        self,
        network: Any,
        outputs: tuple[VideoOutput, ...],
        batch: VideoBatch | PairBatch,
        world: GlobalBatch | None = None,
        training: bool = True,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The same from the network's outputs for the elements of the batch."""
        world = world or self.global_batch(batch)
        videos = world.examples if len(outputs) == 1 else len(outputs) * world.examples
        step = Step(network, batch, outputs, world, videos, training)
        terms = {
            name: _term(task, step._replace(count=world.counts.get(name), shared=world.shared.get(name)))
            for name, task in self.tasks.items()
        }
        total = sum(terms.values())
        return total, {name: value / videos for name, value in ({"loss": total} | terms | _gates(outputs)).items()}


def _term(task: Task, step: Step) -> Tensor:
    """The weighted loss, which is not computed where it weighs nothing."""
    return task.weight * task.loss(step) if task.weight else ops.zeros(())


def _gates(outputs: tuple[VideoOutput, ...]) -> dict[str, Tensor]:
    """Sums over the videos of all outputs of how far each gate is open."""
    of_outputs = [output.gate_weights() for output in outputs]
    return {name: sum(ops.sum(weights[name]) for weights in of_outputs) for name in of_outputs[0]}


def _present(values: Mapping[str, T | None]) -> dict[str, T]:
    return {name: value for name, value in values.items() if value is not None}
