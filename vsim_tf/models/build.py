"""The two architectures and how to build one from its configuration."""

from keras import ops

from vsim_tf.config import ModelConfig
from vsim_tf.models.mix_nextvlad import MixNextVLAD
from vsim_tf.models.uniter import Uniter
from vsim_tf.models.video_model import VideoModel


def build_model(config: ModelConfig, pretraining: bool = False) -> VideoModel:
    """A model with all its weights made; `pretraining` adds the heads that only pre-training needs."""
    if config.architecture == "mix_nextvlad":
        model = MixNextVLAD(config)
    else:
        model = Uniter(config, mlm_head=pretraining and "mlm" in config.pretrain_losses)
    text = ops.zeros((1, config.max_text_length), "int32")
    frames = ops.zeros((1, config.max_frames, config.frame_embedding_size))
    model(input_ids=text, attention_mask=text, frames=frames, num_frames=ops.zeros((1,), "int32"))
    return model
