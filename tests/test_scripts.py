"""The scripts from outside: help, and one line with exit code 2 for everything that is given wrong."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import toys
from processes import Ended

from vsim_tf.ensemble.svd_basis import SvdBasis
from vsim_tf.records.embeddings import Embeddings, write_embeddings

ROOT = Path(__file__).parents[1]
SCRIPTS = (
    "write_tfrecord.py", "train_pretrain.py", "train_pair.py", "inference_pair.py", "ensemble_final.py", "extract_features.py",
    "train_classify.py", "predict_classify.py", "check_data.py", "write_labels.py",
)  # fmt: skip


@pytest.fixture
def start(server):
    """Starts a script and waits for its end."""
    return server.run


def assert_refused(ended: Ended, *words):
    """Exit code 2, nothing on stdout, and one line on stderr with all the words."""
    assert (ended.code, ended.stdout) == (2, ""), ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ")
    assert not [word for word in words if word not in line], line


HELP = """
import runpy, sys
sys.argv = [sys.argv[1], "--help"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    assert "tensorflow" not in sys.modules
    sys.exit(end.code)
"""


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_lists_the_flags_without_loading_tensorflow(script):
    command = [sys.executable, "-c", HELP, script]
    result = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    assert script in result.stdout
    assert "--output" in result.stdout
    assert "debug" not in result.stdout  # the model and size for tests


@pytest.mark.parametrize("flag", ["--model=bert", "--size=huge"])
def test_what_is_accepted_is_listed_without_what_tests_use(flag, start):
    ended = start("train_pretrain.py", flag)
    assert_refused(ended, flag, {"--model=bert": "<mix_nextvlad|", "--size=huge": "<base|large|tiny>"}[flag])
    assert "debug" not in ended.stderr


def test_help_of_the_benchmarks_lists_them():
    result = subprocess.run([sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    for script in ("embed", "encoder_step", "ensemble", "folds", "ingredients", "input_pipeline", "startup", "step_profile"):
        first_line = (ROOT / "benchmarks" / f"{script}.py").read_text(encoding="utf-8").split("\n")[0].strip('"')
        assert first_line in result.stdout
    for part in ("table", "profiler", "contest"):
        assert f"  {part} " not in result.stdout
    wrong = [sys.executable, "-m", "benchmarks", "embed"]
    assert subprocess.run(wrong, cwd=ROOT, capture_output=True, timeout=60).returncode == 2


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_unknown_flag(script, start):
    assert_refused(start(script, "--colour=red"), "colour", "--help")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_word_that_is_no_flag(script, start):
    words = ["uniter", "more"] if script == "check_data.py" else ["uniter"]  # one word is its folder
    assert_refused(start(script, *words), "unexpected arguments", "uniter")


@pytest.mark.parametrize(
    "command",
    [
        ("write_tfrecord.py", "--num_folds=1"),
        ("write_tfrecord.py", "--layout=twice"),
        ("write_tfrecord.py", "--split=odd"),
        ("write_tfrecord.py", "--split=modulo", "--seed=7"),
        ("train_pretrain.py", "--model=bert"),
        ("train_pretrain.py", "--total_steps=many"),
        ("train_pretrain.py", "--total_steps=100", "--warmup_steps=100"),
        ("train_pretrain.py", "--batch_size=0"),
        ("train_pretrain.py", "--hidden_size=257"),
        ("train_pretrain.py", "--size=huge"),
        ("train_pretrain.py", "--model=mix_nextvlad", "--uniter_pooling=cls"),
        ("train_pretrain.py", "--bert_dir=a", "--bert_vocab=b"),
        ("train_pretrain.py", "--seed=-1"),
        ("train_pair.py", "--folds=0-"),
        ("train_pair.py", "--folds=0", "--run_name=mine"),
        ("train_pair.py", "--kl_weight=-1"),
        ("train_pair.py", "--clip_norm=-1"),
        ("train_pair.py", "--labels=order"),
        ("train_pretrain.py", "--labels=rank"),
        ("train_pair.py", "--train_record_pattern=a"),
        ("inference_pair.py", "--checkpoint=newest"),
        ("inference_pair.py", f"--test_file={__file__}", "--ckpt_file=a", "--folds=0"),
        ("inference_pair.py", f"--test_file={__file__}", "--ckpt_file=a", "--checkpoint=best"),
        ("inference_pair.py", f"--test_file={__file__}", "--model=uniter", "--output_zip=a.zip"),
        ("ensemble_final.py", "--members=a.zip", "--models=uniter"),
        ("ensemble_final.py", "--members=a.zip", "--folds=0"),
        ("ensemble_final.py", "--method=mean"),
        ("ensemble_final.py", "--method=svd", "--normalize"),
        ("ensemble_final.py", "--svd_basis=a.basis.npz"),
        ("ensemble_final.py", "--models=uniter", "--weights=1,2"),
        ("ensemble_final.py", "--models=uniter,uniter_asl", "--weights=a,b"),
        ("ensemble_final.py", "--output_dir=none"),  # where no model has a run
        ("ensemble_final.py", "--models=uniter,wbdc_1"),
        ("ensemble_final.py", "--models=wbdc_1", "--output_zip=a.zip"),
        ("ensemble_final.py", "--models=uniter", "--output_csv=a.csv"),
        ("ensemble_final.py", "--models=wbdc_1", "--folds=all"),
        ("train_classify.py", "--model=uniter"),
        ("train_classify.py", "--folds=full,0"),
        ("train_classify.py", "--frames=features", "--clip_dir=a"),
        ("train_classify.py", "--set=model.name=a"),
        ("predict_classify.py", "--model=wbdc_1", "--checkpoint=newest"),
        ("predict_classify.py", "--ckpt_file=a", "--folds=0"),
        ("predict_classify.py", "--model=wbdc_1", "--output_csv=a.csv"),
        ("predict_classify.py", "--model=wbdc_1", "--folds=-1"),
        ("extract_features.py", "--frames=a", "--videos=b"),
        ("extract_features.py", "--videos=a", "--kind=pictures", "--output=a.zip"),
        ("extract_features.py", "--videos=a", "--kind=pictures", "--output=a.tfrecords", "--shard=4/4"),
        ("extract_features.py", "--videos=a", "--kind=pictures", "--output=a.tfrecords", "--fps=0"),
        ("extract_features.py", "--videos=a", "--kind=pictures", "--output=a.tfrecords", "--count=33"),
        ("extract_features.py", "--kind=frames"),
        ("write_labels.py", f"--scores={__file__}", "--scale=5"),
        ("check_data.py", "--max_problems=-1"),
    ],
    ids=lambda command: f"{command[0]} {command[-1]}",
)
def test_a_bad_value(command, tmp_path, start):
    flag = command[-1].partition("=")[0]
    assert_refused(start(*command, folder=tmp_path), flag.removeprefix("--"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--model=qq_job2", "--set=training.tasks.tag.head=relu_cls"),
            "head='relu_cls' with layout='frames_first': it reads [CLS], which must stand first",
        ),
        (
            ("--model=qq_job1", "--set=training.tasks.mlm.probability=0"),
            "--set=training.tasks.mlm.probability=0: probability=0: a probability above 0 and below 1 is needed",
        ),
        (
            ("--model=mix_nextvlad", '--set=training.tasks={"mfm": {"type": "masked_frames"}}'),
            "the task masked_frames needs one sequence of tokens and frames, which mix_nextvlad does not have",
        ),
        (("--model=qq_job1", "--bert_dir=a", "--size=base"), "--bert_dir fixes the encoder's size: --size=large is needed"),
    ],
    ids=["layout", "probability", "model", "size"],
)
def test_settings_that_do_not_go_together(flags, message, tmp_path, start):
    assert_refused(start("train_pretrain.py", *flags, folder=tmp_path), message)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def data_dir(tmp_path):
    """Folder `data` with labels, tags and videos, which a test then spoils."""
    folder = tmp_path / "data"
    for part in ("pointwise", "pairwise", "test_a"):
        (folder / part).mkdir(parents=True)
        toys.write_records(folder / part / f"{part}.tfrecords", toys.random_videos(12))
    (folder / "pairwise" / "label.tsv").write_text("".join(f"v{i}\tv{i + 1}\t0.5\n" for i in range(11)))
    (folder / "tag_list.txt").write_text("".join(f"{tag}\n" for tag in toys.TAGS))
    return folder


def assert_nothing_written(tmp_path):
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


MISSING = {  # what is taken away: scripts that say so, with more words of the message
    "pairwise/pairwise.tfrecords": [("write_tfrecord.py", "matches no file"), ("train_pretrain.py", "matches no file")],
    "pairwise/label.tsv": [("write_tfrecord.py", "No such file"), ("train_pretrain.py", "does not exist")],
    "tag_list.txt": [("train_pretrain.py", "does not exist")],
    "pointwise/pointwise.tfrecords": [("train_pretrain.py", "matches no file")],
    "test_a/test_a.tfrecords": [("inference_pair.py", "matches no file")],
}


@pytest.mark.parametrize(("file", "script", "words"), [(file, *case) for file, cases in MISSING.items() for case in cases])
def test_a_missing_file_or_empty_glob(file, script, words, data_dir, tmp_path, start):
    (data_dir / file).unlink()
    named = file if file.endswith(("tsv", "txt")) else str(Path(file).parent.parent / Path(file).parts[0].replace("_a", "_*"))
    assert_refused(start(script, folder=tmp_path), words, named)
    assert_nothing_written(tmp_path)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("check_data.py", "none"), ("none does not exist",)),
        (("extract_features.py", "--table=none.csv", "--output=a.tfrecords"), ("none.csv does not exist",)),
        (("train_pair.py", "--pretrained_dir=none"), ("none does not exist",)),
        (("train_pair.py", "--pretrained_dir=data", "--folds_dir=none"), ("none does not exist",)),
        (("inference_pair.py", "--ckpt_file=none"), ("no file none.index", "holds no checkpoint")),
        (("train_pretrain.py", "--bert_dir=none"), ("none does not exist",)),
        (("train_pretrain.py", "--bert_vocab=none"), ("none does not exist",)),
        (("train_pretrain.py", "--model=wbdc_clip", "--clip_dir=none"), ("none does not exist",)),
        (("train_pretrain.py", "--model=wbdc_single"), ("output/records/unlabeled/features*.tfrecords", "matches no file")),
        (("train_classify.py", "--clip_dir=none"), ("none does not exist",)),
        (("train_classify.py",), ("output/records/labeled/pictures*.tfrecords", "matches no file")),
        (("predict_classify.py", "--ckpt_file=none"), ("no file none.index", "holds no checkpoint")),
        (("predict_classify.py", "--model=wbdc_1"), ("output/wbdc_1/fold-00", "does not exist")),
        (("ensemble_final.py", "--models=wbdc_1", "--labels=none.tsv"), ("none.tsv does not exist",)),
        (("ensemble_final.py", "--models=wbdc_1"), ("no predictions of test_b for 1: wbdc_1", "run predict_classify.py")),
    ],
)
def test_another_path_that_does_not_exist(command, words, data_dir, tmp_path, start):
    assert_refused(start(*command, folder=tmp_path), *words)
    assert_nothing_written(tmp_path)


@pytest.mark.parametrize("line", ["v1\tv2", "v1\tv2\t1.5", "v1\tv2\thigh"])
def test_a_bad_line_of_labels(line, data_dir, tmp_path, start):
    with open(data_dir / "pairwise" / "label.tsv", "a") as file:
        file.write(line + "\n")
    assert_refused(start("write_tfrecord.py", folder=tmp_path), "label.tsv, line 12", repr(line))
    assert_nothing_written(tmp_path)


@pytest.mark.parametrize("script", SCRIPTS[:2])
def test_a_blank_separates_a_flag_from_its_value_too(script, data_dir, tmp_path, start):
    (tmp_path / "data").rename(tmp_path / "data of mine")
    (tmp_path / "data of mine/pairwise/label.tsv").unlink()
    assert_refused(start(script, "--data_dir", "data of mine", folder=tmp_path), "data of mine/pairwise/label.tsv")


def test_members_with_commas_in_their_names(data_dir, tmp_path, start):
    (tmp_path / "data/a,b.zip").touch()
    refused = start("ensemble_final.py", "--members=data/a,b.zip", "--members=c.zip,d.zip", "--weights=1,2", folder=tmp_path)
    assert_refused(refused, "2 numbers for 3 members (data/a,b.zip, c.zip, d.zip)")


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"PK", "not a readable basis"), ("another", "is of another ensemble: x (4 dimensions, weight 1)")],
)
def test_a_basis_that_does_not_fit(content, words, tmp_path, start):
    basis = tmp_path / "a.basis.npz"
    if content == "another":
        SvdBasis(("x",), (4,), (1.0,), np.eye(4)).save(basis)
    elif content:
        basis.write_bytes(content)
    write_embeddings(tmp_path / "m.npz", Embeddings(["1", "2"], np.eye(2)))
    before = sorted(tmp_path.iterdir())
    flags = ["--method=svd", f"--svd_basis={basis}", "--members=m.npz", "--output_zip=b.zip"]
    assert_refused(start("ensemble_final.py", *flags, folder=tmp_path), str(basis), words)
    assert sorted(tmp_path.iterdir()) == before


def test_more_folds_than_pairs(data_dir, tmp_path, start):
    assert_refused(start("write_tfrecord.py", "--num_folds=12", folder=tmp_path), "11 pairs")
    assert_nothing_written(tmp_path)


def test_ids_that_are_no_integers(data_dir, tmp_path, start):
    assert_refused(start("write_tfrecord.py", "--split=modulo", folder=tmp_path), "label.tsv, line 1", "'v0' is no integer")
    assert_nothing_written(tmp_path)


@pytest.mark.parametrize("flag", ["--members=a.zip,b.zip,a.zip", "--models=uniter,uniter"])
def test_a_member_that_is_named_twice(flag, tmp_path, start):
    assert_refused(start("ensemble_final.py", flag, folder=tmp_path), "named twice")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:-3], "truncated"),
        (lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:], "damaged"),
        (lambda data: b"", "is empty"),
    ],
)
@pytest.mark.parametrize(
    ("script", "file"),
    [("write_tfrecord.py", "pairwise/pairwise.tfrecords"), ("train_pretrain.py", "pointwise/pointwise.tfrecords")],
)
def test_a_damaged_record_file(script, file, damage, words, data_dir, tmp_path, start):
    (data_dir / file).write_bytes(damage((data_dir / file).read_bytes()))
    flags = [f"--frame_embedding_size={toys.DIM}", *(["--size=debug"] if "pretrain" in script else [])]
    ended = start(script, *flags, folder=tmp_path)
    assert_refused(ended._replace(stderr=ended.stderr.splitlines()[-1]), file, words)  # behind the progress bar
    assert not list(tmp_path.glob("output/**/*"))
