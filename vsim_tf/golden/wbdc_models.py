"""Cases of the WeChat 2022 system: forward passes, and losses with their gradients."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from vsim_tf import losses
from vsim_tf.golden.file import EXACT, Case, GoldenFile, relative, scaled, scaled_by_row, to_largest
from vsim_tf.golden.wbdc_weights import NOISE, make_network, sized, torch_weights, videos
from vsim_tf.layers.normalize import l2_normalize
from vsim_tf.layers.transformer import score_bias
from vsim_tf.models.network import VideoNetwork
from vsim_tf.models.sequence import Sequence
from vsim_tf.models.two_stream import TwoStreamNetwork
from vsim_tf.presets import wbdc2022_rank8
from vsim_tf.records.schema import IGNORED_TOKEN, VideoBatch
from vsim_tf.tasks.batch_parts import JOINT, NO_FRAMES, NO_TEXT, PARTS, bounds
from vsim_tf.tasks.classes import Classes
from vsim_tf.tasks.contrast import JointContrast, ScaledContrast
from vsim_tf.tasks.forward import call_network
from vsim_tf.tasks.masked_frames import HEAD as FRAME_HEAD
from vsim_tf.tasks.masked_frames import MaskedSlots, real_frames
from vsim_tf.tasks.masked_tokens import MaskedTokens
from vsim_tf.tasks.matching import Matching
from vsim_tf.tasks.objective import Objective
from vsim_tf.tasks.task import Task

STATES, TERM, GRADIENT = scaled(5e-6), relative(3e-6), to_largest(1e-5)
CLIP_GRADIENT = to_largest(3e-5)


def single_stream(file: GoldenFile) -> None:
    """The whole forward pass on stored features, all heads, and the pass without frames."""
    model = sized(file, wbdc2022_rank8.single_stream(), file.config["frame_slots"], tower=False)
    tasks: dict[str, Task] = wbdc2022_rank8.pretrain_tasks() | {"classes": Classes()}
    network = make_network(file, model, tasks.values())
    batch = videos(file)
    embedded = network.sequence(batch.input_ids, batch.attention_mask, batch.frames, batch.num_frames)
    file.check("out/embedding_output", embedded.states, STATES)
    _check_layers(file, network, embedded)
    output = call_network(network, batch, training=False)
    sequence = output.sequence
    assert sequence is not None
    file.check("out/last_hidden_state", sequence.states, STATES)
    file.check("out/mean_pool", output.embedding, STATES)
    file.check("out/mlm_logits", MaskedTokens.logits(network, sequence.span("text").states), STATES)
    file.check("out/itm_logits", Matching.logits(network, sequence.first("cls")), STATES)
    file.check("out/frame_head", network.heads[FRAME_HEAD](sequence.span("frames").states), STATES)
    file.check("out/text_only/last_hidden_state", network.text_alone(batch.input_ids, batch.attention_mask).states, STATES)
    _check_classes(file, Classes.logits(network, output.embedding))
    file.check("out/class_prediction", np.argmax(file["out/class_logits"], axis=1), EXACT)
    file.check("out/class_cross_entropy", _mean_cross_entropy(file, network, output.embedding), TERM)
    file.leave_out("out/pooler_idle")  # computed by the original, read by nothing


def _check_layers(file: GoldenFile, network: VideoNetwork, embedded: Any) -> None:
    states, bias = embedded.states, score_bias(embedded.mask, embedded.states.dtype)
    for number, block in enumerate(network.encoder.blocks):
        states = block(states, bias)
        file.check(f"out/layer_{number}", states, STATES)


def _check_classes(file: GoldenFile, logits: Any) -> None:
    file.check("out/class_logits", logits, STATES)


def _mean_cross_entropy(file: GoldenFile, network: VideoNetwork, embedding: Any) -> Any:
    return ops.mean(losses.cross_entropy(Classes.logits(network, embedding), file["in/labels"].astype("int32")))


# --- pre-training of the single stream --------------------------------------------------------------------------------


def pretrain_batch(file: GoldenFile, prefix: str, step: int | None = None) -> VideoBatch:
    """A batch as the tasks' corruptions leave it, with what the file says was drawn."""

    def array(name: str) -> Any:
        value = file[f"{prefix}{name}"]
        return value if step is None else value[step]

    clean = videos(file, prefix, step)
    rows = len(clean.num_frames)
    first, _ = bounds(JOINT, rows)
    inside = {part: _inside(part, rows) for part in PARTS}
    joint, hidden, no_text = (inside[part] for part in (JOINT, NO_FRAMES, NO_TEXT))
    real = np.arange(clean.frames.shape[1]) < clean.num_frames.numpy()[:, None]
    masked = _below(first, array("mfm_chosen") > 0)
    mask_token, token = file.config["special_ids"]["MASK"], clean.attention_mask.numpy() > 0
    ids = np.concatenate([clean.input_ids.numpy()[:first], array("mlm_ids").astype("int32")])
    ids = np.where(no_text[:, None] & token, mask_token, ids)
    frames = np.where((masked | (hidden[:, None] & real))[..., None], 0, clean.frames.numpy())
    labels = _below(first, array("mlm_labels").astype("int32"), IGNORED_TOKEN)
    order = np.arange(rows)
    half = first + (rows - first) // 2
    order[half:] = order[half:][::-1]
    targets = {
        "context_ids": array("ocr_asr_ids").astype("int32"), "context_mask": array("ocr_asr_mask").astype("int32"),
        "clean/input_ids": clean.input_ids, "clean/frames": clean.frames, "clean/num_frames": clean.num_frames,
        "tokens/joint": labels, "tokens/no_text": np.where(no_text[:, None] & token, clean.input_ids, IGNORED_TOKEN),
        "frames/joint": clean.frames, "masked_frames/joint": masked, "rows/joint": joint,
        "frames/no_frames": clean.frames, "masked_frames/no_frames": hidden[:, None] & real, "rows/no_frames": hidden,
        "matching": (order == np.arange(rows)).astype("float32"),
    }  # fmt: skip
    batch: VideoBatch = tf.nest.map_structure(
        tf.constant,
        clean._replace(input_ids=ids, frames=frames[order], num_frames=clean.num_frames.numpy()[order], targets=targets),
    )
    return batch


def _inside(part: str, rows: int) -> np.ndarray:
    first, end = bounds(part, rows)
    places = np.arange(rows)
    inside: np.ndarray = (places >= first) & (places < end)
    return inside


def _below(rows: int, array: np.ndarray, fill: Any = False) -> np.ndarray:
    """An array behind so many rows that it lacks."""
    return np.concatenate([np.full((rows, *array.shape[1:]), fill, array.dtype), array])


def pretrain_losses(file: GoldenFile) -> None:
    """All terms, the total with its gradients, and which rows are treated how, of batches of several sizes."""
    tasks = wbdc2022_rank8.pretrain_tasks()
    model = sized(file, wbdc2022_rank8.single_stream(), file.config["frame_slots"], tower=False)
    network = make_network(file, model, tasks.values())
    for size in file.config["batches_pretrain"]:
        _check_batch(file, network, tasks, f"batch_{size}")


def _check_batch(file: GoldenFile, network: VideoNetwork, tasks: Mapping[str, Task], name: str) -> None:
    batch = pretrain_batch(file, f"in/{name}/")
    _check_fed(file, batch, name)
    objective = Objective(tasks)
    with tf.GradientTape() as tape:
        outputs = (call_network(network, batch, training=True),)
        _, logs = objective.of_outputs(network, outputs, batch)
    rows = len(batch.num_frames)
    first, _ = bounds(JOINT, rows)
    sequence = outputs[0].sequence
    assert sequence is not None
    file.check(f"out/{name}/last_hidden_state", sequence.states, STATES)
    file.check(f"out/{name}/mlm_logits", MaskedTokens.logits(network, sequence.span("text").states), STATES)
    file.check(f"out/{name}/itm_logits", Matching.logits(network, sequence.first("cls")[first:]), STATES)
    terms = {key: float(logs[key]) / task.weight for key, task in tasks.items()}
    for key in ("mlm", "itm", "mfm", "mmm_text", "mmm_video"):
        file.check(f"out/{name}/loss/{key}", terms[key], TERM)
    both = float(file[f"out/{name}/loss/ict_b_to_a"]) + float(file[f"out/{name}/loss/ict_a_to_b"])
    file.check(f"out/{name}/loss/ict_b_to_a", terms["ict"] / both, TERM, of=lambda value: value / value)
    file.check(f"out/{name}/loss/ict_a_to_b", terms["ict"] / both, TERM, of=lambda value: value / value)
    file.check(f"out/{name}/loss/total", logs["loss"], TERM)
    file.check(f"out/{name}/loss/printed_mmm_text", terms["mmm_text"] / 2, TERM)
    check_gradients(file, network, tape, logs["loss"], f"grad/{name}/")
    similarity = _products(*JointContrast().vectors(network, batch, training=False))
    file.check(f"out/{name}/ict_similarity", similarity, STATES)
    _check_frame_logits(file, network, batch, sequence, name)


def _products(first: Any, second: Any) -> Any:
    """Cosines of all rows of two arrays."""
    return ops.matmul(l2_normalize(first), ops.transpose(l2_normalize(second)))


def _check_frame_logits(file: GoldenFile, network: VideoNetwork, batch: VideoBatch, sequence: Sequence, name: str) -> None:
    """Logits of all frames of a part with all of them, and the same with 1e8 subtracted at padding."""
    states = sequence.span("frames").states
    for part, key, task in ((JOINT, "mfm", MaskedSlots(part=JOINT)), (NO_FRAMES, "mmm_video", MaskedSlots(part=NO_FRAMES))):
        first, end = bounds(part, len(states))
        rows = task.shared_rows(batch).rows
        predicted = ops.reshape(network.heads[FRAME_HEAD](states[first:end]), (len(rows), -1))
        real = ops.reshape(real_frames(batch)[first:end], (-1,))
        file.check(f"out/{name}/{key}_logits_masked", task.logits(predicted, real, rows), scaled_by_row(5e-6))
        if key == "mfm":
            file.check(f"out/{name}/mfm_logits", ops.matmul(predicted, ops.transpose(rows[:, :-1])), STATES)


def _check_fed(file: GoldenFile, batch: VideoBatch, name: str) -> None:
    fed = {"fed_ids": batch.input_ids, "fed_text_mask": batch.attention_mask, "fed_frames": batch.frames}
    real = np.arange(batch.frames.shape[1]) < batch.num_frames.numpy()[:, None]
    for key, value in (fed | {"fed_frame_mask": real}).items():
        file.check(f"out/{name}/{key}", value, EXACT)
    first, _ = bounds(JOINT, len(batch.num_frames))
    file.check(f"out/{name}/itm_label", batch.targets["matching"][first:], EXACT)
    text = batch.targets["tokens/no_text"].numpy()[_inside(NO_TEXT, len(real))]
    file.check(f"out/{name}/mmm_text_labels", text, EXACT)
    for part, key in ((JOINT, "mfm_index"), (NO_FRAMES, "mmm_video_index")):
        masked = batch.targets[f"masked_frames/{part}"].numpy()[_inside(part, len(real))]
        numbers = np.arange(masked.size).reshape(masked.shape)
        file.check(f"out/{name}/{key}", np.where(masked, numbers, IGNORED_TOKEN), EXACT)


def check_gradients(
    file: GoldenFile, network: VideoNetwork, tape: tf.GradientTape, loss: Any, prefix: str = "grad/", tolerance: Any = GRADIENT
) -> None:
    """Gradients of all weights, and which weights have none."""
    variables = network.trainable_variables
    found = {id(v): g for v, g in zip(variables, tape.gradient(loss, [v.value for v in variables]), strict=True)}
    expected = file.under(prefix)
    weights = torch_weights(network, {name: array.shape for name, array in expected.items()})
    for name in expected:
        if NOISE.fullmatch(name):
            file.leave_out(prefix + name)
        elif name not in weights:
            file.check_equal(f"{name} has no place", not np.any(expected[name]), True)
            file.leave_out(prefix + name)
        else:
            gradient = tf.convert_to_tensor(found[id(weights[name].weight.variable)])
            file.check(prefix + name, weights[name].of(gradient.numpy()), tolerance)


# --- two streams, two towers ------------------------------------------------------------------------------------------


def two_stream(file: GoldenFile) -> None:
    """Both streams, every cross layer, logits and gradients; with or without a tower in front."""
    with_tower = file["in/frames"].ndim == 5
    model = sized(file, wbdc2022_rank8.two_stream(), file.config["frame_slots"], tower=with_tower)
    network = make_network(file, model, [Classes()])
    assert isinstance(network, TwoStreamNetwork)
    batch = videos(file, classes=file["in/labels"].astype("int32"))
    with tf.GradientTape() as tape:
        output = call_network(network, batch, training=True)
        _, logs = Objective({"classes": Classes()}).of_outputs(network, (output,), batch)
    _check_streams(file, network, batch)
    logits = Classes.logits(network, output.embedding)
    file.check("out/embedding", output.embedding, STATES)
    file.check("out/class_logits", logits, STATES)
    file.check("out/cross_entropy", logs["loss"], TERM)
    file.check("out/accuracy", np.mean(np.argmax(logits, axis=1) == file["in/labels"]), EXACT)
    check_gradients(file, network, tape, logs["loss"])
    _check_frozen(file, network)


def _check_streams(file: GoldenFile, network: TwoStreamNetwork, batch: VideoBatch) -> None:
    before = network.features(batch.frames, batch.num_frames)
    mask = network.vision_mask(before, batch.num_frames)
    file.check("out/vision_input", network.frame_block.with_class_vector(before), STATES)
    file.check("out/vision_mask", ops.cast(mask, "float32"), EXACT)
    streams = network.streams(batch.input_ids, batch.attention_mask, before, mask)
    file.check("out/text_states", streams[0], STATES)
    file.check("out/vision_states", streams[1], STATES)
    biases = tuple(score_bias(each, "float32") for each in (batch.attention_mask, mask))
    for name, states in zip(("text", "vision"), network.cross[0].cross(streams, biases), strict=True):
        file.check(f"out/cross_0/{name}_after_cross_attention", states, STATES)
    for number, layer in enumerate(network.cross):
        streams = layer(streams, biases)
        for name, states in zip(("text", "vision"), streams, strict=True):
            file.check(f"out/cross_{number}/{name}", states, STATES)


def _check_frozen(file: GoldenFile, network: VideoNetwork) -> None:
    shapes = {name: array.shape for name, array in file.under("w/").items()}
    trained = {id(variable) for variable in network.trainable_variables}
    weights = torch_weights(network, shapes)
    # of a fused weight all thirds are frozen together
    frozen = [name for name, weight in weights.items() if id(weight.weight.variable) not in trained]
    file.check_equal("frozen", sorted(frozen), sorted(file.about["frozen"]))


def clip_pretrain(file: GoldenFile) -> None:
    """Vectors of both towers, logits, the loss and its gradients, that of the scale among them."""
    tasks: dict[str, Task] = {"contrast": ScaledContrast()}
    model = sized(file, wbdc2022_rank8.dual_encoder(), file.config["clip_frames"], tower=True)
    network = make_network(file, model, tasks.values())
    batch = videos(file)
    with tf.GradientTape() as tape:
        output = call_network(network, batch, training=True)
        _, logs = Objective(tasks).of_outputs(network, (output,), batch)
    assert output.text is not None
    file.check("out/image_pooled", network.features(batch.frames, batch.num_frames), STATES)
    file.check("out/text_last_hidden_state", network.text_states(batch.input_ids, batch.attention_mask), STATES)
    file.check("out/image_vector", output.embedding, STATES)
    file.check("out/text_vector", output.text, STATES)
    _check_clip_logits(file, network, output.embedding, output.text)
    file.check("out/loss", logs["loss"], TERM)
    check_gradients(file, network, tape, logs["loss"], tolerance=CLIP_GRADIENT)


def _check_clip_logits(file: GoldenFile, network: VideoNetwork, video: Any, text: Any) -> None:
    scale = ops.exp(network.heads["scale"].value)
    logits = _products(video, text) * scale
    for name, each in {"image": logits, "text": ops.transpose(logits)}.items():
        file.check(f"out/logits_per_{name}", each, scaled(5e-6))
        file.check(f"out/loss_{name}", ops.mean(losses.cross_entropy(each, ops.arange(len(each)))), TERM)


CASES: dict[str, Case] = {
    "wbdc_single_stream": single_stream,
    "wbdc_pretrain_losses": pretrain_losses,
    "wbdc_two_stream": two_stream,
    "wbdc_two_stream_clip": two_stream,
    "wbdc_clip_pretrain": clip_pretrain,
}
