"""Cases of the 1st place: forward passes, losses with their gradients, and first weights."""

from typing import Any

import numpy as np
import tensorflow as tf

from vsim_tf import losses
from vsim_tf.golden.file import EXACT, Case, GoldenFile, relative, scaled, to_largest
from vsim_tf.golden.qq_weights import DEAD, NOISE, make_network, pairs, preset_of, torch_weights, videos
from vsim_tf.input.masking import frame_probability, replaced_tokens, token_probability
from vsim_tf.models.network import VideoNetwork
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.records.ranks import rank_normalized
from vsim_tf.records.schema import IGNORED_TOKEN, PairBatch, VideoBatch
from vsim_tf.tasks.forward import call_elements, call_network
from vsim_tf.tasks.masked_frames import HEAD as FRAME_HEAD
from vsim_tf.tasks.masked_frames import MaskedFrames, real_frames
from vsim_tf.tasks.masked_tokens import MaskedTokens
from vsim_tf.tasks.matching import HEAD as MATCHING_HEAD
from vsim_tf.tasks.matching import Matching, reversed_behind
from vsim_tf.tasks.objective import Objective
from vsim_tf.tasks.pair_similarity import MeanSquaredError
from vsim_tf.tasks.task import Task

EMBEDDING, OUTPUT = scaled(3e-6), scaled(5e-6)
TERM = relative(3e-6)
GRADIENT = to_largest(2e-5)
PAIR = scaled(2e-6)
VALIDATION_FACTOR = {"number of active tasks": 1250.0, "literal 3": 1250.0 / 3}
"""Of the tag loss that the original prints, by its divisor of loss weights (docs/facts_rank1.md 5)."""
TASK_NAMES = {"tag": "tag", "mlm": "mlm", "mfm": "mfm", "mvm": "mfm", "itm": "itm"}
"""Names of tasks in the original, and in the presets."""


def tasks_of(file: GoldenFile, names: list[str] | None = None) -> dict[str, Task]:
    """The tasks of a file's job with the weights that the file states."""
    preset = preset_of(file)
    known: dict[str, Task] = preset.pretrain.tasks | {"itm": Matching()}
    factors = file.about.get("factors", {})
    for name, task in preset.pretrain.tasks.items():
        if name in factors and "itm" not in factors:
            file.check_equal(f"factor {name}", bool(np.isclose(task.weight, factors[name], rtol=1e-12)), True)
    return {
        TASK_NAMES[name]: known[TASK_NAMES[name]].replace(weight=factors.get(TASK_NAMES[name]))
        for name in names or file.config["tasks"]
    }


def model(file: GoldenFile) -> None:
    """The whole forward pass, nothing masked."""
    preset = preset_of(file)
    network = make_network(file, preset.model, tasks_of(file).values())
    output = call_network(network, videos(file), training=False)
    sequence = output.sequence
    assert sequence is not None
    file.check("out/last_hidden_state", sequence.states, OUTPUT)
    file.check("out/embedding_normalised", output.embedding, EMBEDDING)
    file.check("out/embedding", _before_norm(file, network).embedding, EMBEDDING)
    file.check("out/tag_logits", output.logits["tags"], OUTPUT)
    file.check("out/mlm_logits", MaskedTokens.logits(network, sequence.span("text").states), OUTPUT)
    file.check("out/mfm_output", network.heads[FRAME_HEAD](sequence.span("frames").states), OUTPUT)
    if "out/pool_weights" in file.arrays:
        file.check("out/pool_weights", network.pool.weights_of(sequence.states, sequence.counted(padding=True)), EMBEDDING)


def _before_norm(file: GoldenFile, network: VideoNetwork) -> VideoOutput:
    """The output with the embedding before it is scaled to unit norm."""
    config = network.config.replace(unit_norm=False)
    return call_network(make_network(file, config, tasks_of(file).values()), videos(file), training=False)


def pretrain_losses(file: GoldenFile) -> None:
    """The terms, the total with all gradients, and what is masked with which probability."""
    tasks = {name: task for name, task in tasks_of(file).items() if f"out/{name}_loss" in file.arrays}
    _check_masking(file, tasks)
    network = make_network(file, preset_of(file).model, tasks.values())
    frames = file.arrays.get("in/itm_frames", file.arrays.get("in/masked_frames", file["in/frames"]))
    batch = videos(file, input_ids=file["in/masked_ids"], frames=frames)
    objective = Objective(tasks)
    with tf.GradientTape() as tape:
        outputs = call_elements(network, batch, training=True)
        _, logs = objective.of_outputs(network, outputs, batch)
    file.check("out/total_loss", logs["loss"], TERM)
    for name, task in tasks.items():
        file.check(f"out/{name}_loss", float(logs[name]) / task.weight, TERM)
    file.check("out/embedding_normalised", outputs[0].embedding, EMBEDDING)
    if "itm" in tasks:
        assert outputs[0].sequence is not None
        file.check("out/itm_logits", Matching.logits(network, outputs[0].sequence.first("cls")), OUTPUT)
    check_gradients(file, network, tape, logs["loss"])
    if "tag" in tasks:
        clean = {"tag": tasks["tag"]}
        _, validation = Objective(clean)(network, videos(file), training=False)
        factor = VALIDATION_FACTOR[file.config["divisor"]]
        file.check("out/validation_loss", float(validation["tag"]) / tasks["tag"].weight * factor, TERM)


def _check_masking(file: GoldenFile, tasks: dict[str, Task]) -> None:
    """Probabilities, and what the draws of the file make of tokens and frames."""
    config, ids = file.config, file["in/input_ids"]
    mlm, mfm = tasks["mlm"], tasks.get("mfm")
    assert isinstance(mlm, MaskedTokens) and mlm.spare_unknown
    spared = [config[f"{name}_token_id"] for name in ("pad", "cls", "sep", "mask", "unk")]
    probability = token_probability(ids, spared, mlm.probability)
    file.check("out/mlm_probability", probability, scaled(1e-7))
    token, by_mask, by_random = (file[f"in/choice_{name}"] > 0 for name in ("token", "replace", "random"))
    masked, labels = replaced_tokens(
        ids, token & (probability > 0), by_mask, by_random, file["in/random_words"], config["mask_token_id"]
    )
    for name, ours in {"masked_ids": masked, "mlm_labels": labels}.items():
        file.check_equal(name, bool(np.array_equal(ours, file[f"in/{name}"])), True)
    if isinstance(mfm, MaskedFrames):
        real = real_frames(videos(file))
        chosen = (file["in/frame_choice"] > 0) & real.numpy()
        file.check("out/frame_probability", frame_probability(real, mfm.probability), scaled(1e-7))
        numbers = np.arange(chosen.size).reshape(chosen.shape)
        file.check("out/frame_labels", np.where(chosen, numbers, IGNORED_TOKEN), EXACT)
    if "itm" in tasks:
        reversed_half = reversed_behind(videos(file, frames=file["in/masked_frames"]), len(file["in/masked_frames"]) // 2)
        file.check_equal("itm_frames", bool(np.array_equal(reversed_half.frames, file["in/itm_frames"])), True)
        file.check("out/itm_label", reversed_half.targets["matching"], EXACT)
        file.check_equal("itm head", MATCHING_HEAD in file.about["factors"], True)


def check_gradients(file: GoldenFile, network: VideoNetwork, tape: tf.GradientTape, loss: Any) -> None:
    """Gradients of all weights, and which weights have none."""
    variables = network.trainable_variables
    found = {id(v): g for v, g in zip(variables, tape.gradient(loss, [v.value for v in variables]), strict=True)}
    weights = torch_weights(network, file.under("w/"))
    for name, weight in weights.items():
        gradient = found[id(weight.weight.variable)]
        if NOISE.fullmatch(name):
            file.leave_out(f"grad/{name}")
        elif name in file.about["no_gradient"]:
            file.check_equal(f"no gradient: {name}", gradient is None, True)
        else:
            file.check(f"grad/{name}", weight.of(tf.convert_to_tensor(gradient).numpy()), GRADIENT)


def finetune_loss(file: GoldenFile) -> None:
    """Rank-normalised labels, and the squared error of cosines of bare vectors."""
    for suffix in ("", "_no_extremes"):
        file.check(f"out/rank_normalised{suffix}", rank_normalized(file[f"in/scores{suffix}"]), scaled(1e-12))
    vectors = [tf.constant(file[f"in/e_{number}"]) for number in (1, 2)]
    element = _count_alone(len(vectors[0]))
    batch = PairBatch(element, element, {"similarity": tf.constant(file["in/target"])})
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        outputs = tuple(VideoOutput(vector, {}) for vector in vectors)
        _, logs = Objective({"mse": MeanSquaredError()}).of_outputs(None, outputs, batch)
    file.check("out/cosine", losses.cosine(*vectors), PAIR)
    file.check("out/loss", logs["loss"], PAIR)
    for number, gradient in enumerate(tape.gradient(logs["loss"], vectors), start=1):
        file.check(f"grad/e_{number}", gradient, GRADIENT)


def _count_alone(number: int) -> VideoBatch:
    """Videos of which nothing but their number is known."""
    fields: dict[str, Any] = dict.fromkeys(VideoBatch._fields)
    return VideoBatch(**fields | {"num_frames": np.zeros(number), "targets": {}})


def finetune_network_loss(file: GoldenFile) -> None:
    """The same through the network, with all gradients."""
    preset = preset_of(file)
    network = make_network(file, preset.model, preset.finetune.tasks.values())
    batch = pairs(file)
    with tf.GradientTape() as tape:
        outputs = call_elements(network, batch, training=True)
        _, logs = Objective(preset.finetune.tasks).of_outputs(network, outputs, batch)
    whole = make_network(file, preset.model.replace(unit_norm=False), preset.finetune.tasks.values())
    for number, output in enumerate(call_elements(whole, batch, training=False), start=1):
        file.check(f"out/embedding_{number}", output.embedding, EMBEDDING)
    file.check("out/cosine", losses.cosine(*(output.embedding for output in outputs)), PAIR)
    file.check("out/loss", logs["loss"], TERM)
    check_gradients(file, network, tape, logs["loss"])


def initial_weights(file: GoldenFile) -> None:
    """Kind, bounds and standard deviation of every weight of a new model."""
    for key, parameters in file.about["parameters"].items():
        job, start = key.split("_", 1)
        _check_initial(file, job, start, parameters)


def _check_initial(file: GoldenFile, job: str, start: str, parameters: dict[str, Any]) -> None:
    from vsim_tf.models.build import build_network
    from vsim_tf.presets import registry

    config = file.config
    preset = registry.preset(f"qq_{job}")
    sizes = {
        "encoder.vocab_size": config["vocab"], "encoder.hidden_size": config["hidden"], "encoder.num_layers": config["layers"],
        "encoder.num_heads": config["heads"], "encoder.intermediate_size": config["ffn"],
        "encoder.max_positions": config["max_pos"], "frames.dim": config["frame_size"], "num_tags": config["tags"],
        "embedding_size": config["emb"], "encoder.initializer_range": config["initializer_range"],
    }  # fmt: skip
    tasks = preset.pretrain.tasks | {"mfm": MaskedFrames(), "itm": Matching()}
    network = build_network(preset.model.replace(sizes), tasks.values())
    weights = torch_weights(network, parameters)
    file.check_equal(f"{job} {start}: parameters", sorted(set(parameters) - set(weights)), [DEAD] * (DEAD in parameters))
    for name, weight in weights.items():
        if parameters[name]["kind"] != "checkpoint":
            _check_distribution(file, f"{job} {start}: {name}", weight.read(), parameters[name])


def _check_distribution(file: GoldenFile, name: str, value: np.ndarray, about: dict[str, Any]) -> None:
    kind = about["kind"]
    file.check_equal(f"{name}: shape", list(value.shape), about["shape"])
    if kind.startswith("constant"):
        file.check_equal(name, bool((value == float(kind.split()[1])).all()), True)
        return
    if kind.startswith("uniform"):
        limit = about["bound_1_over_sqrt_fan_in"]
        file.check_equal(f"{name}: bounds", bool(np.abs(value).max() <= limit), True)
        expected = limit / 3**0.5
    else:
        expected = file.config["initializer_range"]
        if "padding row" in kind:
            row = int(kind.split("padding row ")[1].split()[0])
            file.check_equal(f"{name}: padding", bool((value[row] == 0).all()), True)
            value = np.delete(value, row, axis=0)
    if value.size > 1000:  # of fewer numbers the standard deviation says little
        file.check_equal(f"{name}: std", bool(abs(value.std() / expected - 1) < 0.1), True)
        largest = np.abs(value).max() / expected
        file.check_equal(f"{name}: tails", bool(largest > 3 if kind.startswith("normal") else largest <= 3**0.5 + 1e-6), True)


VARIANTS = ("cls_mean", "frames_mean", "cls_att")
LOSS_FILES = (
    *VARIANTS, *(f"{variant}_itm" for variant in VARIANTS), "frames_mean_no_mfm", "cls_mean_job6", "cls_att_some_tags",
    "cls_att_no_tags",
)  # fmt: skip
CASES: dict[str, Case] = {
    **{f"qq_model_{variant}": model for variant in VARIANTS},
    **{f"qq_losses_{name}": pretrain_losses for name in LOSS_FILES},
    "qq_finetune_loss": finetune_loss,
    **{f"qq_finetune_loss_{variant}": finetune_network_loss for variant in VARIANTS},
    "qq_init": initial_weights,
}
