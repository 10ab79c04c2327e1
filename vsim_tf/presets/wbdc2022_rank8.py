"""The 8th place of the WeChat Big Data Challenge 2022: short videos in 200 classes (docs/facts_rank8.md 10).

Titles with OCR and speech text, and frames through CLIP's vision tower. One encoder of both is pre-trained by five tasks, a tower
and a text encoder by contrast; four models are trained on classes, and their probabilities summed.
"""

from typing import Any

from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.vision_config import VisionConfig
from vsim_tf.models.architectures import DualEncoder, FrameInput, SingleStream, TextInput, TwoStream
from vsim_tf.models.frame_embeddings import EmbeddingBlock
from vsim_tf.models.projections import PooledStates
from vsim_tf.optim.adversarial import FastGradient, ProjectedGradient
from vsim_tf.optim.averaging import ExponentialAverage
from vsim_tf.optim.groups import Group
from vsim_tf.optim.schedules import CosineSchedule
from vsim_tf.optim.settings import Adam
from vsim_tf.runs.stage import Selection, Stage
from vsim_tf.tasks.batch_parts import JOINT
from vsim_tf.tasks.classes import Classes
from vsim_tf.tasks.contrast import JointContrast, ScaledContrast
from vsim_tf.tasks.masked_frames import HiddenFrames, MaskedSlots
from vsim_tf.tasks.masked_tokens import HiddenText, MaskedTokens
from vsim_tf.tasks.matching import Matching
from vsim_tf.tasks.task import Task

BERT = EncoderConfig(kind="bert", initializer="normal", padding_token=0)
TEXT = TextInput(max_length=256, form="single")
FRAMES = FrameInput(dim=768, max_frames=16, sampling="stride_starts", padding="zeros")
TOWER, TEXT_ENCODER = r"tower/.*", r"encoder/.*"
SINGLE_ENCODER = r"(encoder|frame_block|mlm|mfm)/.*"
"""Weights whose PyTorch names contain "roberta"."""
CLASS_HEAD = r"classes/.*"
ADAMW = Adam(epsilon=1e-6, decay=0.01, undecayed=r"(?!tower/).*/(bias|gamma|beta)|tower/.*/(bias|beta)")
"""The exclusion knows BERT's names only: the gains of the tower's LayerNorms are decayed (rank-8 quirk 21)."""
WARM_UP = 0.1
"""Share of the steps."""
PRETRAIN_STEPS, FINETUNE_STEPS = 16 * 15_625, 5 * 1250
"""Epochs of 1,000,000 and of 80,000 videos, 64 a step; the file that later stages start from is that of the 16th."""
SEED = 802


def groups(rates: dict[str, tuple[str, float]], steps: int) -> dict[str, Group]:
    """Groups by name, of patterns and peak rates; what no other pattern matches belongs to the last one."""
    others = rf"(?!{'|'.join(pattern for pattern, _ in rates.values() if pattern)}).*"
    warmup = int(WARM_UP * steps)
    return {
        name: Group(pattern=pattern or others, schedule=CosineSchedule(peak=peak, warmup=warmup, horizon=steps))
        for name, (pattern, peak) in rates.items()
    }


def stage(steps: int, tasks: dict[str, Task], rates: dict[str, tuple[str, float]], **changes: Any) -> Stage:
    """A stage with the optimizer that all share (docs/facts_rank8.md 5.3, 6 and 8)."""
    values: dict[str, Any] = {
        "batch_size": 64,
        "val_batch_size": 64,
        "total_steps": steps,
        "tasks": tasks,
        "groups": groups(rates, steps),
        "optimizer": ADAMW,
        "reduction": "mean",
        "bucket_by_length": False,
        "seed": SEED,
    }
    return Stage(**values | changes)


# --- pre-training -----------------------------------------------------------------------------------------------------


def wbdc_single() -> SingleStream:
    """Text and stored frame features in one encoder, the mean over all positions (docs/facts_rank8.md 4)."""
    return SingleStream(
        name="wbdc_single", encoder=BERT, text=TEXT, frames=FRAMES, frame_embedding=EmbeddingBlock(), projection=PooledStates(),
        embedding_size=0,
    )  # fmt: skip


def pretrain_tasks() -> dict[str, Task]:
    """Five tasks on three parts of the batch (docs/facts_rank8.md 5); the text task counts whole (rank-8 quirk 2)."""
    return {
        "ict": JointContrast(),
        "mlm": MaskedTokens(probability=0.30, spare_unknown=True, tied=False, part=JOINT),
        "mfm": MaskedSlots(probability=0.9 * 0.15, part=JOINT, weight=0.5),
        "mmm_video": HiddenFrames(weight=0.5),
        "mmm_text": HiddenText(tied=False),
        "itm": Matching(units=2, with_padding=True, part=JOINT),
    }


def single_pretraining() -> Stage:
    """Pre-training of the single stream on unlabelled videos."""
    rates = {"head": ("", 5e-4), "encoder": (SINGLE_ENCODER, 1e-4)}
    return stage(PRETRAIN_STEPS, pretrain_tasks(), rates, selection=Selection(metric="loss", direction="min"))


def wbdc_clip() -> DualEncoder:
    """CLIP's vision tower and a BERT; later the tower alone is used (docs/facts_rank8.md 6)."""
    frames = FRAMES.replace(max_frames=4)
    return DualEncoder(name="wbdc_clip", encoder=BERT, text=TEXT, frames=frames, embedding_size=0, tower=VisionConfig())


def clip_pretraining() -> Stage:
    """Contrast of pictures and text of unlabelled videos."""
    rates = {"text": (TEXT_ENCODER, 5e-5), "tower": (TOWER, 5e-6), "scale": ("", 1e-5)}
    tasks: dict[str, Task] = {"contrast": ScaledContrast()}
    return stage(PRETRAIN_STEPS, tasks, rates, selection=Selection(metric="loss", direction="min"))


# --- classification ---------------------------------------------------------------------------------------------------


def wbdc_two_stream() -> TwoStream:
    """LXMERT over a vision tower of which the last three blocks are trained (docs/facts_rank8.md 7)."""
    tower = VisionConfig(trainable_blocks=3)
    return TwoStream(name="wbdc_two_stream", encoder=BERT, text=TEXT, frames=FRAMES, embedding_size=0, tower=tower)


def classification(rates: dict[str, tuple[str, float]], **changes: Any) -> Stage:
    """Cross-entropy with an average of weights, whose decay the authors do not report (docs/facts_rank8.md 8)."""
    values: dict[str, Any] = {
        "selection": Selection(metric="mean_f1", kept="best"),
        "average": ExponentialAverage(decay=0.999),
        "gradient_method": FastGradient(),
        "eval_every": 1250,
    }
    return stage(FINETUNE_STEPS, {"classes": Classes()}, rates, **values | changes)


def single_classification(**changes: Any) -> Stage:
    """The single stream's, with FGM (models 1 and 2)."""
    rates = {"head": ("", 5e-4), "encoder": (SINGLE_ENCODER, 5e-5), "tower": (TOWER, 1e-5)}
    return classification(rates, **changes)


def pgd_classification() -> Stage:
    """The single stream's with PGD (model 4)."""
    return single_classification(gradient_method=ProjectedGradient())


def two_stream_classification() -> Stage:
    """The two-stream model's; its FGM finds no table, and costs a second pass (model 3; rank-8 quirk 3)."""
    rates = {"encoder": ("", 5e-5), "head": (CLASS_HEAD, 5e-4), "tower": (TOWER, 5e-6)}
    return classification(rates, gradient_method=FastGradient(table=""))
