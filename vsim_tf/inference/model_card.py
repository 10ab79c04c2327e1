"""The README.md of a saved model: what its configurations and the summaries of its runs say, and nothing else."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from vsim_tf.inference.linear_member import LinearMember
from vsim_tf.inference.member import Member
from vsim_tf.io.disk_space import format_bytes
from vsim_tf.io.tables import markdown_table
from vsim_tf.runs.checkpoint_files import run_of
from vsim_tf.runs.run_folder import RunFolder
from vsim_tf.text.fields import ALL_FIELDS

if TYPE_CHECKING:
    from vsim_tf.inference.model import Model

LONGEST = 16
"""Longer checksums are cut."""
KINDS = {"pretrain": "pre-training", "pair": "fine-tuning on pairs", "classes": "classification"}


class Part(NamedTuple):
    """A checkpoint of the model: the names of its model and run, its own, and its run."""

    name: str
    checkpoint: str
    run: RunFolder

    @classmethod
    def of(cls, member: Member, checkpoint: str) -> Self:
        run = RunFolder.open(run_of(checkpoint))
        return cls(f"{member.config.name}/{run.path.name}", "/".join(Path(checkpoint).parts[-2:]), run)


def model_card(model: "Model", name: str, use: str = "", has_tower: bool = False) -> str:
    """The text of the card.

    Args:
        model: the model.
        name: of its folder.
        use: how the model is used; by default, by `vsim_tf.load`.
        has_tower: whether a tower for models that read features lies next to the card.

    Raises:
        UserError: a run folder of the model is gone or damaged.
    """
    parts = [Part.of(member, checkpoint) for member in _networks(model) for checkpoint in member.checkpoints]
    sections = {
        "Use": use or _example(model, name), "Models": _models(model), "Input": _input(model), "Training": _training(parts),
        "Scores": _scores(parts), "Limits": _limits(model, has_tower, is_saved=not use),
    }  # fmt: skip
    text = [f"# {name}", _summary(model), *(part for title, body in sections.items() for part in (f"## {title}", body))]
    return "\n\n".join(text) + "\n"


def _networks(model: "Model") -> list[Member]:
    return [member for member in model.members if not isinstance(member, LinearMember)]


def _summary(model: "Model") -> str:
    count = sum(len(member.checkpoints) for member in model.members)
    models = f"{len(model.members)} models" if len(model.members) > 1 else "one model"
    made = f"{count} checkpoints of {models}" if count > 1 else "one checkpoint"
    if model.classes:
        return f"Predicts which of {len(model.classes)} classes a video is of, by {made}. Written by vsim_tf."
    return f"Makes an embedding of {model.dim} numbers of a video, by {made}. Written by vsim_tf."


def _example(model: "Model", name: str) -> str:
    """At most five lines, started where the folder lies."""
    imports, keys = ["import vsim_tf"], ['"title": "天地玄黄"']
    if any(member.config.text.form == ALL_FIELDS for member in _networks(model)):
        keys += ['"ocr": ""', '"asr": ""']
    if any(member.config.tower for member in _networks(model)):
        keys.append('"pictures": ["0.jpg", "1.jpg"]')
    if model.frame_dim:
        imports.insert(0, "import numpy as np")
        keys.append(f'"frames": np.zeros((8, {model.frame_dim}))')
    call = "classes = model.predict([video]).categories" if model.classes else "embedding = model.encode(video)"
    lines = [*imports, "", f'model = vsim_tf.load("{name}")', f"video = {{{', '.join(keys)}}}", call]
    return "\n".join(["```python", *lines, "```"])


def _models(model: "Model") -> str:
    header = ("model", "architecture", "encoder", "recipe", "parameters", "checkpoints", "weight")
    table = markdown_table(header, map(_model_row, model.members), texts=4)
    if not model.projection:
        return table
    centred = "centred, " if any(mean.any() for mean in model.projection.means().values()) else ""
    said = f"Embeddings are {centred}scaled to unit norm, concatenated, and reduced by the basis in result.basis.npz,"
    return f"{table}\n\n{said} whose numbers are sorted by singular value."


def _model_row(member: Member | LinearMember) -> tuple[str, ...]:
    if isinstance(member, LinearMember):
        made = "ridge to tags", f"TF-IDF of {len(member.model.terms):,} terms", ""
        return member.name, *made, f"{member.parameters:,}", "1", f"{member.weight:.4g}"
    config, count = member.config, len(member.checkpoints)
    encoder = f"{config.encoder.kind}, {config.encoder.num_layers} layers of {config.encoder.hidden_size}"
    return config.name, config.type_name, encoder, config.recipe, f"{member.parameters:,}", f"{count}", f"{member.weight:.4g}"


def _input(model: "Model") -> str:
    return markdown_table(("model", "texts", "frames"), map(_input_row, model.members), texts=3)


def _input_row(member: Member | LinearMember) -> tuple[str, ...]:
    if isinstance(member, LinearMember):
        return member.name, "title: all of it", f"features, {member.frame_dim} numbers each, all of them"
    text, frames, tower = member.config.text, member.config.frames, member.config.tower
    fields = "title, ocr, asr" if text.form == ALL_FIELDS else "title"
    read = f"pictures, {tower.picture_size} x {tower.picture_size} pixels" if tower else f"features, {frames.dim} numbers each"
    return member.config.name, f"{fields}: {text.max_length} tokens", f"{read}, at most {frames.max_frames}"


def _training(parts: Iterable[Part]) -> str:
    header = ("run", "checkpoint", "stage", "precision", "data", "steps", "batch", "seed")
    return markdown_table(header, map(_training_row, parts), texts=5)


def _training_row(part: Part) -> tuple[str, ...]:
    run, stage = part.run, part.run.training
    kind = KINDS.get(run.config.get("kind", ""), "")
    data = "; ".join(f"{name}: {_data_text(value)}" for name, value in run.config["data"].items())
    return (
        part.name,
        part.checkpoint,
        kind,
        stage.precision,
        data,
        f"{stage.total_steps:,}",
        f"{stage.batch_size}",
        f"{stage.seed}",
    )


def _data_text(value: Any) -> str:
    """Files by their number, or name, and size; anything else as it is, or the beginning of a checksum."""
    if isinstance(value, list) and value and all(isinstance(each, dict) and each.keys() >= {"name", "bytes"} for each in value):
        files = value[0]["name"] if len(value) == 1 else f"{len(value)} files"
        return f"{files} ({format_bytes(sum(each['bytes'] for each in value))})"
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _scores(parts: Iterable[Part]) -> str:
    summaries = {part.name: part.run.summary for part in parts if part.run.summary}
    metrics = list(dict.fromkeys(key for summary in summaries.values() for key in summary))
    if not metrics:
        return "The runs have no summary."
    rows = [(name, *(_number(summary, key) for key in metrics)) for name, summary in summaries.items()]
    said = "As summary.json of each run has them: on its validation data, at its last step and (`best_`) at its best one."
    return f"{said}\n\n{markdown_table(('run', *metrics), rows)}"


def _number(summary: Mapping[str, Any], key: str) -> str:
    value = summary.get(key)
    return "–" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def _limits(model: "Model", has_tower: bool, is_saved: bool) -> str:
    """What follows from the configurations."""
    sizes = sorted({member.config.encoder.vocab_size for member in _networks(model)})
    lines = [
        "Longer texts are cut to the tokens above, and of more frames so many are sampled.",
        f"Words outside of the vocabulary ({', '.join(f'{size:,}' for size in sizes)} tokens) become [UNK].",
    ] if sizes else []  # fmt: skip
    if model.frame_dim and has_tower:
        lines.append("Features must be made by the vision tower in `tower`, which makes those of pictures and video files.")
    elif model.frame_dim:
        lines.append(
            "Features must be made as those that the models were trained on. The folder knows their dimension,"
            f" {model.frame_dim}, and not what made them."
        )
        if is_saved:
            lines.append("Pictures and video files need the tower that made them: `vsim_tf.load(folder, clip_dir=...)`.")
    if model.classes:
        lines.append(f"Every video is put into one of the {len(model.classes)} classes, also a video of none of them.")
    lines.append("The folder has no scores on other data than those above.")
    return "\n".join(f"* {line}" for line in lines)
