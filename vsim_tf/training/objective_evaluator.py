"""The loss of videos that are not trained on, for stages without labels."""

import dataclasses

import numpy as np

from vsim_tf.input.pipeline import TrainingData
from vsim_tf.training.loop import Trainer


@dataclasses.dataclass(frozen=True)
class ObjectiveEvaluator:
    """Means of the loss and of its terms over the first batches of a data set, corrupted alike each time, without dropout.

    Args:
        trainer: of the model.
        data: the videos.
        batches: how many batches are evaluated.
    """

    trainer: Trainer
    data: TrainingData
    batches: int

    def __call__(self) -> dict[str, float]:
        dealt = iter(self.trainer.batches(self.data.batches, 0))
        logs = [self.trainer.evaluate_step(next(dealt)) for _ in range(self.batches)]
        return {name: float(np.mean([float(log[name]) for log in logs])) for name in logs[0]}
