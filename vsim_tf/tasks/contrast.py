"""Contrast of a video's frames and text: those of one video are to be more alike than those of two."""

import math
from typing import TYPE_CHECKING, ClassVar

from vsim_tf import losses
from vsim_tf.components import require
from vsim_tf.lazy import ops
from vsim_tf.tasks.task import Step, Task, require_single_stream
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.input.pipeline import Draw
    from vsim_tf.models.architectures import Model
    from vsim_tf.models.network import VideoNetwork
    from vsim_tf.models.sequence import Sequence
    from vsim_tf.records.schema import VideoBatch

CLEAN = ("input_ids", "frames", "num_frames")
SCALE = "scale"


class Contrast(Task, name="contrast"):
    """Σ over videos and experts k of C(v_k, t), frame vectors against text, with the negatives of the global batch."""

    videos_are_independent = False

    def loss(self, step: Step) -> Tensor:
        (output,), world = step.outputs, step.world
        assert output.experts is not None
        text = ops.cast(output.experts.text, "float32")
        all_text = world.gather(text)
        vectors = [ops.cast(v, "float32") for v in output.experts.vectors]
        return sum(ops.sum(losses.contrastive(v, text, world.gather(v), all_text, world.offset)) for v in vectors)


class ScaledContrast(Task, name="scaled_contrast"):
    """Σ over videos of C(v, t) of a dual encoder, cosines times e^s, s learned from ln(1/0.07) on (docs/facts_rank8.md 6)."""

    videos_are_independent = False

    def require_model(self, model: "Model") -> None:
        message = f"the task {self.type_name} needs a dual encoder, which {model.name} is not"
        require(model.type_name == "dual_encoder", message)

    def add_heads(self, network: "VideoNetwork") -> None:
        from vsim_tf.layers.heads import Scale

        network.heads[SCALE] = Scale(math.log(1 / losses.CONTRASTIVE_TEMPERATURE), name=SCALE)
        network.heads[SCALE].build()

    def loss(self, step: Step) -> Tensor:
        (output,), world = step.outputs, step.world
        assert output.text is not None
        video, text = output.embedding, output.text
        temperature = ops.exp(-step.network.heads[SCALE].value)
        return ops.sum(losses.contrastive(video, text, world.gather(video), world.gather(text), world.offset, temperature))


class JointContrast(Task, name="joint_contrast"):
    """Σ over videos of 2·C(b, a): the text alone, a, and frames with OCR and speech, b.

    Both are means of the encoder's states without padding, of the batch before anything was masked (docs/facts_rank8.md 5.2). So
    this task must be the first of a stage.

    Attributes:
        temperature: of the cosines; the original has none (rank-8 quirk 6).
        title_alone: a is of the title; else of all the text that the model reads, much of which b has too (rank-8 quirk 5).
    """

    temperature: float = 1.0
    title_alone: bool = False

    reads_context: ClassVar[bool] = True
    comes_first: ClassVar[bool] = True
    videos_are_independent = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.temperature > 0, f"temperature={self.temperature}: a number above 0 is needed", "temperature")

    def require_model(self, model: "Model") -> None:
        require_single_stream(self, model)

    def corrupt(self, batch: "VideoBatch", draw: "Draw") -> "VideoBatch":
        return batch._replace(targets=batch.targets | {f"clean/{name}": getattr(batch, name) for name in CLEAN})

    def loss(self, step: Step) -> Tensor:
        (batch,), world = step.batch.elements, step.world
        joint, text = self.vectors(step.network, batch, step.training)
        return 2 * ops.sum(
            losses.contrastive(joint, text, world.gather(joint), world.gather(text), world.offset, self.temperature)
        )

    def vectors(self, network: "VideoNetwork", batch: "VideoBatch", training: bool) -> tuple[Tensor, Tensor]:
        """b and a, `[batch, dim]` each."""
        ids, frames, num_frames = (batch.targets[f"clean/{name}"] for name in CLEAN)
        text = (batch.targets["title_ids"], batch.targets["title_mask"]) if self.title_alone else (ids, batch.attention_mask)
        context = (batch.targets["context_ids"], batch.targets["context_mask"])
        joint = network.encoded(network.sequence(*context, frames, num_frames, training=training), training=training)
        return _mean(joint), _mean(network.text_alone(*text, training=training))


def _mean(sequence: "Sequence") -> Tensor:
    """Mean of the states that are no padding, `[batch, dim]` float32."""
    counts = ops.cast(sequence.counted(padding=False), "float32")[:, :, None]
    return ops.sum(ops.cast(sequence.states, "float32") * counts, axis=1) / ops.sum(counts, axis=1)
