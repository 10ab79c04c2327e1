"""Trains the smallest models without dropout, as one process or one of several: train_toys.py RECORDS OUTPUT STOP_AFTER

RECORDS holds `videos` and `pairs`. Each model is trained for 6 steps, or stops without a word in the step after STOP_AFTER. What
it scores in the end is written by every worker into scores-<index>.json.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import toys

from vsim_tf.distributed.cluster import worker_shard
from vsim_tf.distributed.strategy import make_strategy
from vsim_tf.evaluation.evaluators import PairEvaluator, VideoEvaluator
from vsim_tf.inference.embedder import Embedder
from vsim_tf.input.pipeline import TrainingData, numbered_batches
from vsim_tf.records.labels import Pair
from vsim_tf.training.pretraining import make_trainer

RUNS = {"uniter": ("pretrain", "videos"), "mix_nextvlad": ("finetune", "pairs")}
LABELLED = [Pair(f"v{i}", f"v{(i * 5 + 1) % 23}", (i % 7) / 10) for i in range(23)]


class Killed(Exception):
    """Stands for a kill."""


def train(name: str, records: Path, output: Path, stop_after: int, strategy) -> dict:
    stage_kind, kind = RUNS[name]
    stage = toys.stage(6, (name, stage_kind), batch_size=5, eval_every=2, log_every=1)
    form, files = toys.batch_format(), [str(records / kind)]
    data = TrainingData(
        files,
        kind,
        form,
        stage.batch_size,
        stage.seed,
        corruptions=[task.corrupt for task in stage.tasks.values()] if kind == "videos" else [],
    )
    trainer = make_trainer(toys.model(name, dropout=0.0), stage, strategy)
    embedder = Embedder(trainer.network, strategy)
    validation = numbered_batches(files, kind, form, 4, worker_shard())

    def evaluate():
        return PairEvaluator(embedder, validation)() if kind == "pairs" else VideoEvaluator(embedder, validation, LABELLED)()

    step = trainer.train_step

    def stopping_step(batch):
        if trainer.state.step == stop_after:
            raise Killed
        return step(batch)

    trainer.train_step = stopping_step
    scores = trainer.run(output / name, data.batches, evaluate, lambda: None, name)
    embeddings = embedder.embed(numbered_batches([str(records / "videos")], "videos", form, 4, worker_shard()))
    return scores | {"ids": embeddings.ids, "norm": float(np.linalg.norm(embeddings.values))}


if __name__ == "__main__":
    records, output, stop_after = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    strategy, found = make_strategy(), {}
    for name in RUNS:
        try:
            found[name] = train(name, records, output, stop_after, strategy)
        except Killed:
            continue
    (output / f"scores-{worker_shard()[0]}.json").write_text(json.dumps(found))
