"""The command line that run.sh makes, read into stages."""

from pathlib import Path

import pytest

from vsim_tf.cli import flags
from vsim_tf.errors import UserError
from vsim_tf.launch.plan import flags_of, read_plan

OPTIONS = {"output_dir": "out put", "models": "uniter,mix_nextvlad", "jobs": "2", "jobs_per_gpu": "1"}


def plan(*words: str, **options: str):
    return read_plan([*(f"--{name}={value}" for name, value in (OPTIONS | options).items()), *words])


def test_stages_and_their_commands():
    found = plan(
        "--stage=data", "--before_checks", "-m", "vsim_tf.demo", "--seed=1",
        "--stage=training", "--each_model", "train_pretrain.py", "--size=tiny", "--more_flags=--lr=1 --seed=2",
    )  # fmt: skip
    data, training = found.stages
    assert (data.name, data.makes_inputs, training.makes_inputs) == ("data", True, False)
    assert [task.command for task in data.tasks] == [("-m", "vsim_tf.demo", "--seed=1")]
    assert data.tasks[0].arguments == ("vsim_tf.demo", "--seed=1")
    expected = ("train_pretrain.py", "--size=tiny", "--lr=1", "--seed=2")
    assert [(task.model, task.command) for task in training.tasks] == [
        (model, (*expected, f"--model={model}")) for model in ("uniter", "mix_nextvlad")
    ]
    assert (str(found.output_dir), found.jobs, found.jobs_per_gpu) == ("out put", 2, 1)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("", []),
        ("  --a=1\n --b=2 ", ["--a=1", "--b=2"]),
        ("--a='b c' --d=\"e'f\" --g=h\\ i", ["--a=b c", "--d=e'f", "--g=h i"]),
        ("--a=[1]* --b=c,d --e='$(date)'", ["--a=[1]*", "--b=c,d", "--e=$(date)"]),
    ],
)
def test_more_flags_are_split_as_a_shell_would(text, flags):
    (stage,) = plan("--stage=ensemble", "ensemble_final.py", f"--more_flags={text}").stages
    assert stage.tasks[0].command == ("ensemble_final.py", *flags)


def test_a_quote_without_its_end():
    with pytest.raises(UserError, match="--a='b: no closing quotation; quote as for a shell"):
        plan("--stage=ensemble", "ensemble_final.py", "--more_flags=--a='b")


@pytest.mark.parametrize("models", ["uniter mix_nextvlad", " uniter,  mix_nextvlad ", "uniter,mix_nextvlad"])
def test_names_of_models(models):
    (stage,) = plan("--stage=training", "--each_model", "train_pretrain.py", models=models).stages
    assert [task.model for task in stage.tasks] == ["uniter", "mix_nextvlad"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": "uniter,unterx"}, "unterx: not a registered model; accepted: mix_nextvlad, "),
        ({"models": "uniter uniter"}, "--models=uniter uniter: a model is named twice"),
        ({"models": " "}, "names of models are needed"),
        ({"jobs": "0"}, "--jobs=0: an integer from 1 is needed"),
        ({"jobs": "two"}, "--jobs=two"),
        ({"jobs": "²"}, "--jobs=²"),
        ({"jobs_per_gpu": "-1"}, "--jobs_per_gpu=-1"),
    ],
)
def test_options_that_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        plan("--stage=ensemble", "ensemble_final.py", **options)


def test_flags_of_other_scripts_in_turn():
    """Definitions and values do not outlive their block."""
    before = set(flags.FLAGS)
    with flags_of(flags.define_pretrain, ["a.py", "--batch_size=3", "--data_dir", "a b"]):
        assert (flags.FLAGS.batch_size, flags.FLAGS.data_dir) == (3, "a b")
    with flags_of(flags.define_inference, ["b.py", "--data_dir=c"]):
        assert (flags.FLAGS.batch_size, flags.FLAGS.data_dir, flags.FLAGS["folds"].present) == (64, "c", 0)
    with pytest.raises(UserError, match="colour.*b.py --help lists"), flags_of(flags.define_pair, ["b.py", "--colour=1"]):
        pytest.fail("there is no such flag")
    with pytest.raises(UserError, match="unexpected arguments"), flags_of(flags.define_pair, ["b.py", "uniter"]):
        pytest.fail("this is no flag")
    assert set(flags.FLAGS) == before


@pytest.mark.parametrize(
    ("models", "script", "more", "expected"),
    [
        ("uniter", "train_pretrain.py", "", {"pretrain": 9000}),
        ("uniter", "train_pair.py", "--folds=0,2", {"fold-00": 9000, "fold-02": 9000}),
        ("uniter", "train_pair.py", "--train_record_pattern=a --val_record_pattern=b --run_name=own", {"own": 9000}),
        ("wbdc_1", "train_classify.py", "--folds=1", {"fold-01": 9000}),
        ("wbdc_1", "train_classify.py", "--folds=full", {"full": 9000}),
        ("uniter", "inference_pair.py", "", {}),
    ],
)
def test_training_runs_of_a_script(models, script, more, expected):
    words = ["--stage=some", "--each_model", script, "--output_dir=out", f"--more_flags={more}"]
    words += ["--total_steps=9000"] * bool(expected)
    ((task,),) = (stage.tasks for stage in plan(*words, models=models).stages)
    assert task.steps_of_runs() == {Path("out", models, name): steps for name, steps in expected.items()}
