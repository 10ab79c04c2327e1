"""config.json of earlier versions in the present form."""

from typing import Any

from vsim_tf.components import TYPE

POOLINGS: dict[tuple[str, str], dict[str, Any]] = {
    ("uniter", "mean"): {TYPE: "mean", "padding": True},
    ("uniter", "cls"): {TYPE: "cls"},
    ("uniter", "max"): {TYPE: "max", "padding": False},
    ("mix_nextvlad", "pooler"): {TYPE: "pooler"},
    ("mix_nextvlad", "max"): {TYPE: "max", "padding": True},
}
ENCODER, HEADS, EMBEDDING_BLOCK = r"encoder/.*", r"(?!encoder/).*", r"encoder/embedding/(?!project/).*"
PRETRAIN_TASKS = {
    "tag": "tags", "expert_tags": "expert_tags", "regulariser": "mixture_regulariser", "contrastive": "contrast",
    "mlm": "masked_tokens",
}  # fmt: skip


def migrate_flat_config(config: dict[str, Any]) -> dict[str, Any]:
    """From the first form, in which a model was one flat list of settings and a stage had two schedules.

    Args:
        config: the whole config.json; one in the present form is returned as it is.

    Raises:
        KeyError, TypeError, AttributeError: a setting of the first form is missing or of another type.
    """
    model = config["model"]
    if "architecture" not in model:
        return config
    return config | {"model": _model(model), "training": _stage(config["kind"], model, config["training"])}


def _model(old: dict[str, Any]) -> dict[str, Any]:
    ignore_padding = old.get("ignore_padding", False)
    pooling = dict(POOLINGS[old["architecture"], old["pooling"]])
    if ignore_padding and "padding" in pooling:
        pooling["padding"] = False
    encoder = dict(old["encoder"])
    shared = {
        "name": "debug" if old["name"] == "testing" else old["name"],
        "encoder": encoder,
        "text": {"max_length": old.get("max_text_length", 32)},
        "frames": {"dim": old.get("frame_embedding_size", 1536), "max_frames": old.get("max_frames", 32)},
        "num_tags": old["num_tags"],
        "embedding_size": old.get("embedding_size", 256),
        "recipe": old.get("recipe", "2021"),
    }
    if old["architecture"] == "uniter":
        return {TYPE: "single_stream"} | shared | {"pooling": pooling, "pack": ignore_padding}
    return {TYPE: "mix_nextvlad"} | shared | {
        "text_pooling": pooling,
        "num_experts": old.get("num_experts", 3),
        "clusters": old.get("vlad_clusters", 64),
        "groups": old.get("vlad_groups", 8),
        "expansion": old.get("vlad_expansion", 2),
        "vlad_size": old.get("vlad_hidden_size", 1024),
        "se_ratio": old.get("se_ratio", 8),
        "dropout": old.get("dropout", 0.2),
        "frame_padding": not ignore_padding,
    }  # fmt: skip


def _stage(kind: str, model: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    stage = dict(old)
    kl_weight = stage.pop("kl_weight", 0.5)
    encoder, head = ({TYPE: "linear"} | stage.pop(name) for name in ("encoder_schedule", "head_schedule"))
    twice = kind == "pretrain" and "mlm" in model["pretrain_losses"]
    heads = f"{HEADS}|{EMBEDDING_BLOCK}" if twice else HEADS
    stage["groups"] = {"encoder": {"pattern": ENCODER, "schedule": encoder}, "head": {"pattern": heads, "schedule": head}}
    stage["tasks"] = _pretrain_tasks(model) if kind == "pretrain" else _pair_tasks(model["tag_loss"], kl_weight)
    return stage


def _pretrain_tasks(model: dict[str, Any]) -> dict[str, Any]:
    tasks = {name: {TYPE: PRETRAIN_TASKS[name], "weight": weight} for name, weight in model["pretrain_losses"].items()}
    for name in ("tag", "expert_tags"):
        if name in tasks:
            tasks[name]["form"] = model["tag_loss"]
    return tasks


def _pair_tasks(tag_loss: str, kl_weight: float) -> dict[str, Any]:
    return {
        "mse": {TYPE: "squared_error", "weight": 1.0},
        "kl": {TYPE: "similarity_divergence", "weight": kl_weight},
        "tag": {TYPE: "tags", "weight": 1.0, "form": {"bce": "clipped_bce", "asl": "asl"}[tag_loss]},
    }
