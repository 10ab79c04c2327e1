"""The 1st place of the CIKM / QQ AIAC 2021 video similarity challenge: six jobs of BERT-large (docs/facts_rank1.md 9).

All read title and frames in one encoder. Their embeddings are concatenated and reduced by SVD (docs/facts_rank1.md 10).
"""

from typing import Any

from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.models.architectures import FrameInput, SingleStream, TextInput
from vsim_tf.models.frame_embeddings import EmbeddingBlock
from vsim_tf.models.layouts import ClsFirst, FramesFirst
from vsim_tf.models.pooling import AttentionPooling
from vsim_tf.models.projections import ProjectedPool
from vsim_tf.models.tag_heads import ReluClsTags, ReluEmbeddingTags
from vsim_tf.optim.groups import Group
from vsim_tf.optim.schedules import CosineSchedule
from vsim_tf.optim.settings import Adam
from vsim_tf.presets.preset import Preset
from vsim_tf.runs.phase import Phase
from vsim_tf.runs.stage import Selection, Stage
from vsim_tf.tasks.masked_frames import MaskedFrames
from vsim_tf.tasks.masked_tokens import MaskedTokens
from vsim_tf.tasks.pair_similarity import MeanSquaredError
from vsim_tf.tasks.tags import MeanTags
from vsim_tf.tasks.task import Task

ENCODER = r"(encoder|frame_block|mlm|mfm)/.*"
"""Weights whose PyTorch names contain "roberta": the encoder, both embedding blocks, the heads of masked tokens and frames."""
HEADS = rf"(?!{ENCODER}).*"
ADAMW = Adam(epsilon=1e-6, decay=0.01, undecayed=r".*/(bias|gamma|beta)")
WARM_UP = 0.06
"""Share of the scheduled steps."""
TOGETHER = (("pointwise", "pairwise"),)
IN_TURN = (("pointwise",), ("pairwise",), ("test",))


def groups(encoder_rate: float, head_rate: float, horizon: int) -> dict[str, Group]:
    """The encoder, and everything else; half a cosine behind a warm-up for both."""
    warmup = int(WARM_UP * horizon)
    rates = {"encoder": (ENCODER, encoder_rate), "head": (HEADS, head_rate)}
    return {
        name: Group(pattern=pattern, schedule=CosineSchedule(peak=peak, warmup=warmup, horizon=horizon))
        for name, (pattern, peak) in rates.items()
    }


def pretrain_tasks(**changes: Task) -> dict[str, Task]:
    """Tags, masked tokens and masked frames in one forward pass (docs/facts_rank1.md 4)."""
    tasks: dict[str, Task] = {
        "tag": MeanTags(weight=1250 / 3, head=ReluClsTags()),
        "mlm": MaskedTokens(weight=1 / 3.75, probability=0.15, spare_unknown=True, tied=False),
        "mfm": MaskedFrames(weight=1 / 9, probability=0.9 * 0.15),
    }
    return tasks | changes


def pretrain_stage(scheduled: int, run: int, **changes: Any) -> Stage:
    """Pre-training of docs/facts_rank1.md 5.

    Args:
        scheduled: steps of the schedule; more than are run, because each epoch drops its last, partial batch.
        run: steps that are run.
        changes: of the stage.
    """
    values: dict[str, Any] = {
        "batch_size": 128,
        "val_batch_size": 128,
        "val_videos": 79 * 128,
        "total_steps": run,
        "eval_every": 500,
        "tasks": pretrain_tasks(),
        "groups": groups(5e-5, 5e-4, scheduled),
        "phases": {"all": Phase(sets=TOGETHER)},
        "optimizer": ADAMW,
        "reduction": "mean",
        "selection": Selection(metric="tag_loss", direction="min", kept="best"),
        "reload_best": True,
        "bucket_by_length": False,
        "seed": 2021,
    }
    return Stage(**values | changes)


def finetune_stage(**changes: Any) -> Stage:
    """Fine-tuning of docs/facts_rank1.md 6: the squared error of the cosine and the rank of the human similarity score."""
    values: dict[str, Any] = {
        "batch_size": 32,
        "total_steps": 20_420,
        "eval_every": 500,
        "tasks": {"mse": MeanSquaredError()},
        "groups": groups(1e-5, 5e-5, 20_429),
        "optimizer": ADAMW,
        "reduction": "mean",
        "labels": "rank",
        "selection": Selection(metric="mse", direction="min", kept="best"),
        "bucket_by_length": False,
        "seed": 2021,
    }
    return Stage(**values | changes)


def qq_job1() -> Preset:
    """[CLS] frames [SEP] title [SEP], tags of [CLS], mean over positions. Reported on validation: 0.886031."""
    model = SingleStream(
        name="qq_job1",
        encoder=EncoderConfig(kind="bert", initializer="normal", padding_token=0),
        text=TextInput(max_length=36, form="pair"),
        frames=FrameInput(sampling="centred", padding="zeros"),
        layout=ClsFirst(),
        frame_embedding=EmbeddingBlock(),
        projection=ProjectedPool(),
        unit_norm=True,
    )
    return Preset(
        model=model,
        pretrain=pretrain_stage(332_379, 332_360),
        finetune=finetune_stage(),
        ensemble_weight=1 / 6,
        published_size="large",
        split="modulo",
        folds="0",
    )


def qq_job2() -> Preset:
    """Frames [CLS] title [SEP], tags of the embedding. Reported on validation: 0.884257."""
    changes: dict[str, Any] = {"model.name": "qq_job2", "model.text.form": "single", "model.layout": FramesFirst()}
    return qq_job1().replace(changes | {"pretrain.tasks.tag.head": ReluEmbeddingTags()})


def qq_job3() -> Preset:
    """Job 2 without masked frames; weights stay. Reported on validation: 0.883843."""
    preset = qq_job2()
    tasks = {name: task for name, task in preset.pretrain.tasks.items() if name != "mfm"}
    return preset.replace({"model.name": "qq_job3", "pretrain.tasks": tasks})


def qq_job4() -> Preset:
    """Job 1 with attention pooling, and 5 epochs of the pairs' videos at the end. Reported on validation: 0.885397.

    The last weights are kept, whatever the evaluations say, and training has nothing to fall back on (rank-1 quirks 3 and 13).
    """
    pairs_alone = Phase(sets=(("pairwise",),), start=332_360, warmup=149, horizon=2484)
    stage = pretrain_stage(
        332_379,
        332_360 + 2480,
        phases={"all": Phase(sets=TOGETHER), "pairwise": pairs_alone},
        selection=Selection(metric="tag_loss", direction="min", kept="last"),
        reload_best=False,
    )
    return qq_job1().replace({"model.name": "qq_job4", "model.pooling": AttentionPooling()}, pretrain=stage)


def qq_job5() -> Preset:
    """Job 1 with attention pooling; tagged videos, the pairs' and the test sets' in turn. Reported on validation: 0.885795.

    Videos of the test sets have no tags: only tokens and frames are learned from them (rank-1 quirk 21).
    """
    return qq_job1().replace(
        {"model.name": "qq_job5", "model.pooling": AttentionPooling()},
        pretrain=pretrain_stage(281_893, 281_824, phases={"all": Phase(sets=IN_TURN)}, seed=123_456),
        finetune=finetune_stage(seed=123_456),
    )


def qq_job6() -> Preset:
    """Job 1 with more of tokens and frames masked, 24 epochs. Reported on validation: 0.886289."""
    changes = {"model.name": "qq_job6", "pretrain.tasks.mlm.probability": 0.25, "pretrain.tasks.mfm.probability": 0.9 * 0.25}
    return qq_job1().replace(pretrain=pretrain_stage(199_427, 199_416)).replace(changes)


MODELS = (qq_job1, qq_job2, qq_job3, qq_job4, qq_job5, qq_job6)
