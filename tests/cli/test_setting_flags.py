"""Scripts name flags where the library names settings."""

import pytest
import toys
from script_flags import defined
from test_flags import given_flags  # noqa: F401

from vsim_tf.cli import check, class_flags, dedup, ensemble_flags, export, extract, flags, index, serve, write_labels
from vsim_tf.cli.setting_flags import FLAG_OF, FLAG_OF_ARGUMENT, FLAGS_BEHIND, in_flags, with_flags
from vsim_tf.demo import __main__ as demo
from vsim_tf.errors import UserError
from vsim_tf.presets import registry


def paths_of_settings() -> set[str]:
    """Every path that config.json of a run may have."""
    paths = {"kind", "tokenizer.kind", "tokenizer.sha256", "tags.count", "tags.sha256"}
    paths |= {"data.train", "data.validation", "data.pairs", "data.pretrained", "data.features_by"}
    for make in registry.MODELS.values():
        parts = {"model.": make().model, "training.": make().pretrain}, {"training.": make().finetune}
        paths |= {path for part in parts for prefix, settings in part.items() for path in settings.paths(prefix)}
    return paths.union(*(make().stage.paths("training.") for make in registry.CLASSIFIERS.values()))


def all_flags() -> set[str]:
    return set(defined(flags.define_pretrain, flags.define_pair))


def test_every_setting_of_the_table_and_every_flag_exists():
    paths = paths_of_settings()
    assert FLAG_OF.keys() <= paths
    assert not [prefix for prefix in FLAGS_BEHIND if not any(f"{path}.".startswith(f"{prefix}.") for path in paths)]
    named = {word.strip(",") for text in (*FLAG_OF.values(), *FLAGS_BEHIND.values()) for word in text.split() if word[:2] == "--"}
    assert named <= {f"--{name}" for name in all_flags()}


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (
            "mix_nextvlad", ["--vlad_groups=5", "--frame_embedding_size=6"],
            "--vlad_groups=5: must divide the expanded frame dimension 12 (--frame_embedding_size=6 times 2)",
        ),
        ("mix_nextvlad", ["--se_ratio=9", "--hidden_size=8"], "--se_ratio=9: at most --hidden_size=8"),
        (
            "uniter_roformer", ["--bert_seq_length=500", "--max_frames=20"],
            "--bert_seq_length=500 and --max_frames=20: 520 positions, and the encoder has 512",
        ),
        ("mix_nextvlad", ["--set=model.clusters=0"], "--set=model.clusters=0: clusters=0: an integer above 0 and up"),
        ("uniter", ["--dropout=0.5"], "--dropout=0.5: uniter has no such part"),
    ],
)  # fmt: skip
def test_errors_of_a_model(given_flags, model, arguments, message):  # noqa: F811
    given_flags(flags.define_pretrain, f"--model={model}", *arguments)
    with pytest.raises(UserError) as caught:
        flags.pretrain_options()
    assert in_flags(caught.value).startswith(message)


TOGETHER = ("--set=model.encoder.hidden_size=24", "--set=model.frames.dim=24", "--set=model.tower.hidden_size=24")


def test_values_that_fit_each_other_alone(given_flags):  # noqa: F811
    """Features are as wide as states and the tower's result."""
    given_flags(flags.define_pretrain, "--model=wbdc_clip", "--size=debug", *TOGETHER)
    model = flags.pretrain_options().model
    assert (model.encoder.hidden_size, model.frames.dim, model.tower.hidden_size) == (24, 24, 24)
    given_flags(flags.define_pretrain, "--model=wbdc_clip", "--size=debug", *TOGETHER[:2], "--set=model.tower.hidden_size=0")
    with pytest.raises(UserError, match=r"^--set=model.tower.hidden_size=0: hidden_size=0: an integer above 0"):
        flags.pretrain_options()


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--set=training.seed=-1", "--set=training.seed=-1: seed=-1: an integer"),
        ("--seed=-1", "--seed=-1: an integer"),
        ("--average_decay=1", "--average_decay=1.0: a probability above 0 and below 1 is needed"),
        ("--matryoshka=128,64", "--matryoshka=128,64: integers from 1 on are needed, each larger than the one before"),
    ],
)
def test_errors_of_a_stage(given_flags, argument, words):  # noqa: F811
    given_flags(flags.define_pair, argument)
    with pytest.raises(UserError) as caught:
        flags.finetune_stage("2021")
    assert words in in_flags(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--total_steps=100"],
            "--warmup_steps=1000 with --lr_total_steps=100: a schedule must be longer than its warm-up (--lr_total_steps is the",
        ),
        (["--total_steps=2000", "--lr_total_steps=9"], "--warmup_steps=1000 with --lr_total_steps=9: a schedule must"),
        (["--bert_total_steps=100"], "--bert_warmup_steps=2000 with --bert_total_steps=100: a schedule must"),
        (["--lr=inf"], "--lr=inf: a learning rate from 0 is needed"),
        (["--bert_lr=nan"], "--bert_lr=nan: a learning rate"),
    ],
)
def test_errors_of_schedules(given_flags, arguments, message):  # noqa: F811
    given_flags(flags.define_pair, *arguments)
    with pytest.raises(UserError) as caught:
        flags.finetune_stage("2021")
    assert in_flags(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], (3000, 3000)),
        (["--total_steps=5000"], (5000, 5000)),
        (["--total_steps=5000", "--lr_total_steps=9000"], (5000, 9000)),
        (["--lr_total_steps=9000"], (3000, 9000)),
    ],
)
def test_the_horizon_of_the_head_is_the_number_of_steps_unless_given(given_flags, arguments, expected):  # noqa: F811
    given_flags(flags.define_pair, *arguments)
    stage = flags.finetune_stage("2021")
    assert (stage.total_steps, stage.groups["head"].schedule.horizon) == expected


def test_settings_of_an_encoder_keep_their_names():
    """`--hidden_size` is the width of embeddings, not of the encoder."""
    with pytest.raises(UserError) as caught:
        toys.model("uniter").encoder.replace(hidden_size=15)
    assert in_flags(caught.value) == "hidden_size=15 and num_heads=2: the first must be a multiple of the second"


def test_every_argument_of_the_table_is_a_flag():
    known = defined(
        flags.define_pretrain, flags.define_pair, flags.define_write_tfrecord, flags.define_inference,
        ensemble_flags.define_flags, demo.define_flags, extract.define_flags, check.define_flags, write_labels.define_flags,
        index.define_flags, dedup.define_flags, export.define_flags, serve.define_flags, class_flags.define_classify,
    )  # fmt: skip
    assert {flag.split()[0].removeprefix("--") for flag in FLAG_OF_ARGUMENT.values()} <= set(known)


@pytest.mark.parametrize(
    ("message", "fields", "said"),
    [
        ("choose another output_dir, or give overwrite=True", ["output_dir", "overwrite"],
         "choose another --output_dir, or give --overwrite"),
        ("a/output_dir holds 'output_dir'; choose another output_dir.", ["output_dir"],
         "a/output_dir holds 'output_dir'; choose another --output_dir."),
        ("leave weak models out with models=..., model=uniter", ["models", "model"],
         "leave weak models out with --models=..., --model=uniter"),
        ("no frame_embedding_size; give frame_embedding_size=8", ["frame_embedding_size"],
         "no frame_embedding_size; give --frame_embedding_size=8"),
        ("seed is -1", ["seed"], "--seed is -1"),
        ("choose files with test_files, tags with tag_file", ["test_files", "tag_file"],
         "choose files with --test_file, tags with --multi_label_file"),
        ("give overwrite=True", ["folds.overwrite"], "give --overwrite (to write_tfrecord.py)"),
        ("give overwrite=True", ["pair.overwrite"], "give --overwrite (to run.sh: --finetune_flags=--overwrite)"),
        ("batch_size=7 and val_batch_size=8", ["training.batch_size"], "--batch_size=7 and val_batch_size=8"),
        ("unknown stays", ["unknown"], "unknown stays"),
    ],
)  # fmt: skip
def test_arguments_become_flags(message, fields, said):
    assert with_flags(message, fields) == said
