"""Flags to configurations; how scripts treat flags is in test_scripts.py."""

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from script_flags import defined

from vsim_tf.cli import finetune, flags, pretrain, run_length, settings
from vsim_tf.cli.setting_flags import in_flags
from vsim_tf.errors import UserError
from vsim_tf.io.files import require_existing
from vsim_tf.layers.linear_config import LinearConfig
from vsim_tf.optim.averaging import ExponentialAverage
from vsim_tf.presets import registry
from vsim_tf.presets.sizes import sized
from vsim_tf.tasks.pair_ranking import CoSent


@pytest.fixture
def given_flags(monkeypatch, tmp_path):
    """Defines the flags of a script and parses a command line."""
    monkeypatch.chdir(tmp_path)

    def parse(define, *arguments):
        values = defined(define)
        monkeypatch.setattr(flags, "FLAGS", values)
        monkeypatch.setattr(settings, "FLAGS", values)
        monkeypatch.setattr(run_length, "FLAGS", values)
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
def test_without_flags_a_stage_is_the_registered_one(given_flags, data_dir, name):
    preset = registry.preset(name)
    given_flags(flags.define_pair, f"--model={name}")
    assert flags.finetune_stage("2021") == preset.finetune
    given_flags(flags.define_pretrain, f"--model={name}")
    options = flags.pretrain_options()
    assert (options.training, options.model) == (preset.pretrain, sized(preset.model, preset.size or preset.published_size))


CHANGES = {
    "--batch_size=7": ("batch_size", 7),
    "--val_batch_size=9": ("val_batch_size", 9),
    "--eval_freq=11": ("eval_every", 11),
    "--print_freq=13": ("log_every", 13),
    "--seed=17": ("seed", 17),
    "--precision=mixed_bfloat16": ("precision", "mixed_bfloat16"),
    "--length_multiple=8": ("length_multiple", 8),
    "--nobucket_by_length": ("bucket_by_length", False),
    "--kl_weight=0": ("tasks.kl.weight", 0.0),
    "--clip_norm=2.5": ("clip_norm", 2.5),
    "--labels=rank": ("labels", "rank"),
    "--lr=0.5": ("groups.head.schedule.peak", 0.5),
    "--warmup_steps=0": ("groups.head.schedule.warmup", 0),
    "--lr_total_steps=5000": ("groups.head.schedule.horizon", 5000),
    "--bert_lr=0.25": ("groups.encoder.schedule.peak", 0.25),
    "--bert_warmup_steps=1": ("groups.encoder.schedule.warmup", 1),
    "--bert_total_steps=5000": ("groups.encoder.schedule.horizon", 5000),
    "--set=training.tasks.tag.weight=0.5": ("tasks.tag.weight", 0.5),
    "--set=training.tasks.tag.form=asl": ("tasks.tag.form", "asl"),
    "--set=training.selection.metric=mse": ("selection.metric", "mse"),
    "--patience=3": ("patience", 3),
    "--average_decay=0.9": ("average", {"type": "ema", "decay": 0.9}),
    "--average_decay=0": ("average", None),
}


@pytest.mark.parametrize("argument", CHANGES)
def test_every_training_flag_changes_its_value_alone(given_flags, argument):
    stage = registry.preset("uniter").finetune
    given_flags(flags.define_pair, argument)
    path, value = CHANGES[argument]
    expected = stage.to_dict()
    *outer, name = path.split(".")
    place = expected
    for part in outer:
        place = place[part]
    place[name] = value
    assert flags.finetune_stage("2021").to_dict() == expected


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "--set=training.batchsize=3",
            "--set=training.batchsize=3: there is no 'batchsize' here; there are batch_size, total_steps",
        ),
        ("--set=training.tasks.mlm.weight=1", "there is no 'mlm' here; there are mse, kl, tag"),
        ("--set=training.batch_size=many", "--set=training.batch_size=many: the value is 'many', an integer is needed"),
        ("--set=model.pooling=max", "--set=model.pooling=max: training.PATH=VALUE is needed"),
        ("--set=training.batch_size", "--set=training.batch_size: training.PATH=VALUE is needed"),
    ],
)
def test_what_cannot_be_set(given_flags, argument, message):
    given_flags(flags.define_pair, argument)
    with pytest.raises(UserError, match=message):
        flags.finetune_stage("2021")


def test_another_pair_loss_with_its_settings(given_flags):
    """`--set` reaches scale and weight, and flags win over what the loss wants."""
    settings_of_loss = ("--set=training.tasks.pair.scale=5", "--set=training.tasks.pair.weight=0.5", "--bucket_by_length")
    given_flags(flags.define_pair, "--pair_loss=cosent", "--matryoshka=64,128", *settings_of_loss)
    stage = flags.finetune_stage("plus")
    assert stage.tasks["pair"] == CoSent(scale=5.0, weight=0.5, dims=(64, 128))
    assert list(stage.tasks) == ["pair", "tag"] and stage.bucket_by_length and stage.labels == "rank"


def test_the_published_loss_of_the_first_numbers_too(given_flags):
    given_flags(flags.define_pair, "--matryoshka=64")
    stage, published = flags.finetune_stage("2021"), registry.preset("uniter").finetune
    assert [stage.tasks[name].dims for name in ("mse", "kl")] == [(64,), (64,)]
    assert stage == published.replace({"tasks.mse.dims": [64], "tasks.kl.dims": [64]})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pair_loss=mse", "--kl_weight=1"], "--kl_weight=1: --pair_loss=mse has no such term, give one of the two"),
        (["--matryoshka=64,"], "--matryoshka=64,: integers are needed, each larger than the one before, e.g. 64,128"),
        (["--matryoshka="], "--matryoshka=: integers are needed"),
        (["--pair_loss=cosent", "--accumulate=2"], "--accumulate=2: uniter needs the whole batch at once"),
    ],
)
def test_pair_losses_that_are_refused_before_anything_is_loaded(given_flags, arguments, message):
    given_flags(finetune.define_flags, *arguments)
    with pytest.raises(UserError) as error:
        finetune.check_flags()
    assert in_flags(error.value).startswith(message)


def test_an_average_of_weights_in_pre_training(given_flags, data_dir):
    """Next to reloading the best weights it is refused, which --set can put off."""
    given_flags(flags.define_pretrain, "--average_decay=0.99")
    assert flags.pretrain_options().training.average == ExponentialAverage(decay=0.99)
    given_flags(flags.define_pretrain, "--model=qq_job1", "--average_decay=0.99", "--set=training.reload_best=false")
    assert flags.pretrain_options().training.average == ExponentialAverage(decay=0.99)
    given_flags(flags.define_pretrain, "--model=qq_job1", "--average_decay=0.99")
    with pytest.raises(UserError, match=r"reload_best=True with an average of weights: give one \(training.reload_best=false\)"):
        flags.pretrain_options()


@pytest.mark.parametrize(("arguments", "multiple"), [((), 16), (("--length_multiple=0",), 0), (("--length_multiple=4",), 4)])
def test_compiled_steps_have_few_lengths(given_flags, arguments, multiple):
    given_flags(flags.define_pair, "--jit_compile", *arguments)
    expected = registry.preset("uniter").finetune.replace(jit_compile=True, length_multiple=multiple)
    assert flags.finetune_stage("2021") == expected


def test_total_steps_are_the_horizon_of_the_head_too(given_flags):
    given_flags(flags.define_pair, "--total_steps=2000")
    changed = flags.finetune_stage("2021")
    assert changed.total_steps == changed.groups["head"].schedule.horizon == 2000
    assert changed.groups["encoder"] == registry.preset("uniter").finetune.groups["encoder"]


@pytest.fixture
def data_dir(tmp_path):
    (tmp_path / "data" / "pairwise").mkdir(parents=True)
    (tmp_path / "data" / "pairwise" / "label.tsv").touch()
    (tmp_path / "data" / "tag_list.txt").touch()


def test_total_steps_move_the_phases_of_a_stage(given_flags):
    """5000 of 334,840 steps: the second phase begins with step 4963, and its warm-up of 149 steps becomes 2.2."""
    steps = ("--total_steps=5000", "--warmup_steps=300", "--bert_total_steps=5000", "--bert_warmup_steps=300")
    given_flags(flags.define_pretrain, "--model=qq_job4", *steps)
    stage = flags.pretrain_options().training
    pairs = stage.phases["pairwise"]
    assert (stage.total_steps, pairs.start, pairs.warmup, pairs.horizon) == (5000, 4963, 2, 37)
    assert all(group.schedule.horizon == 5000 for group in stage.groups.values())


@pytest.mark.parametrize(
    ("model", "arguments", "folds"),
    [("uniter", [], list(range(11))), ("qq_job1", [], [0]), ("qq_job1", ["--folds=2-3"], [2, 3]), ("uniter", ["--folds=0"], [0])],
)
def test_folds_are_the_models_own_unless_given(given_flags, model, arguments, folds):
    for define in (flags.define_pair, flags.define_inference):
        given_flags(define, f"--model={model}", *arguments)
        assert flags.folds_of(model) == folds


def test_published_sizes_differ(given_flags):
    for model, width in (("qq_job1", 1024), ("uniter", 768)):
        given_flags(flags.define_pretrain, f"--model={model}")
        assert flags.pretrain_options().model.encoder.hidden_size == width
    given_flags(flags.define_pretrain, "--model=qq_job1", "--size=base")
    assert flags.pretrain_options().model.encoder.hidden_size == 768


def test_defaults_of_pretraining(given_flags, data_dir):
    given_flags(flags.define_pretrain)
    options = flags.pretrain_options()
    assert (options.model.name, options.hub_dir, options.vocab) == ("uniter", "", "")
    assert options.train_records == "data/pointwise/*.tfrecords"
    assert options.val_records == "data/pairwise/*.tfrecords"
    assert options.test_records == "data/test_*/*.tfrecords"
    assert (options.label_file, options.tag_file) == ("data/pairwise/label.tsv", "data/tag_list.txt")
    assert os.fspath(options.folder) == "output/uniter/pretrain"
    assert not options.overwrite
    assert not options.keep_optimizer
    given_flags(flags.define_pretrain, "--keep_optimizer")
    assert flags.pretrain_options().keep_optimizer


def test_a_recipe_changes_model_and_stage_and_flags_win(given_flags, data_dir):
    given_flags(flags.define_pretrain, "--recipe=plus")
    options, preset = flags.pretrain_options(), registry.preset("uniter")
    without_padding = preset.model.without_padding().replace(recipe="plus")
    assert options.model == without_padding.replace(linear=LinearConfig(), categories=True)
    assert options.training == preset.pretrain.replace({"tasks.mlm.weight": 1.0}, clip_norm=1.0)
    given_flags(
        flags.define_pretrain, "--recipe=plus", "--clip_norm=0", "--set=model.linear=null", "--set=model.categories=false",
        "--set=training.tasks.mlm.weight=10",
    )  # fmt: skip
    assert flags.pretrain_options().model == without_padding
    assert flags.pretrain_options().training == preset.pretrain


def test_every_flag_of_the_model(given_flags, data_dir):
    given_flags(
        flags.define_pretrain, "--model=mix_nextvlad", "--frame_embedding_size=4", "--max_frames=2", "--bert_seq_length=3",
        "--hidden_size=9", "--dropout=0", "--vlad_cluster_size=6", "--vlad_hidden_size=7", "--vlad_groups=8", "--se_ratio=5",
        "--set=model.expansion=4", "--set=model.encoder.hidden_dropout=0.25",
    )  # fmt: skip
    assert flags.pretrain_options().model == registry.preset("mix_nextvlad").model.replace({
        "frames.dim": 4, "frames.max_frames": 2, "text.max_length": 3, "embedding_size": 9, "dropout": 0.0, "clusters": 6,
        "vlad_size": 7, "groups": 8, "se_ratio": 5, "expansion": 4, "encoder.hidden_dropout": 0.25,
    })  # fmt: skip


def test_a_folder_of_the_other_encoder_is_not_used(given_flags, data_dir):
    given_flags(flags.define_pretrain, "--model=uniter", "--roformer_dir=nowhere", "--bert_vocab=data/tag_list.txt")
    options = flags.pretrain_options()
    assert (options.hub_dir, options.vocab) == ("", "data/tag_list.txt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bert_dir=data", "--bert_vocab=data"], "--bert_dir brings its own vocabulary"),
        (["--bert_dir=data", "--size=tiny"], "--size=base is needed, not tiny"),
        (["--model=mix_nextvlad", "--uniter_pooling=cls"], "--uniter_pooling=cls: mix_nextvlad has no such part"),
    ],
)
def test_contradicting(given_flags, data_dir, arguments, message):
    given_flags(flags.define_pretrain, *arguments)
    with pytest.raises(UserError, match=message):
        flags.pretrain_options()


@pytest.mark.parametrize(("batch_size", "devices", "fits"), [(8, 8, True), (7, 8, False), (210, 4, True), (1, 1, True)])
def test_a_batch_has_an_example_for_each_device(batch_size, devices, fits):
    preset = registry.preset("uniter").replace({"finetune.batch_size": batch_size})
    if fits:
        flags.require_batch(preset.finetune, preset.model, devices)
    else:
        with pytest.raises(UserError, match=f"--batch_size={batch_size}: there are {devices} devices"):
            flags.require_batch(preset.finetune, preset.model, devices)


@pytest.mark.parametrize(
    ("command", "arguments", "devices", "message"),
    [
        (pretrain, ["--batch_size=8", "--accumulate=8"], 1, ""),
        (pretrain, ["--batch_size=8", "--accumulate=9"], 1, "--accumulate=9: .* --batch_size=8 has 8; give 8 or less"),
        (finetune, ["--batch_size=9", "--accumulate=5"], 2, "--batch_size=9 on 2 replicas has 4; give 4 or less"),
        (finetune, ["--model=mix_nextvlad", "--accumulate=2"], 1, "--accumulate=2: mix_nextvlad needs the whole batch at once"),
        (finetune, ["--model=mix_nextvlad", "--accumulate=1"], 1, ""),
    ],
)
def test_micro_batches_that_do_not_fit_are_refused_before_anything_is_loaded(given_flags, command, arguments, devices, message):
    given_flags(command.define_flags, *arguments)
    if not message:
        command.check_flags(devices)
    else:
        with pytest.raises(UserError) as error:
            command.check_flags(devices)
        assert re.search(message, in_flags(error.value))


def test_require_existing(tmp_path):
    require_existing(None, "", str(tmp_path))
    with pytest.raises(UserError, match=f"none does not exist .{tmp_path} is empty; docs/data.md has the files"):
        require_existing(str(tmp_path), str(tmp_path / "none"))
