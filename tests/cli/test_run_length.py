"""Lengths in epochs, shares of warm-up and the preset `small`, from flags to stages."""

import pytest
import toys
from script_flags import refused
from test_flags import given_flags  # noqa: F401

from vsim_tf.cli import class_flags, finetune, flags, run_length, write_folds
from vsim_tf.cli.run_length import announce
from vsim_tf.presets import registry
from vsim_tf.records.fold_writer import write_folds as make_folds
from vsim_tf.records.manifest import parse_manifest


@pytest.fixture
def data(tmp_path):
    """40 tagged videos in two files, 24 videos of 23 pairs."""
    for part, sizes in {"pointwise": (30, 10), "pairwise": (24,)}.items():
        (tmp_path / "data" / part).mkdir(parents=True)
        for number, size in enumerate(sizes):
            toys.write_records(tmp_path / "data" / part / f"{number}.tfrecords", toys.random_videos(size, seed=number))
    labels = "".join(f"v{i}\tv{i + 1}\t{i / 23}\n" for i in range(23))
    (tmp_path / "data/pairwise/label.tsv").write_text(labels)
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs=2", "--total_steps=3"], "--epochs=2 and --total_steps=3: both are the length of the run, give one"),
        (["--epochs=0"], "--epochs=0: a number above 0 is needed"),
        (["--epochs=nan"], "--epochs=nan: a number above 0"),
        (["--warmup_share=1"], "--warmup_share=1: a share of the run from 0 up to, not including, 1"),
        (["--warmup_share=-0.1"], "--warmup_share=-0.1: a share"),
    ],
)
def test_lengths_that_are_refused(given_flags, arguments, message):  # noqa: F811
    given_flags(flags.define_pair, *arguments)
    with refused(message):
        flags.finetune_stage("2021")


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [
        (["--epochs=2", "--batch_size=8"], 10),  # 40 videos: 5 steps an epoch
        (["--epochs=2", "--set=training.batch_size=10"], 8),
        (["--epochs=0.5", "--batch_size=8", "--model=qq_job1"], 4),  # it sees the pairs' videos too: 64, 8 steps
    ],
)
def test_epochs_of_the_videos(given_flags, data, arguments, steps):  # noqa: F811
    given_flags(flags.define_pretrain, *arguments)
    assert flags.pretrain_options().training.total_steps == steps
    assert flags.pretrain_options(looks_at_data=False).training.total_steps > 10_000


def test_a_model_of_no_system_has_no_preset(given_flags):  # noqa: F811
    given_flags(flags.define_pretrain, "--model=debug", "--preset=small")
    with refused("--preset=small: has no choices for debug; it is for aiac2021_rank4, aiac2021_rank1, wbdc_single, wbdc_clip"):
        flags.pretrain_options(looks_at_data=False)
    given_flags(flags.define_pair, "--model=debug", "--preset=small")
    with refused("--preset=small: has no choices for debug"):
        flags.finetune_stage("2021")


@pytest.fixture
def class_flag_values(given_flags, monkeypatch):  # noqa: F811
    """Parses a command line of a script for classes."""

    def parse(define, *arguments):
        monkeypatch.setattr(class_flags, "FLAGS", given_flags(define, *arguments))

    return parse


def test_the_preset_for_classes(class_flag_values, tmp_path, console):
    """Recipe and lengths of the pre-training; frames, start, folds, steps and average of the classifiers; flags win."""
    for split, count in (("unlabeled", 32), ("labeled", 30)):
        (tmp_path / "output/records" / split).mkdir(parents=True)
        videos = toys.random_videos(count)
        toys.write_records(tmp_path / "output/records" / split / "features.tfrecords", videos)
    class_flag_values(flags.define_pretrain, "--model=wbdc_single", "--preset=small")
    options = flags.pretrain_options(announces=True)
    assert (options.model.recipe, options.model.encoder.hidden_size, options.model.frames.dim) == ("plus", 128, toys.DIM)
    assert (options.training.batch_size, options.training.total_steps) == (16, 2)
    assert "--preset=small for 32 videos: --size=tiny --recipe=plus --frame_embedding_size=6 " in console.readouterr().out
    class_flag_values(class_flags.define_classify, "--preset=small")
    options = class_flags.class_options(looks_at_data=True, announces=True)
    assert (options.runs, options.pictures, options.random_start) == ([0, 1, 2], False, True)
    assert (options.training.batch_size, options.training.total_steps) == (16, 12)  # 24 videos: a step an epoch
    said = console.readouterr().out
    assert "for 24 videos: --size=tiny --folds=0-2 --frames=features --start=random --batch_size=16" in said
    assert f" --average_decay={options.training.average.decay}\n" in said
    given = ("--folds=full", "--frames=pictures", "--start=pretrained", "--size=base", "--set=training.average.decay=0.9")
    class_flag_values(class_flags.define_classify, "--preset=small", *given)
    options = class_flags.class_options()
    assert (options.runs, options.pictures, options.random_start) == (["full"], True, False)
    assert (options.classifier.model.encoder.hidden_size, options.training.average.decay) == (768, 0.9)
    class_flag_values(class_flags.define_predict, "--preset=small")
    assert class_flags.folds() == "0-2"


def test_published_weights_are_started_from(class_flag_values):
    class_flag_values(class_flags.define_classify, "--preset=small", "--clip_dir=clip", "--bert_dir=bert")
    options = class_flags.class_options()
    assert (options.pictures, options.random_start, options.classifier.model.encoder.hidden_size) == (True, False, 768)


def test_flags_of_a_schedule_win(given_flags):  # noqa: F811
    arguments = (
        "--epochs=10",
        "--batch_size=4",
        "--warmup_share=0.2",
        "--warmup_steps=3",
        "--bert_total_steps=70",
        "--eval_freq=9",
    )
    given_flags(flags.define_pair, *arguments)
    stage = flags.finetune_stage("2021", pairs=20)
    assert (stage.total_steps, stage.eval_every) == (50, 9)
    head, encoder = (stage.groups[name].schedule for name in ("head", "encoder"))
    assert (head.warmup, head.horizon, encoder.warmup, encoder.horizon) == (3, 50, 10, 70)


def test_a_share_of_steps(given_flags):  # noqa: F811
    given_flags(flags.define_pair, "--total_steps=100", "--warmup_share=0.1")
    schedules = flags.finetune_stage("2021").warm_ups.values()
    assert {(schedule.warmup, schedule.horizon) for schedule in schedules} == {(10, 100)}


def test_epochs_of_a_classifier(given_flags, tmp_path, monkeypatch):  # noqa: F811
    """50 labelled videos, 40 in training: 5 steps of 8."""
    values = given_flags(class_flags.define_classify, "--epochs=3", "--batch_size=8", f"--record_pattern={tmp_path}/*.tfrecords")
    monkeypatch.setattr(class_flags, "FLAGS", values)
    toys.write_records(tmp_path / "a.tfrecords", toys.random_videos(50))
    assert class_flags.class_options(looks_at_data=True).training.total_steps == 15
    values.folds = "full"
    assert class_flags.class_options(looks_at_data=True).training.total_steps == 18


def test_the_preset_chooses_by_the_data_and_flags_win(given_flags, data):  # noqa: F811
    given_flags(flags.define_pretrain, "--preset=small", "--lr=0.5")
    options = flags.pretrain_options()
    model, stage = options.model, options.training
    assert (model.encoder.hidden_size, model.frames.dim, model.frames.max_frames) == (128, toys.DIM, 8)
    assert (stage.batch_size, stage.total_steps) == (16, 48)  # 2 steps an epoch, 24 epochs
    assert [group.schedule.peak for group in stage.groups.values()] == [1e-3, 0.5]
    given_flags(flags.define_pretrain, "--preset=small", "--size=base", "--total_steps=7", "--max_frames=3")
    options = flags.pretrain_options()
    assert (options.model.encoder.hidden_size, options.model.frames.max_frames, options.training.total_steps) == (768, 3, 7)
    assert options.training.groups["head"].schedule.peak == registry.preset("uniter").pretrain.groups["head"].schedule.peak


def test_the_preset_writes_folds_by_the_number_of_pairs(given_flags, data, monkeypatch):  # noqa: F811
    given_flags(flags.define_write_tfrecord, "--preset=small")
    write_folds.main()
    manifest = parse_manifest("output/folds")
    assert (manifest.num_folds, manifest.settings.frame_embedding_size) == (5, toys.DIM)
    for define in (flags.define_pair, flags.define_inference):
        given_flags(define, "--model=uniter")
        assert flags.folds_of("uniter") == [0, 1, 2, 3, 4]
    given_flags(flags.define_pair, "--model=uniter")
    assert finetune.pairs() == 23 - 4
    files = ("--train_record_pattern=output/folds/fold-0[01]*", "--val_record_pattern=output/folds/fold-02*")
    given_flags(flags.define_pair, "--model=uniter", *files)
    assert finetune.pairs() == 2 * 4


def test_fewer_folds_than_the_models_are_all_of_them(given_flags, data):  # noqa: F811
    make_folds(
        str(data / "pairwise/*.tfrecords"), str(data / "pairwise/label.tsv"), "here", num_folds=3, frame_embedding_size=toys.DIM
    )
    given_flags(flags.define_pair, "--model=uniter", "--folds_dir=here")
    assert flags.folds_of("uniter") == [0, 1, 2]
    given_flags(flags.define_pair, "--model=uniter", "--folds_dir=here", "--folds=2")
    assert flags.folds_of("uniter") == [2]


def test_what_was_chosen_is_said_once(given_flags, data, console):  # noqa: F811
    given_flags(flags.define_pretrain, "--preset=small", "--lr=0.5")
    flags.pretrain_options()
    assert console.readouterr().out == ""
    flags.pretrain_options(announces=True)
    chosen, length = console.readouterr().out.splitlines()
    assert chosen.startswith(
        "--preset=small for 40 videos: --size=tiny --recipe=plus --frame_embedding_size=6 --max_frames=8 --bert_seq_length=12"
    )
    assert "--bert_lr=0.001" in chosen
    assert "--lr=" not in chosen.replace("--bert_lr=", "")
    assert length == "24 epochs of 40 videos: 48 steps of 16, warm-up 6 (encoder), 0 (head), evaluations every 10 steps"


def test_steps_say_nothing_of_epochs(given_flags, console):  # noqa: F811
    given_flags(flags.define_pair, "--total_steps=5000")
    assert not run_length.counts_examples()
    announce(flags.finetune_stage("2021"), None, "pairs", {})
    assert console.readouterr().out == ""
