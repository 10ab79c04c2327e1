"""Cases: loss terms and whole objectives, with their gradients."""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from vsim_tf import losses
from vsim_tf.golden.file import Case, GoldenFile, Tolerance, scaled, scaled_by_row
from vsim_tf.models.architectures import MixNextVLAD, SingleStream
from vsim_tf.models.mix_nextvlad import mixture
from vsim_tf.models.outputs import Experts, VideoOutput
from vsim_tf.models.sequence import text_sequence
from vsim_tf.presets import registry
from vsim_tf.presets.preset import Preset
from vsim_tf.records.schema import PairBatch, VideoBatch
from vsim_tf.tasks.masked_tokens import MaskedTokens
from vsim_tf.tasks.objective import Objective
from vsim_tf.tasks.tags import TAG_LOSSES
from vsim_tf.types import Tensor

VALUE = scaled(3e-6)
GRADIENT = scaled(1e-5)
CLIPPED_GRADIENT = scaled(2e-5)
ROW = scaled_by_row(3e-6)

ASL_SCRIPTS = ("cqrtrain_mix_roformer",)
"""The last published script of this pre-training has the ASL tag loss, the registered model BCE (quirk 29)."""

CONTRASTIVE_DIVISOR = 3
"""Golden files have ten times the sum of the contrastive losses, which the 2021 code then divides by its 3 experts."""


def script_preset(name: str, script: str) -> Preset:
    """A registered model with the tag loss that a 2021 script gave it."""
    preset = registry.preset(name)
    if script.removesuffix(".py") not in ASL_SCRIPTS:
        return preset
    return preset.replace({"pretrain.tasks.tag.form": "asl", "pretrain.tasks.expert_tags.form": "asl"})


def video_batch(**fields: Any) -> VideoBatch:
    """A batch with the given fields alone."""
    values: dict[str, Any] = dict.fromkeys(VideoBatch._fields) | {"targets": {}} | fields
    return VideoBatch(**values)


def with_gradients(function: Callable[..., Any], **arrays: np.ndarray) -> tuple[Any, dict[str, Any]]:
    """`function(**arrays)` and the gradients of the sum of its result, or of the first part of a tuple."""
    tensors = {name: tf.constant(array) for name, array in arrays.items()}
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        result = function(**tensors)
        total = ops.sum(result[0] if isinstance(result, tuple) else result)
    return result, tape.gradient(total, tensors)


def single_losses(file: GoldenFile) -> None:
    """Each loss term by itself."""
    _tag_losses(file)
    _saturated_tag_losses(file)
    _vector_losses(file)
    _regulariser(file)
    _masked_tokens(file)
    _similarity_losses(file)


TAG_TERMS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Tolerance]] = {
    "bce_pretrain": (TAG_LOSSES["bce"], VALUE),
    "bce_finetune": (TAG_LOSSES["clipped_bce"], CLIPPED_GRADIENT),
    "asl": (TAG_LOSSES["asl"], VALUE),
}
"""Tag losses of logits, and the tolerance of their gradients."""


def _tag_losses(file: GoldenFile) -> None:
    file.check("out/sigmoid", ops.sigmoid(file["in/logits"]), VALUE)
    for name, (term, tolerance) in TAG_TERMS.items():
        value, gradients = with_gradients(lambda z, term=term: term(z, file["in/labels"]), z=file["in/logits"])
        file.check(f"out/{name}", value, VALUE)
        file.check(f"out/{name}_grad_logits", gradients["z"], tolerance)


def _saturated_tag_losses(file: GoldenFile) -> None:
    """One logit a row, out to where the sigmoid is exactly 0 or 1.

    Sigmoid kernels differ there, so losses of probabilities get the probabilities of the file.
    """
    labels, p = file["in/labels_extreme"], file["out/sigmoid_extreme"]
    file.check("out/sigmoid_extreme", ops.sigmoid(file["in/logits_extreme"]), VALUE)
    value, gradients = with_gradients(lambda z: losses.bce_from_logits(z, labels), z=file["in/logits_extreme"])
    file.check("out/bce_pretrain_extreme", value, VALUE)
    file.check("out/bce_pretrain_extreme_grad_logits", gradients["z"], VALUE)
    for name, term in (("bce_finetune", losses.bce_from_probabilities), ("asl", losses.asymmetric_loss)):
        value, gradients = with_gradients(lambda p, term=term: term(p, labels), p=p)
        file.check(f"out/{name}_extreme", value, VALUE)
        ours = ops.convert_to_numpy(gradients["p"]) * p * (1 - p)
        # Where 2021 has NaN, at a positive with p = 1 (quirk 4), any finite number passes.
        file.check(f"out/{name}_extreme_grad_logits", ours, CLIPPED_GRADIENT, functools.partial(_or_ours, ours=ours))


def _or_ours(expected: np.ndarray, ours: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(expected), ours, expected)


def _vector_losses(file: GoldenFile) -> None:
    """Losses of two rows of vectors; zero vectors among them have gradients of about 10⁶ (quirk 43)."""
    for name, term, sides in (("contrastive", losses.contrastive, "vt"), ("cos", losses.cosine, ("e_1", "e_2"))):
        arrays = {side: file[f"in/{name}_{side}"] for side in sides}
        value, gradients = with_gradients(lambda term=term, **vectors: term(*vectors.values()), **arrays)
        file.check(f"out/{name}", value, VALUE)
        for side, gradient in gradients.items():
            file.check(f"out/{name}_grad_{side}", gradient, ROW)


def _similarity_losses(file: GoldenFile) -> None:
    for name, term in (("mse_sum", losses.squared_error), ("kl", losses.similarity_divergence)):
        value, gradients = with_gradients(lambda sim, term=term: term(sim, file["in/target_sim"]), sim=file["in/sim"])
        file.check(f"out/{name}", ops.sum(value), VALUE)
        file.check(f"out/{name}_grad_sim", gradients["sim"], VALUE)


def _regulariser(file: GoldenFile) -> None:
    experts = file.under("in/reg_z_")

    def mean(gate_logits: Tensor, **expert_logits: Tensor) -> Tensor:
        logits = list(expert_logits.values())
        return ops.mean(losses.mixture_regulariser(mixture(ops.softmax(gate_logits), logits), logits))

    arrays = {f"z_{k}": experts[k] for k in sorted(experts, key=int)}
    value, gradients = with_gradients(mean, gate_logits=file["in/reg_gate_logits"], **arrays)
    file.check("out/regulariser", value, VALUE)
    for name, gradient in gradients.items():
        file.check(f"out/regulariser_grad_{name}", gradient, VALUE)


def _masked_tokens(file: GoldenFile) -> None:
    targets, task = file["in/mlm_labels"], MaskedTokens()
    batch = video_batch(num_frames=np.zeros(len(targets)), targets={"tokens": targets})

    def mean(logits: Tensor) -> Tensor:
        return Objective({"mlm": task}).of_outputs(LOGITS_NETWORK, (token_output(logits),), batch)[0] / len(targets)

    value, gradients = with_gradients(mean, logits=file["in/mlm_logits"])
    file.check("out/mlm", value, VALUE)
    file.check("out/mlm_grad_logits", gradients["logits"], VALUE)


LOGITS_NETWORK = SimpleNamespace(
    heads={"mlm": lambda states, _: states}, encoder=SimpleNamespace(embedding=SimpleNamespace(word=None))
)
"""Stands for a network whose token states are token logits already."""


def token_output(logits: Tensor, embedding: Tensor = None, tags: Tensor = None) -> VideoOutput:
    """An output with states, and with the other parts that losses read."""
    return VideoOutput(embedding, {"tags": tags}, text_sequence(logits, ops.ones(logits.shape[:2])))


def total_losses(file: GoldenFile) -> None:
    """The loss of every 2021 training script as its tape got it, with the gradients of its sum."""
    for key, script in file.about["scripts"].items():
        stage, name = key.split("/")
        check_total = {"pretrain": _pretrain_total, "finetune": _pair_total}[stage]
        check_total(file, f"{stage}/out/{name}", script_preset(name, script))


def _prefix(preset: Preset) -> str:
    return {MixNextVLAD: "mix", SingleStream: "uniter"}[type(preset.model)]


def _pretrain_total(file: GoldenFile, result: str, preset: Preset) -> None:
    tags, targets = file["pretrain/in/labels"], file["pretrain/in/mask_labels"]
    batch = video_batch(num_frames=np.zeros(len(tags)), targets={"tags": tags, "tokens": targets})
    outputs = {"mix": _mix_output, "uniter": _uniter_output}[_prefix(preset)]

    def objective(**arrays: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return Objective(preset.pretrain.tasks).of_outputs(LOGITS_NETWORK, (outputs(arrays),), batch)

    (_, logs), gradients = with_gradients(objective, **file.under(f"pretrain/in/{_prefix(preset)}/"))
    means = {"total": logs["loss"], "tag": logs["tag"] + logs.get("expert_tags", 0.0)}
    if "mlm" in logs:
        means["weighted_mlm"] = logs["mlm"]
    else:
        means["ten_times_contrastive_sum"] = CONTRASTIVE_DIVISOR * logs["contrastive"]
    for name, value in means.items():
        file.check(f"{result}/{name}", value, VALUE, of=np.mean)
    for name in file.under(f"{result}/grad/"):
        file.check(f"{result}/grad/{name}", gradients[name], GRADIENT)


def _numbered(arrays: dict[str, Any], prefix: str) -> list[Any]:
    """`prefix`1, `prefix`2 ..."""
    numbers = sorted(int(name.removeprefix(prefix)) for name in arrays if name.startswith(prefix))
    return [arrays[f"{prefix}{number}"] for number in numbers]


def _mix_output(arrays: dict[str, Any]) -> VideoOutput:
    gate, logits = ops.softmax(arrays["gate_logits"]), _numbered(arrays, "z_")
    embeddings = _numbered(arrays, "e_")
    experts = Experts(logits, _numbered(arrays, "v_"), embeddings, arrays["t"], gate)
    return VideoOutput(mixture(gate, embeddings), {"tags": mixture(gate, logits)}, experts=experts)


def _uniter_output(arrays: dict[str, Any]) -> VideoOutput:
    return token_output(arrays["mlm_logits"], tags=arrays["z"])


def _pair_total(file: GoldenFile, result: str, preset: Preset) -> None:
    kl_weight = file.config["kl_weight"]
    tags = [file[f"finetune/in/labels_{i}"] for i in (1, 2)]
    videos = [video_batch(num_frames=np.zeros(len(each)), targets={"tags": each}) for each in tags]
    batch = PairBatch(videos[0], videos[1], {"similarity": file["finetune/in/sim"]})
    tasks = preset.finetune.replace({"tasks.kl.weight": kl_weight}).tasks
    logits = {name: file[f"finetune/in/{name}"] for name in ("z_1", "z_2")}

    def objective(e_1: Tensor, e_2: Tensor, z_1: Tensor, z_2: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        outputs = (VideoOutput(e_1, {"tags": z_1}), VideoOutput(e_2, {"tags": z_2}))
        return Objective(tasks).of_outputs(None, outputs, batch)

    (_, logs), gradients = with_gradients(objective, **file.under(f"finetune/in/{_prefix(preset)}/"), **logits)
    file.check(f"{result}/total", logs["loss"], VALUE, of=np.mean)
    file.check(f"{result}/mse_sum", logs["mse"], VALUE)
    file.check(f"{result}/kl", logs["kl"], VALUE, of=lambda kl: kl_weight * kl)
    for name, gradient in gradients.items():
        file.check(f"{result}/grad/{name}", gradient, GRADIENT)


CASES: dict[str, Case] = {"losses": single_losses, "total_losses": total_losses}
