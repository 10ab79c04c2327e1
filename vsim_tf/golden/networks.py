"""Cases: single layers, encoders and whole models at inference."""

import functools
from typing import Any

from keras import ops

from vsim_tf import losses
from vsim_tf.golden.file import GoldenFile, scaled
from vsim_tf.golden.weights import encoder_config, encoder_weights, fill, layer_weights, make_model
from vsim_tf.layers.fusion import ConcatDenseSE, SEGate
from vsim_tf.layers.nextvlad import NeXtVLAD
from vsim_tf.layers.transformer import TransformerEncoder
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.models.video_model import VideoModel
from vsim_tf.presets import registry

LAYER = scaled(2e-6)
NETWORK = scaled(5e-6)


def nextvlad(file: GoldenFile):
    """The layer alone: inference, training, and the moving statistics that one training call leaves."""
    config = file.config
    layer = NeXtVLAD(
        config["clusters"], config["groups"], config["expansion"], config["vlad_hidden"], dropout=0.0, name="nextvlad"
    )
    frames, num_frames = file["in/frames"], ops.reshape(file["in/num_frames"], (-1,))
    mask = VideoModel.frame_mask(frames, num_frames)
    layer.build(frames.shape, mask.shape)
    fill(layer_weights(layer), file.under("w/"))
    file.check("out/inference", layer(frames, mask, training=False), LAYER)
    file.check("out/vlad_flat_inference", layer.vlad(ops.convert_to_tensor(frames), mask, training=False), LAYER)
    file.check("out/training", layer(frames, mask, training=True), LAYER)
    for name in ("moving_mean", "moving_variance"):
        file.check(f"out/cluster_bn/{name}_after_one_training_call", getattr(layer.cluster_norm, name), LAYER)


def se_gate(file: GoldenFile):
    """The squeeze-and-excitation gate alone."""
    layer = SEGate(file.config["se_ratio"], name="se")
    layer.build(file["in/x"].shape)
    fill(layer_weights(layer), file.under("w/"))
    file.check("out/y", layer(file["in/x"]), LAYER)


def concat_dense_se(file: GoldenFile):
    """Dense and gate over two vectors."""
    layer = ConcatDenseSE(file.config["emb"], file.config["se_ratio"], dropout=0.0, name="fusion")
    layer.build(file["in/v"].shape, file["in/t"].shape)
    fill(layer_weights(layer), file.under("w/"))
    file.check("out/e", layer(file["in/v"], file["in/t"]), LAYER)


def encoder(file: GoldenFile):
    """BERT or RoFormer over text, or over text and frames where the file has frames."""
    config = encoder_config(file)
    model = TransformerEncoder(config, pooler="out/pooler_output" in file.arrays)
    model.build(file["in/input_ids"].shape)
    fill(encoder_weights(model), file.under("w/"))
    frames = (file[f"in/{name}"] if f"in/{name}" in file.arrays else None for name in ("frame_features", "frame_mask"))
    states = model(file["in/input_ids"], file["in/mask"], *frames, training=False)
    file.check("out/last_hidden_state", states, NETWORK)
    if model.pooler:
        file.check("out/pooler_output", model.pool(states), NETWORK)


def inputs(file: GoldenFile) -> dict[str, Any]:
    """What a whole model is called with."""
    return {
        "input_ids": file["in/input_ids"],
        "attention_mask": file["in/mask"],
        "frames": file["in/frames"].astype("float16"),
        "num_frames": file["in/num_frames"].reshape(-1),
    }


def mix_nextvlad(file: GoldenFile, name: str):
    """Every named output of a MixNextVLAD."""
    model = make_model(file, registry.model_spec(name), pretraining=False)
    output: VideoOutput = model(**inputs(file), training=False)
    text = model.text_vector(file["in/input_ids"], file["in/mask"], training=False)
    regulariser = ops.mean(losses.mixture_regulariser(output.tag_logits, output.expert_logits))
    values = {
        "p": ops.sigmoid(output.tag_logits),
        "R": regulariser,
        "embedding": output.embedding,
        "t": output.text_vector,
        "w": output.gate,
        "pooler_output" if model.config.pooling == "pooler" else "text_max": text,
    }
    experts = zip(output.expert_logits, output.expert_vectors, output.expert_embeddings, strict=True)
    for k, (logits, vector, embedding) in enumerate(experts, 1):
        values |= {f"p_{k}": ops.sigmoid(logits), f"z_{k}": logits, f"v_{k}": vector, f"e_{k}": embedding}
    for result, value in values.items():
        file.check(f"out/{result}", value, NETWORK)


def uniter(file: GoldenFile, name: str):
    """Every named output of a Uniter, and its embedding by each kind of pooling."""
    spec = registry.model_spec(name)
    model = make_model(file, spec, pretraining=True)
    output: VideoOutput = model(**inputs(file), training=False)
    text_states = output.token_states[:, : file["in/input_ids"].shape[1]]
    file.check("out/p", ops.sigmoid(output.tag_logits), NETWORK)
    file.check("out/embedding", output.embedding, NETWORK)
    file.check("out/mlm_logits", model.mlm_logits(text_states), NETWORK)
    file.check("out/fc_sequence", output.token_states, NETWORK)
    file.check("out/frame_map", model.frame_map(file["in/frames"]), NETWORK)
    for pooling in ("cls", "max"):
        pooled = make_model(file, spec, pretraining=True, pooling=pooling)
        file.check(f"out/embedding_{pooling}_pooling", pooled(**inputs(file), training=False).embedding, NETWORK)


ARCHITECTURES = {"mix_nextvlad": mix_nextvlad, "uniter": uniter}
CASES = {
    "nextvlad": nextvlad,
    "se_gate": se_gate,
    "concat_dense_se": concat_dense_se,
    **{f"{kind}_{what}": encoder for kind in ("bert", "roformer") for what in ("encoder", "multimodal")},
    **{
        make.__name__: functools.partial(ARCHITECTURES[make().architecture], name=make.__name__)
        for make in registry.ENSEMBLE_MODELS
    },
}
