"""Flags that stand for one setting each: of the model, or of how it is trained.

One table says which flag is which setting. `--set=path=value` reaches every other one.
"""

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from absl import flags

from vsim_tf.cli import run_length
from vsim_tf.cli.model_defaults import described
from vsim_tf.components import Component, fields_below, parse_value
from vsim_tf.errors import UserError
from vsim_tf.models.architectures import Model
from vsim_tf.presets.recipes import NOTHING
from vsim_tf.presets.small import Plan
from vsim_tf.runs.stage import LABELS, PRECISIONS, Stage

FLAGS = flags.FLAGS
COMPILED_LENGTH_MULTIPLE = 16
"""Of 32 tokens and 32 frames this makes four shapes, and compiling one takes seconds."""
MODEL, TRAINING = "model.", "training."

AnyComponent = TypeVar("AnyComponent", bound=Component)


class SettingFlag(NamedTuple):
    """A flag, the path of its setting in config.json, and how it is defined; its default is the setting's value."""

    name: str
    path: str
    define: Callable[..., Any]
    help: str
    options: Mapping[str, Any] = types.MappingProxyType({})

    def add(self, stage: str) -> None:
        """Defines the flag, with the values that the models of a stage have without it."""
        values = described(self.path, stage)
        self.define(self.name, default=None, help=f"{self.help} Default: {values}." if values else self.help, **self.options)

    @property
    def value(self) -> Any:
        """What the flag was given; None if it was not, or is no flag of this script."""
        return FLAGS[self.name].value if self.name in FLAGS else None


INTEGER, FLOAT, BOOLEAN, ENUM = flags.DEFINE_integer, flags.DEFINE_float, flags.DEFINE_boolean, flags.DEFINE_enum
FROM_0, FROM_1 = {"lower_bound": 0}, {"lower_bound": 1}

MODEL_FLAGS = (
    SettingFlag("frame_embedding_size", "model.frames.dim", INTEGER, "Feature dimension of a frame.", FROM_1),
    SettingFlag("max_frames", "model.frames.max_frames", INTEGER, "Frames per video.", FROM_1),
    SettingFlag(
        "bert_seq_length", "model.text.max_length", INTEGER, "Tokens per title, [CLS] and [SEP] included.", {"lower_bound": 2}
    ),
    SettingFlag(
        "hidden_size", "model.embedding_size", INTEGER, "Embedding dimension, at most 256.", FROM_1 | {"upper_bound": 256}
    ),
    SettingFlag("dropout", "model.dropout", FLOAT, "Dropout outside the encoder (MixNextVLAD).", FROM_0),
    SettingFlag("vlad_cluster_size", "model.clusters", INTEGER, "Clusters of NeXtVLAD.", FROM_1),
    SettingFlag("vlad_hidden_size", "model.vlad_size", INTEGER, "Dimension of NeXtVLAD's result and of the mapped text.", FROM_1),
    SettingFlag("vlad_groups", "model.groups", INTEGER, "Groups of NeXtVLAD.", FROM_1),
    SettingFlag("se_ratio", "model.se_ratio", INTEGER, "Reduction of the squeeze-and-excitation gate (MixNextVLAD).", FROM_1),
    SettingFlag("uniter_pooling", "model.pooling", ENUM, "How Uniter pools positions.", {"enum_values": ["mean", "cls", "max"]}),
)
SCHEDULE_FLAGS = (
    SettingFlag(
        "lr_total_steps", "training.groups.head.schedule.horizon", INTEGER, "Horizon of --lr; with --total_steps, that.", FROM_1
    ),
    SettingFlag("warmup_steps", "training.groups.head.schedule.warmup", INTEGER, "Warm-up of --lr.", FROM_0),
    SettingFlag("lr", "training.groups.head.schedule.peak", FLOAT, "Peak learning rate outside the encoder.", FROM_0),
    SettingFlag("bert_total_steps", "training.groups.encoder.schedule.horizon", INTEGER, "Horizon of --bert_lr.", FROM_1),
    SettingFlag("bert_warmup_steps", "training.groups.encoder.schedule.warmup", INTEGER, "Warm-up of --bert_lr.", FROM_0),
    SettingFlag("bert_lr", "training.groups.encoder.schedule.peak", FLOAT, "Peak learning rate of the encoder.", FROM_0),
)
TRAINING_FLAGS = (
    SettingFlag("batch_size", "training.batch_size", INTEGER, "Videos or pairs per step, over all replicas.", FROM_1),
    SettingFlag("val_batch_size", "training.val_batch_size", INTEGER, "The same in evaluation.", FROM_1),
    SettingFlag(
        "total_steps", "training.total_steps", INTEGER,
        "Steps; a larger number extends a run where its schedules allow it.", FROM_1,
    ),
    *SCHEDULE_FLAGS,
    SettingFlag(
        "clip_norm", "training.clip_norm", FLOAT, "Largest gradient norm of the mean loss, 0: any; --recipe=plus has 1.", FROM_0
    ),
    SettingFlag(
        "accumulate", "training.accumulate", INTEGER,
        "Micro-batches into which a replica's batch is cut: less memory, the same gradients (docs/memory.md).", FROM_1,
    ),
    SettingFlag(
        "remat", "training.remat", BOOLEAN,
        "Compute each block of the encoder again in the backward pass: less memory, the same gradients, more time.",
    ),
    SettingFlag(
        "average_decay", "training.average.decay", FLOAT,
        "Decay d of an average of weights, s = d*s + (1-d)*w after each step, which is evaluated and kept; 0: the weights alone.",
        FROM_0,
    ),
    SettingFlag(
        "patience", "training.patience", INTEGER,
        "End a run after so many evaluations in turn without a better one, 0: never; best/ has the weights of the best.", FROM_0,
    ),
    SettingFlag("eval_freq", "training.eval_every", INTEGER, "Steps between evaluations; each saves a checkpoint.", FROM_1),
    SettingFlag("print_freq", "training.log_every", INTEGER, "Steps between log lines.", FROM_1),
    SettingFlag("seed", "training.seed", INTEGER, "Seed of first weights, order, token masking and dropout."),
    SettingFlag(
        "bucket_by_length", "training.bucket_by_length", BOOLEAN, "Videos of similar length share a batch."
    ),
    SettingFlag(
        "jit_compile", "training.jit_compile", BOOLEAN, "Compile by XLA, for every length of a batch; see --length_multiple."
    ),
    SettingFlag(
        "length_multiple", "training.length_multiple", INTEGER,
        f"Round lengths of trimmed batches up to a multiple, 0: not; with --jit_compile {COMPILED_LENGTH_MULTIPLE}.",
        FROM_0,
    ),
    SettingFlag(
        "precision", "training.precision", ENUM, "Arithmetic; auto: mixed_bfloat16 on GPUs made for it, else float32.",
        {"enum_values": list(PRECISIONS)},
    ),
)  # fmt: skip
PAIR_FLAGS = (
    SettingFlag("kl_weight", "training.tasks.kl.weight", FLOAT, "Weight of the KL term of the pair loss.", FROM_0),
    SettingFlag(
        "labels", "training.labels", ENUM, "Targets: human similarity scores or their rank, with --recipe=plus rank.",
        {"enum_values": list(LABELS)},
    ),
)  # fmt: skip
ALL_FLAGS = (*MODEL_FLAGS, *TRAINING_FLAGS, *PAIR_FLAGS)
FLAG_OF = {flag.path: f"--{flag.name}" for flag in ALL_FLAGS} | {"model.name": "--model", "model.recipe": "--recipe"}
"""Settings that have a flag of their own."""


def define(setting_flags: Sequence[SettingFlag], stage: str, example: str) -> None:
    """Defines flags of the settings of a stage, and --set for all others."""
    for flag in setting_flags:
        flag.add(stage)
    flags.DEFINE_multi_string(
        "set", None, f"Any other setting by its path in config.json, --set=path=value, e.g. {example}; may be repeated."
    )


def chosen(choices: Mapping[str, Any], setting_flags: Sequence[SettingFlag]) -> dict[str, Any]:
    """Values that a preset chooses by path of config.json, without those of which the flag is given."""
    given = {flag.path for flag in setting_flags if flag.value is not None}
    return {path: value for path, value in choices.items() if path not in given}


def model_as_asked(model: Model, choices: Mapping[str, Any] = NOTHING) -> Model:
    """A model with what a preset chooses, and what the flags change."""
    for flag in MODEL_FLAGS:
        if flag.value is not None and not model.has(flag.path.removeprefix(MODEL)):
            raise UserError(f"--{flag.name}={flag.value}: {model.name} has no such part")
    given = {flag.path: flag.value for flag in MODEL_FLAGS}
    return _changed(model, MODEL, given | chosen(choices, MODEL_FLAGS))


def stage_as_asked(stage: Stage, scales_schedules: bool = False, examples: int | None = None, plan: Plan | None = None) -> Stage:
    """A stage with what a preset chooses, and what the flags change.

    Args:
        stage: as registered.
        scales_schedules, examples, plan: see `run_length.lasting`.
    """
    setting_flags = (*TRAINING_FLAGS, *PAIR_FLAGS)
    values = {flag.path: flag.value for flag in setting_flags} | chosen(plan.settings if plan else {}, setting_flags)
    stage = stage.replace(batch_size=_batch_size_by_set() or values["training.batch_size"])
    stage = run_length.lasting(stage, scales_schedules, examples, plan)
    decay = values.pop("training.average.decay")
    horizon, multiple = "training.groups.head.schedule.horizon", "training.length_multiple"
    implied = values[horizon] is None and FLAGS.total_steps is not None
    if implied:
        values[horizon] = FLAGS.total_steps
    if FLAGS.jit_compile and values[multiple] is None:
        values[multiple] = COMPILED_LENGTH_MULTIPLE
    try:
        stage = _changed(stage, TRAINING, values)
        with fields_below(TRAINING):
            return stage if decay is None else stage.averaging(decay)
    except UserError as error:
        if not (implied and horizon in error.fields):
            raise
        note = " (training.groups.head.schedule.horizon is the number of steps unless it is given)"
        raise UserError(f"{error}{note}", error.fields) from None


def choices_as_flags(choices: Mapping[str, Any]) -> dict[str, Any]:
    """The choices of a preset that no flag overrules, by the name of their flag, or of --set and their path."""
    by_set = {path for path, _, _ in _set_values()}
    left = {path: value for path, value in chosen(choices, ALL_FLAGS).items() if path not in by_set}
    return {FLAG_OF.get(path, f"--set={path}").removeprefix("--"): value for path, value in left.items()}


def _batch_size_by_set() -> int | None:
    """A batch that --set asks for, on which the number of steps depends; what is no batch is refused with the other values."""
    given = [parse_value(value) for path, _, value in _set_values() if path == f"{TRAINING}batch_size"]
    return given[-1] if given and type(given[-1]) is int and given[-1] > 0 else None


def _set_values() -> list[tuple[str, str, str]]:
    """Path, equals sign and value of every --set."""
    return [text.partition("=") for text in FLAGS.set or []]


def require_known_sections(*sections: str) -> None:
    """`UserError` for --set of something else than these sections."""
    for path, equals, value in _set_values():
        if not equals or not path.startswith(sections):
            needed = " or ".join(f"{section}PATH=VALUE" for section in sections)
            raise UserError(f"--set={path}{equals}{value}: {needed} is needed")


def _changed(component: AnyComponent, section: str, values: dict[str, Any]) -> AnyComponent:
    """The component with values that are not None, then those of --set, by paths that begin with the section.

    Values of --set are checked together: some fit each other alone, such as the width of features and that of states.
    """
    given = {path.removeprefix(section): value for path, value in values.items() if value is not None}
    with fields_below(section):
        component = component.replace(given)
    asked = {path: value for path, _, value in _set_values() if path.startswith(section)}
    try:
        with fields_below(section):
            return component.replace({path.removeprefix(section): parse_value(value) for path, value in asked.items()})
    except UserError as error:
        named = [path for path in asked if path in error.fields] or list(asked)
        raise UserError(f"{' '.join(f'--set={path}={asked[path]}' for path in named)}: {error}") from None
