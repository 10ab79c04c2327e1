"""Losses of similarity by name, each in the place of those that a fine-tuning was published with."""

from collections.abc import Callable, Sequence

from vsim_tf.runs.stage import Stage
from vsim_tf.tasks.pair_ranking import BatchTask, Combinations, CoSent, Pearson
from vsim_tf.tasks.pair_similarity import MeanSquaredError, PairTask, SimilarityTask, SquaredError

PUBLISHED = "published"
PAIR_LOSSES: dict[str, Callable[[bool], SimilarityTask]] = {
    "mse": lambda summed: SquaredError() if summed else MeanSquaredError(),
    "pearson": lambda summed: Pearson(summed=summed),
    "cosent": lambda summed: CoSent(summed=summed),
    "combinations": lambda summed: Combinations(summed=summed),
}
"""Made as sums over pairs or as means."""
TASK = "pair"
"""Name of the task that takes the place of others."""


def with_pair_loss(stage: Stage, name: str = PUBLISHED, dims: Sequence[int] = ()) -> Stage:
    """A fine-tuning with another loss of similarities; other tasks, such as tags, stay.

    A loss of a whole batch is summed over pairs where the published one is, wants batches of pairs of any lengths, and has no
    sense of how large similarities are: the best evaluation is then that by Spearman.

    Args:
        stage: as it was published.
        name: of `PAIR_LOSSES`, or "published" for the tasks as they are.
        dims: see `SimilarityTask`.
    """
    if name != PUBLISHED:
        stage = _with_task(stage, PAIR_LOSSES[name](any(isinstance(task, PairTask) for task in stage.tasks.values())))
    return stage.replace({f"tasks.{key}.dims": list(dims) for key in similarity_tasks(stage) if dims})


def similarity_tasks(stage: Stage) -> list[str]:
    """Names of the tasks of a stage that are losses of similarity."""
    return [name for name, task in stage.tasks.items() if isinstance(task, SimilarityTask)]


def _with_task(stage: Stage, task: SimilarityTask) -> Stage:
    published = similarity_tasks(stage)
    tasks = {TASK: task} | {name: other for name, other in stage.tasks.items() if name not in published}
    if isinstance(task, BatchTask):
        stage = stage.replace({"selection.metric": "spearman", "selection.direction": "max"}, bucket_by_length=False)
    return stage.replace(tasks=tasks)
