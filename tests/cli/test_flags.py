"""Flags to configurations; how scripts treat flags is in test_scripts.py."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from script_flags import defined

from vsim_tf.cli import flags
from vsim_tf.errors import UserError
from vsim_tf.io.files import require_existing
from vsim_tf.presets import registry


@pytest.fixture
def given_flags(monkeypatch, tmp_path):
    """Defines the flags of a script and parses a command line."""
    monkeypatch.chdir(tmp_path)

    def parse(define, *arguments):
        values = defined(define)
        monkeypatch.setattr(flags, "FLAGS", values)
        values(["script", *arguments])
        return values

    return parse


@pytest.mark.parametrize(
    ("text", "folds"),
    [("0", [0]), ("0-2", [0, 1, 2]), ("0,3,5-7", [0, 3, 5, 6, 7]), ("10-10", [10]), ("7,1", [7, 1])],
)
def test_folds(text, folds):
    assert flags.parse_folds(text) == folds


@pytest.mark.parametrize("text", ["", "-", "1-", "-1", "a", "1,,2", "0 1", "1-2-3", "2-1", "1,1", "0-3,2", "1.5", "²٣", "1000"])
def test_bad_folds(text):
    with pytest.raises(UserError, match="--folds="):
        flags.parse_folds(text)


@pytest.mark.parametrize("text", ["0-99999999999999", "9" * 5000])
def test_more_folds_than_anybody_has(text):
    with pytest.raises(UserError, match="up to 999"):
        flags.parse_folds(text)


@given(st.lists(st.integers(0, 99), min_size=1, unique=True))
def test_any_list_of_folds(folds):
    assert flags.parse_folds(",".join(map(str, folds))) == folds


@pytest.mark.parametrize("name", registry.MODELS)
def test_without_flags_a_stage_is_the_registered_one(given_flags, name):
    spec = registry.model_spec(name)
    given_flags(flags.define_pair, f"--model={name}")
    assert flags.training_config(spec.finetune) == spec.finetune
    given_flags(flags.define_pretrain, f"--model={name}")
    assert flags.training_config(spec.pretrain) == spec.pretrain


CHANGES = {
    "--batch_size=7": ("batch_size", 7),
    "--val_batch_size=9": ("val_batch_size", 9),
    "--eval_freq=11": ("eval_every", 11),
    "--print_freq=13": ("log_every", 13),
    "--seed=17": ("seed", 17),
    "--precision=mixed_bfloat16": ("precision", "mixed_bfloat16"),
    "--length_multiple=8": ("length_multiple", 8),
    "--nobucket_by_length": ("bucket_by_length", False),
    "--kl_weight=0": ("kl_weight", 0.0),
    "--clip_norm=2.5": ("clip_norm", 2.5),
    "--labels=rank": ("labels", "rank"),
    "--lr=0.5": ("head_schedule.peak", 0.5),
    "--warmup_steps=0": ("head_schedule.warmup", 0),
    "--bert_lr=0.25": ("encoder_schedule.peak", 0.25),
    "--bert_warmup_steps=1": ("encoder_schedule.warmup", 1),
    "--bert_total_steps=5000": ("encoder_schedule.horizon", 5000),
}


@pytest.mark.parametrize("argument", CHANGES)
def test_every_training_flag_changes_its_value_alone(given_flags, argument):
    stage = registry.model_spec("uniter").finetune
    given_flags(flags.define_pair, argument)
    path, value = CHANGES[argument]
    expected = stage.to_dict()
    *outer, name = path.split(".")
    (expected[outer[0]] if outer else expected)[name] = value
    assert flags.training_config(stage).to_dict() == expected


@pytest.mark.parametrize(("arguments", "multiple"), [((), 16), (("--length_multiple=0",), 0), (("--length_multiple=4",), 4)])
def test_compiled_steps_have_few_lengths(given_flags, arguments, multiple):
    stage = registry.model_spec("uniter").finetune
    given_flags(flags.define_pair, "--jit_compile", *arguments)
    assert flags.training_config(stage) == stage.replace(jit_compile=True, length_multiple=multiple)


def test_total_steps_are_the_horizon_of_the_head_too(given_flags):
    stage = registry.model_spec("uniter").finetune
    given_flags(flags.define_pair, "--total_steps=2000")
    changed = flags.training_config(stage)
    assert changed.total_steps == changed.head_schedule.horizon == 2000
    assert changed.encoder_schedule == stage.encoder_schedule


@pytest.fixture
def data_dir(tmp_path):
    (tmp_path / "data" / "pairwise").mkdir(parents=True)
    (tmp_path / "data" / "pairwise" / "label.tsv").touch()
    (tmp_path / "data" / "tag_list.txt").touch()


def test_defaults_of_pretraining(given_flags, data_dir):
    given_flags(flags.define_pretrain)
    options = flags.pretrain_options()
    assert (options.model, options.size, options.hub_dir, options.vocab) == ("uniter", "base", "", "")
    assert options.train_records == "data/pointwise/*.tfrecords"
    assert options.val_records == "data/pairwise/*.tfrecords"
    assert (options.label_file, options.tag_file) == ("data/pairwise/label.tsv", "data/tag_list.txt")
    assert os.fspath(options.folder) == "output/uniter/pretrain"
    assert options.model_overrides == {"recipe": "2021", "pooling": "mean", "frame_embedding_size": 1536}
    assert not options.overwrite
    assert not options.keep_optimizer
    given_flags(flags.define_pretrain, "--keep_optimizer")
    assert flags.pretrain_options().keep_optimizer


def test_a_recipe_changes_model_and_stage_and_flags_win(given_flags, data_dir):
    given_flags(flags.define_pretrain, "--recipe=plus")
    options, plain = flags.pretrain_options(), registry.model_spec("uniter").pretrain
    assert options.model_overrides["recipe"] == "plus"
    assert options.model_overrides["ignore_padding"]
    assert options.training == plain.replace(clip_norm=1.0)
    given_flags(flags.define_pretrain, "--recipe=plus", "--clip_norm=0")
    assert flags.pretrain_options().training == plain


def test_every_flag_of_the_model(given_flags, data_dir):
    given_flags(
        flags.define_pretrain, "--model=mix_nextvlad", "--frame_embedding_size=1", "--max_frames=2", "--bert_seq_length=3",
        "--hidden_size=4", "--dropout=0", "--vlad_cluster_size=6", "--vlad_hidden_size=7", "--vlad_groups=8", "--se_ratio=9",
    )  # fmt: skip
    assert flags.pretrain_options().model_overrides == {
        "recipe": "2021", "pooling": "pooler", "frame_embedding_size": 1, "max_frames": 2, "max_text_length": 3,
        "embedding_size": 4, "dropout": 0.0, "vlad_clusters": 6, "vlad_hidden_size": 7, "vlad_groups": 8, "se_ratio": 9,
    }  # fmt: skip


def test_a_folder_of_the_other_encoder_is_not_used(given_flags, data_dir):
    given_flags(flags.define_pretrain, "--model=uniter", "--roformer_dir=nowhere", "--bert_vocab=data/tag_list.txt")
    options = flags.pretrain_options()
    assert (options.hub_dir, options.vocab) == ("", "data/tag_list.txt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bert_dir=data", "--bert_vocab=data"], "--bert_dir brings its own vocabulary"),
        (["--bert_dir=data", "--size=tiny"], "--size=base is needed, not tiny"),
        (["--model=mix_nextvlad", "--uniter_pooling=cls"], "mix_nextvlad is no Uniter"),
    ],
)
def test_contradicting(given_flags, data_dir, arguments, message):
    given_flags(flags.define_pretrain, *arguments)
    with pytest.raises(UserError, match=message):
        flags.pretrain_options()


@pytest.mark.parametrize(("batch_size", "devices", "fits"), [(8, 8, True), (7, 8, False), (210, 4, True), (1, 1, True)])
def test_a_batch_has_an_example_for_each_device(batch_size, devices, fits):
    stage = registry.model_spec("uniter").finetune.replace(batch_size=batch_size)
    if fits:
        flags.require_batch(stage, devices)
    else:
        with pytest.raises(UserError, match=f"--batch_size={batch_size}: there are {devices} devices"):
            flags.require_batch(stage, devices)


def test_require_existing(tmp_path):
    require_existing(None, "", str(tmp_path))
    with pytest.raises(UserError, match=f"none does not exist .{tmp_path} is empty; docs/data.md has the files"):
        require_existing(str(tmp_path), str(tmp_path / "none"))
