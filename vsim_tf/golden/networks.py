"""Cases: single layers, encoders and whole models at inference."""

import functools
from typing import Any

from keras import ops

from vsim_tf import losses
from vsim_tf.golden.file import Case, GoldenFile, scaled
from vsim_tf.golden.weights import encoder_config, encoder_weights, fill, layer_weights, make_network
from vsim_tf.layers.fusion import ConcatDenseSE, SEGate
from vsim_tf.layers.nextvlad import NeXtVLAD
from vsim_tf.layers.transformer import TransformerEncoder
from vsim_tf.models.architectures import MixNextVLAD, SingleStream
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.models.sequence import frame_sequence, joined, text_sequence
from vsim_tf.presets import registry
from vsim_tf.tasks.masked_tokens import MaskedTokens
from vsim_tf.tasks.tags import Tags

LAYER = scaled(2e-6)
NETWORK = scaled(5e-6)


def nextvlad(file: GoldenFile) -> None:
    """The layer alone: inference, training, and the moving statistics that one training call leaves."""
    config = file.config
    layer = NeXtVLAD(
        config["clusters"], config["groups"], config["expansion"], config["vlad_hidden"], dropout=0.0, name="nextvlad"
    )
    frames, num_frames = file["in/frames"], ops.reshape(file["in/num_frames"], (-1,))
    mask = ops.arange(frames.shape[1]) < ops.expand_dims(num_frames, -1)
    layer.build(frames.shape, mask.shape)
    fill(layer_weights(layer), file.under("w/"))
    file.check("out/inference", layer(frames, mask, training=False), LAYER)
    file.check("out/vlad_flat_inference", layer.vlad(ops.convert_to_tensor(frames), mask, training=False), LAYER)
    file.check("out/training", layer(frames, mask, training=True), LAYER)
    for name in ("moving_mean", "moving_variance"):
        file.check(f"out/cluster_bn/{name}_after_one_training_call", getattr(layer.cluster_norm, name), LAYER)


def se_gate(file: GoldenFile) -> None:
    """The squeeze-and-excitation gate alone."""
    layer = SEGate(file.config["se_ratio"], name="se")
    layer.build(file["in/x"].shape)
    fill(layer_weights(layer), file.under("w/"))
    file.check("out/y", layer(file["in/x"]), LAYER)


def concat_dense_se(file: GoldenFile) -> None:
    """Dense and gate over two vectors."""
    layer = ConcatDenseSE(file.config["emb"], file.config["se_ratio"], dropout=0.0, name="fusion")
    layer.build(file["in/v"].shape, file["in/t"].shape)
    fill(layer_weights(layer), file.under("w/"))
    file.check("out/e", layer(file["in/v"], file["in/t"])[0], LAYER)


def encoder(file: GoldenFile) -> None:
    """BERT or RoFormer over text, or over text and frames where the file has frames."""
    config = encoder_config(file)
    model = TransformerEncoder(config, pooler="out/pooler_output" in file.arrays)
    model.build()
    fill(encoder_weights(model), file.under("w/"))
    sequence = text_sequence(model.embed(file["in/input_ids"], training=False), file["in/mask"])
    if "in/frame_features" in file.arrays:
        frames, mask = ops.convert_to_tensor(file["in/frame_features"]), file["in/frame_mask"]
        of_frames = frame_sequence(frames, mask.sum(axis=1).astype("int32"), frames.shape[1])._replace(
            mask=ops.cast(mask, "bool")
        )
        sequence = joined(sequence, of_frames, file["in/input_ids"].shape[1])
    states = model(sequence.states, sequence.mask, sequence.positions, training=False)
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


def mix_nextvlad(file: GoldenFile, name: str) -> None:
    """Every named output of a MixNextVLAD."""
    network = make_network(file, registry.preset(name), [Tags()])
    output: VideoOutput = network(**inputs(file), training=False)
    experts, logits = output.experts, output.logits["tags"]
    assert experts is not None and isinstance(network.config, MixNextVLAD)
    text = network.text_vector(file["in/input_ids"], file["in/mask"], training=False)
    values = {
        "p": ops.sigmoid(logits),
        "R": ops.mean(losses.mixture_regulariser(logits, experts.logits)),
        "embedding": output.embedding,
        "t": experts.text,
        "w": experts.gate,
        "pooler_output" if network.config.text_pooling.uses_pooler else "text_max": text,
    }
    for k, (z, v, e) in enumerate(zip(experts.logits, experts.vectors, experts.embeddings, strict=True), 1):
        values |= {f"p_{k}": ops.sigmoid(z), f"z_{k}": z, f"v_{k}": v, f"e_{k}": e}
    for result, value in values.items():
        file.check(f"out/{result}", value, NETWORK)


def uniter(file: GoldenFile, name: str) -> None:
    """Every named output of a Uniter, and its embedding by each kind of pooling."""
    preset, tasks = registry.preset(name), [Tags(), MaskedTokens()]
    network = make_network(file, preset, tasks)
    output: VideoOutput = network(**inputs(file), training=False)
    assert output.sequence is not None
    file.check("out/p", ops.sigmoid(output.logits["tags"]), NETWORK)
    file.check("out/embedding", output.embedding, NETWORK)
    file.check("out/mlm_logits", MaskedTokens.logits(network, output.sequence.span("text").states), NETWORK)
    file.check("out/fc_sequence", output.sequence.states, NETWORK)
    file.check("out/frame_map", network.frame_map(file["in/frames"]), NETWORK)
    for pooling in ("cls", "max"):
        pooled = make_network(file, preset, tasks, pooling)
        file.check(f"out/embedding_{pooling}_pooling", pooled(**inputs(file), training=False).embedding, NETWORK)


ARCHITECTURES = {MixNextVLAD: mix_nextvlad, SingleStream: uniter}
CASES: dict[str, Case] = {
    "nextvlad": nextvlad,
    "se_gate": se_gate,
    "concat_dense_se": concat_dense_se,
    **{f"{kind}_{what}": encoder for kind in ("bert", "roformer") for what in ("encoder", "multimodal")},
    **{
        make.__name__: functools.partial(ARCHITECTURES[type(make().model)], name=make.__name__)
        for make in registry.SYSTEMS["aiac2021_rank4"]
    },
}
