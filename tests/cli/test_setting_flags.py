"""Scripts name flags where the library names settings."""

import dataclasses

import pytest
import toys
from script_flags import defined
from test_flags import given_flags  # noqa: F401

from vsim_tf.cli import flags
from vsim_tf.cli.setting_flags import FLAG_OF, FLAG_OF_ARGUMENT, FLAGS_BEHIND, in_flags, with_flags
from vsim_tf.config import ModelConfig, Schedule, StageConfig
from vsim_tf.demo import __main__ as demo
from vsim_tf.errors import UserError


def paths_of_settings() -> set[str]:
    """Every path that config.json of a run may have."""
    paths = {"kind", "tokenizer.kind", "tokenizer.sha256", "tags.count", "tags.sha256"}
    paths |= {"data.train", "data.validation", "data.pairs", "data.pretrained"}
    paths |= {f"model.{field.name}" for field in dataclasses.fields(ModelConfig)}
    paths |= {f"training.{field.name}" for field in dataclasses.fields(StageConfig)}
    return paths | {f"training.{s}_schedule.{f.name}" for s in ("head", "encoder") for f in dataclasses.fields(Schedule)}


def all_flags() -> set[str]:
    return set(defined(flags.define_pretrain, flags.define_pair))


def test_every_setting_of_the_table_and_every_flag_exists():
    paths = paths_of_settings()
    assert FLAG_OF.keys() <= paths
    assert not [prefix for prefix in FLAGS_BEHIND if not any(f"{path}.".startswith(f"{prefix}.") for path in paths)]
    named = {word.strip(",") for text in (*FLAG_OF.values(), *FLAGS_BEHIND.values()) for word in text.split() if word[:2] == "--"}
    assert named <= {f"--{name}" for name in all_flags()}


def test_every_setting_of_training_has_a_flag():
    assert {path for path in paths_of_settings() if path.startswith("training.")} - FLAG_OF.keys() == {
        "training.head_schedule", "training.encoder_schedule"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (
            "mix_nextvlad", {"vlad_groups": 5},
            "--vlad_groups=5: must divide the expanded frame width 12 (--frame_embedding_size=6 times 2)",
        ),
        ("mix_nextvlad", {"se_ratio": 9}, "--se_ratio=9: at most --hidden_size=8"),
        ("uniter", {"embedding_size": 300}, "--hidden_size=300: at most 256 numbers per video"),
        ("uniter", {"max_text_length": 1}, "--bert_seq_length=1: at least 2 is needed ([CLS], [SEP])"),
        (
            "uniter_roformer", {"max_text_length": 125},
            "--bert_seq_length=125 and --max_frames=4: 129 positions, and the encoder has 128",
        ),
        ("mix_nextvlad", {"vlad_clusters": 0}, "--vlad_cluster_size=0: a whole number above 0 and up to 2147483647 is needed"),
    ],
)  # fmt: skip
def test_errors_of_a_model(name, changes, message):
    with pytest.raises(UserError) as caught:
        toys.model_config(name, **changes)
    assert in_flags(caught.value) == message


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"eval_every": 0}, "--eval_freq=0: a"), ({"log_every": 0}, "--print_freq=0: a"), ({"seed": -1}, "--seed=-1: a whole")],
)
def test_errors_of_a_stage(changes, words):
    with pytest.raises(UserError) as caught:
        toys.stage(**changes)
    assert in_flags(caught.value).startswith(words)


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
    given_flags(flags.define_pretrain, *arguments)
    stage = toys.stage(head_schedule=Schedule(1e-3, 1000, 5000), encoder_schedule=Schedule(1e-3, 2000, 5000))
    with pytest.raises(UserError) as caught:
        flags.training_config(stage)
    assert in_flags(caught.value).startswith(message)


def test_the_horizon_of_the_head_is_the_number_of_steps_unless_given(given_flags):  # noqa: F811
    stage = toys.stage()
    for arguments, expected in (
        ([], (6, 10_000)),
        (["--total_steps=50"], (50, 50)),
        (["--total_steps=50", "--lr_total_steps=90"], (50, 90)),
        (["--lr_total_steps=90"], (6, 90)),
    ):
        given_flags(flags.define_pair, *arguments)
        config = flags.training_config(stage)
        assert (config.total_steps, config.head_schedule.horizon) == expected
        assert config.encoder_schedule == stage.encoder_schedule


def test_settings_of_an_encoder_keep_their_names():
    """`--hidden_size` is the width of embeddings, not of the encoder."""
    with pytest.raises(UserError) as caught:
        toys.model_config("uniter").encoder.replace(hidden_size=15)
    assert in_flags(caught.value) == "hidden_size=15 and num_heads=2: the first must be a multiple of the second"


def test_every_argument_of_the_table_is_a_flag():
    known = defined(
        flags.define_pretrain, flags.define_pair, flags.define_write_tfrecord, flags.define_inference, flags.define_ensemble,
        demo.define_flags,
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
