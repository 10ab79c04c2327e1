"""The 8th place of the WeChat Big Data Challenge 2022: short videos in 200 classes (docs/facts_rank8.md 10).

Titles with OCR and speech text, and frames through CLIP's vision tower. One encoder of both is pre-trained by five tasks, a tower and
a text encoder by contrast; four models are trained on classes, and their probabilities summed.
"""

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
from vsim_tf.tasks.contrast import JointContrast
from vsim_tf.tasks.masked_frames import HiddenFrames, MaskedSlots
from vsim_tf.tasks.masked_tokens import HiddenText, MaskedTokens
from vsim_tf.tasks.matching import Matching
from vsim_tf.tasks.task import Task

BERT = EncoderConfig(kind="bert", initializer="normal", padding_token=0)
FRAMES = FrameInput(dim=768, max_frames=16, sampling="strided", padding="zeros")
TEXT = TextInput(max_length=256, form="single")
ADAMW = Adam(epsilon=1e-6, decay=0.01, undecayed=r"(?!tower/).*/(bias|gamma|beta)|tower/.*/(bias|beta)")
"""The exclusion knows BERT's names only: the gains of the tower's LayerNorms are decayed (rank-8 quirk 21)."""


def wbdc_single() -> SingleStream:
    return SingleStream(
        name="wbdc_single",
        encoder=BERT,
        text=TEXT,
        frames=FRAMES,
        frame_embedding=EmbeddingBlock(),
        projection=PooledStates(),
        embedding_size=0,
    )


def pretrain_tasks() -> dict[str, Task]:
    """Five tasks on three parts of the batch (docs/facts_rank8.md 5)."""
    return {
        "ict": JointContrast(),
        "mlm": MaskedTokens(probability=0.30, spare_unknown=True, tied=False, part="joint"),
        "mfm": MaskedSlots(probability=0.9 * 0.15, part="joint", weight=0.5),
        "mmm_video": HiddenFrames(weight=0.5),
        "mmm_text": HiddenText(tied=False),
        "itm": Matching(units=2, with_padding=True, part="joint"),
    }


def wbdc_two_stream() -> TwoStream:
    return TwoStream(
        name="wbdc_two_stream", encoder=BERT, text=TEXT, frames=FRAMES, embedding_size=0, tower=VisionConfig(trainable_blocks=3)
    )


def wbdc_clip() -> DualEncoder:
    return DualEncoder(name="wbdc_clip", encoder=BERT, text=TEXT, frames=FRAMES, embedding_size=0, tower=VisionConfig())
