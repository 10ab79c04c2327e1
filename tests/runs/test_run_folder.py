"""The files next to a checkpoint, and when a folder is refused."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import toys
from script_flags import refused

from vsim_tf.errors import UserError
from vsim_tf.io.files import exclusive
from vsim_tf.runs import run_folder
from vsim_tf.runs.run_folder import (
    CONFIG,
    TAGS,
    TOKENIZER,
    RunFolder,
    RunSettings,
    prepare_run_folder,
    read_summary,
    run_lock,
    write_summary,
)
from vsim_tf.training.console import announce_finished


def run_settings(model="uniter_roformer", training=None, **data):
    config = toys.model(model)
    tokenizer = toys.TOKENIZERS[config.encoder.kind]
    return RunSettings("pretrain", config, training or toys.stage(), tokenizer, toys.TAGS, {"pairs": 3} | data)


@pytest.fixture
def folder(tmp_path):
    assert prepare_run_folder(tmp_path / "a" / "run", run_settings(), overwrite=False) is None
    return tmp_path / "a" / "run"


def edit(path, change):
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def test_a_folder_is_enough_to_build_the_model_and_read_data(folder):
    settings = run_settings()
    assert RunFolder.open(folder).model == settings.model
    form = RunFolder.open(folder).batch_format()
    assert form.tokenizer.vocabulary == settings.tokenizer.vocabulary
    assert form.tokenizer.kind == "roformer"
    np.testing.assert_array_equal(form.tags, toys.TAGS)
    assert (form.max_text_length, form.max_frames, form.frame_embedding_size) == (toys.TEXT, toys.FRAMES, toys.DIM)


def test_a_format_has_the_rules_of_the_model():
    rules = {"text.form": "pair", "frames.sampling": "centred", "frames.padding": "zeros"}
    form = run_folder.batch_format(toys.model("uniter", rules), toys.TOKENIZERS["bert"], toys.TAGS)
    assert (form.text_form, form.sampling, form.padding) == ("pair", "centred", "zeros")


def test_what_is_opened_is_read_once(folder):
    run = RunFolder.open(folder)
    assert (run.path, run.model, run.training) == (folder, run_settings().model, run_settings().training)
    assert run.summary is None
    write_summary(folder, {"step": 6})
    (folder / TAGS).unlink()
    assert RunFolder.open(folder).summary == {"step": 6}
    assert run.summary is None
    with pytest.raises(UserError, match="tag_list.txt: cannot be read"):
        _ = run.tags
    assert run.tokenizer is run.tokenizer


def test_the_checkpoints_of_a_run(folder):
    with pytest.raises(UserError, match="run/last holds no checkpoint"):
        RunFolder.open(folder).checkpoint()
    for name in ("last/ckpt-5", "last/ckpt-12", "best/ckpt-3"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / f"{name}.index").touch()
    run = RunFolder.open(folder)
    assert [run.checkpoint(), run.checkpoint("best")] == [f"{folder}/last/ckpt-12", f"{folder}/best/ckpt-3"]


@pytest.mark.parametrize(("kept", "expected"), [("last", "last/ckpt-12"), ("best", "best/ckpt-3")])
def test_the_checkpoint_of_a_run_is_the_one_that_its_stage_keeps(tmp_path, kept, expected):
    prepare_run_folder(tmp_path, run_settings(training=toys.stage(changes={"selection.kept": kept})), overwrite=False)
    for name in ("last/ckpt-12", "best/ckpt-3"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / f"{name}.index").touch()
    assert RunFolder.open(tmp_path).checkpoint() == f"{tmp_path}/{expected}"


def test_a_run_of_another_model_is_refused(folder, tmp_path):
    run = RunFolder.open(folder)
    run.require_model("uniter_roformer")
    with refused("run holds model uniter_roformer, --model=uniter was asked for"):
        run.require_model("uniter")
    prepare_run_folder(tmp_path / "b", run_settings("uniter"), overwrite=False)
    run.require_same_model(RunFolder.open(folder))
    with pytest.raises(UserError, match=r"run holds another model or vocabulary than .*/b"):
        run.require_same_model(RunFolder.open(tmp_path / "b"))


def test_a_run_of_a_version_without_a_setting_is_of_the_same_model(folder, tmp_path):
    """The setting has its default there."""
    prepare_run_folder(tmp_path / "older", run_settings(), overwrite=False)
    edit(
        tmp_path / "older" / CONFIG,
        lambda config: [config["model"]["text"].pop("form"), config["model"]["frames"].pop("padding")],
    )
    RunFolder.open(tmp_path / "older").require_same_model(RunFolder.open(folder))
    prepare_run_folder(tmp_path / "older", run_settings(), overwrite=False)


OPENED = """
import sys
from vsim_tf.runs.run_folder import RunFolder
run = RunFolder.open(sys.argv[1])
assert run.model and run.training and run.tokenizer and run.tags.size and run.summary is None
assert "tensorflow" not in sys.modules
"""


def test_a_run_is_opened_without_tensorflow(folder):
    opened = subprocess.run([sys.executable, "-c", OPENED, str(folder)], capture_output=True, text=True, timeout=60)
    assert (opened.returncode, opened.stderr) == (0, "")


def test_the_same_settings_go_on_and_a_finished_run_returns_its_summary(folder):
    assert prepare_run_folder(folder, run_settings(), overwrite=False) is None
    write_summary(folder, {"step": 6, "spearman": 0.5})
    assert prepare_run_folder(folder, run_settings(), overwrite=False) == {"step": 6, "spearman": 0.5}
    assert read_summary(folder) == {"step": 6, "spearman": 0.5}


def test_overwrite_removes_what_is_there(folder):
    write_summary(folder, {"step": 6})
    (folder / "left-over").touch()
    assert prepare_run_folder(folder, run_settings(training=toys.stage(seed=7)), overwrite=True) is None
    assert not (folder / "left-over").exists()
    assert RunFolder.open(folder).config["training"]["seed"] == 7


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (run_settings(training=toys.stage(seed=7)), "settings. training.seed: 42 there, 7 asked for"),
        (run_settings(training=toys.stage(batch_size=8)), "training.batch_size: 4 there, 8 asked for"),
        (run_settings(pairs=4), "data.pairs: 3 there, 4 asked for"),
        (run_settings("uniter"), "model.encoder.kind: roformer there, bert asked for"),
    ],
)
def test_other_settings_are_refused_with_their_names(folder, settings, words):
    before = (folder / CONFIG).read_bytes()
    with refused(r"holds a run with other settings.*--overwrite") as caught:
        prepare_run_folder(folder, settings, overwrite=False)
    assert words in str(caught.value)
    assert (folder / CONFIG).read_bytes() == before


def test_another_vocabulary_is_refused(folder):
    vocabulary = folder / TOKENIZER / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text().replace("天", "夭"))
    with pytest.raises(UserError, match="tokenizer: another vocabulary than the model was trained with"):
        RunFolder.open(folder).batch_format()


def test_another_tag_list_is_refused(folder):
    with open(folder / TAGS, "a") as file:
        file.write("9\n")
    with pytest.raises(UserError, match=r"tag_list.txt: other tags than the model was trained with"):
        RunFolder.open(folder).batch_format()


def test_a_tag_that_was_exchanged_is_refused(folder):
    (folder / TAGS).write_text((folder / TAGS).read_text().replace("700", "701"))
    with pytest.raises(UserError, match=r"tag_list.txt"):
        RunFolder.open(folder).batch_format()


def test_a_folder_without_a_run(tmp_path):
    assert read_summary(tmp_path) is None
    with pytest.raises(UserError, match=r"config.json does not exist: .* is no folder of a training run"):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize("text", ["", "{", '{"step": 1', "\xff"])
def test_damaged_json_is_named(folder, text):
    (folder / CONFIG).write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"config.json: not JSON"):
        RunFolder.open(folder)


def test_a_config_of_another_version_names_its_keys(folder):
    edit(folder / CONFIG, lambda values: values["model"].update(colour=1) or values["model"].pop("encoder"))
    with pytest.raises(UserError, match=r"unknown keys \['colour'\], missing keys \['encoder'\]"):
        _ = RunFolder.open(folder).model


@pytest.mark.parametrize("key", ["model", "tokenizer", "tags"])
def test_a_config_without_a_part_is_named(folder, key):
    for change in (lambda values: values.pop(key), lambda values: values.update({key: 3})):
        edit(folder / CONFIG, change)
        with pytest.raises(UserError, match=rf"config.json: {key} is missing or no object"):
            RunFolder.open(folder)


def test_a_damaged_summary_is_named(folder):
    (folder / "summary.json").write_text('{"step": 6, "spearman": "high", "best_spearman": NaN}')
    summary = read_summary(folder)
    with pytest.raises(UserError, match=r"run/summary.json: no number spearman, best_step; remove the file"):
        announce_finished("label", summary, folder)
    (folder / "summary.json").write_text("{")
    with pytest.raises(UserError, match=r"summary.json: not JSON.*; remove it"):
        read_summary(folder)


@pytest.mark.parametrize("text", ["null", "NaN", "-Infinity"])
def test_a_score_that_is_not_defined_is_said_also_of_older_versions(folder, text, console):
    (folder / "summary.json").write_text(f'{{"step": 6, "spearman": {text}, "best_spearman": {text}, "best_step": 0}}')
    announce_finished("label", read_summary(folder), folder)
    assert console.readouterr().out == f"label: complete at step 6, Spearman undefined (best undefined at step 0), in {folder}\n"


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        ({"step": 6, "spearman": 0.5, "best_spearman": 0.6, "best_step": 0}, True),
        ({"step": 6, "spearman": None, "best_spearman": 0.6, "best_step": 0}, True),
        ({"step": 6, "spearman": 0.6, "best_spearman": 0.6, "best_step": 0}, False),
        ({"step": 6, "spearman": 0.5, "best_spearman": 0.6, "best_step": 3}, False),
    ],
)
def test_training_that_only_lowered_the_score_is_said_with_what_to_do(folder, summary, said, console):
    announce_finished("label", summary, folder)
    advice = (
        "label: no evaluation is better than the one before the first step, Spearman 0.6000: training made it worse. Lower --lr"
    )
    assert (advice in console.readouterr().out) == said


def test_the_advice_names_the_groups_that_the_run_has(tmp_path, console):
    groups = {"vlad": toys.stage().groups["head"], "rest": toys.stage().groups["encoder"]}
    prepare_run_folder(tmp_path, run_settings(training=dataclasses.replace(toys.stage(), groups=groups)), overwrite=False)
    announce_finished("label", {"step": 6, "spearman": 0.5, "best_spearman": 0.6, "best_step": 0}, tmp_path)
    said = "Lower training.groups.rest.schedule.peak and training.groups.vlad.schedule.peak, or give fewer --total_steps"
    assert said in console.readouterr().out


def test_numbers_that_json_does_not_have_are_never_written(folder):
    with pytest.raises(ValueError, match="JSON"):
        write_summary(folder, {"step": 6, "spearman": float("nan")})
    assert read_summary(folder) is None


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with refused(r"--output_dir: .* cannot be written"):
        prepare_run_folder(tmp_path / "file" / "run", run_settings(), overwrite=False)


def test_a_run_goes_on_that_was_made_before_a_setting_was_there(folder):
    edit(folder / CONFIG, lambda values: [values["training"].pop(key) for key in ("clip_norm", "labels", "bucket_by_length")])
    edit(folder / CONFIG, lambda values: values["model"].pop("pack"))
    assert RunFolder.open(folder).model == run_settings().model
    assert prepare_run_folder(folder, run_settings(), overwrite=False) is None
    with pytest.raises(UserError, match="settings. training.clip_norm: 0.0 there, 1.0 asked for"):
        prepare_run_folder(folder, run_settings(training=toys.stage(clip_norm=1.0)), overwrite=False)


def longer(total_steps=12, horizon=10_000, **changes):
    """Settings of a run of 6 steps, with more of them and another horizon of the head's schedule."""
    return run_settings(training=toys.stage(total_steps, changes={"groups.head.schedule.horizon": horizon}, **changes))


def test_more_steps_extend_a_run_whose_rates_stay(folder):
    write_summary(folder, {"step": 6, "spearman": 0.5})
    assert prepare_run_folder(folder, longer(), overwrite=False) is None
    assert RunFolder.open(folder).config["training"]["total_steps"] == 12
    assert read_summary(folder) is None  # until the longer run is complete
    assert prepare_run_folder(folder, longer(), overwrite=False) is None
    with pytest.raises(UserError, match="settings. training.total_steps: 12 there, 6 asked for"):
        prepare_run_folder(folder, run_settings(), overwrite=False)


@pytest.mark.parametrize("settings", [longer(seed=7), longer(batch_size=8), longer(total_steps=5)])
def test_nothing_else_may_change_with_the_steps(folder, settings):
    before = (folder / CONFIG).read_bytes()
    with pytest.raises(UserError, match="holds a run with other settings. training"):
        prepare_run_folder(folder, settings, overwrite=False)
    assert (folder / CONFIG).read_bytes() == before


def test_other_rates_of_completed_updates_are_refused(folder):
    checkpoint = tf.train.Checkpoint(slots={"m": tf.Variable(0.0)})
    checkpoint.write(str(folder / "last/ckpt-6"))
    write_summary(folder, {"step": 6, "spearman": 0.5})
    before = (folder / CONFIG).read_bytes()
    message = (
        r"6 steps that cannot be extended to 12 .* its 6 completed updates .* Add training.groups.head.schedule.horizon=10000, or"
    )
    with pytest.raises(UserError, match=message):
        prepare_run_folder(folder, longer(horizon=20_000), overwrite=False)
    assert (folder / CONFIG).read_bytes() == before and read_summary(folder)["step"] == 6
    assert prepare_run_folder(folder, longer(), overwrite=False) is None


def test_a_run_without_the_moments_of_adam_cannot_be_extended(folder):
    tf.train.Checkpoint(weights={"w": tf.Variable(0.0)}).write(str(folder / "last/ckpt-6"))
    write_summary(folder, {"step": 6, "spearman": 0.5})
    with refused(r"6 steps cannot be extended to 12, as the moments of Adam were.*--keep_optimizer"):
        prepare_run_folder(folder, longer(), overwrite=False)
    assert read_summary(folder)["step"] == 6


def test_a_run_that_is_being_trained_is_not_extended(folder):
    before = (folder / CONFIG).read_bytes()
    with exclusive(folder), pytest.raises(UserError, match="another process is writing into it"), run_lock(folder):
        prepare_run_folder(folder, longer(), overwrite=False)
    assert (folder / CONFIG).read_bytes() == before


def test_a_summary_of_fewer_steps_is_no_finished_run(folder, monkeypatch):
    """As another worker sees it before the first one has extended the run."""
    write_summary(folder, {"step": 6, "spearman": 0.5})
    monkeypatch.setattr(run_folder, "is_chief", lambda: False)
    assert prepare_run_folder(folder, longer(), overwrite=False) is None
    assert prepare_run_folder(folder, run_settings(), overwrite=False) == {"step": 6, "spearman": 0.5}


def test_a_run_goes_on_with_another_batch_size_of_evaluation(folder):
    assert prepare_run_folder(folder, run_settings(training=toys.stage(val_batch_size=1)), overwrite=False) is None
