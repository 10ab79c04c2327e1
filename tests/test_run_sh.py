"""run.sh as a person starts it: options, and what is missing, in its first second."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import toys
from tiers import slow_but

from vsim_tf.features.pictures import encode_jpeg
from vsim_tf.io.files import exclusive

ROOT = Path(__file__).parents[1]
NO_TENSORFLOW = """
import sys

def refuse(event, arguments):
    if event == "import" and arguments[0] == "tensorflow":
        raise RuntimeError("TensorFlow is loaded")

sys.addaudithook(refuse)
"""


@pytest.fixture(params=["dash", "bash"])
def shell(request):
    if not shutil.which(request.param):
        pytest.skip(f"no {request.param} here")
    return request.param


@pytest.fixture
def data_dir(tmp_path):
    """Inputs of all stages, in a folder with characters that mean something to shells and patterns."""
    folder = tmp_path / "da[ta], 'of' *"
    for part in ("pointwise", "pairwise", "test_a", "test_b"):
        (folder / part).mkdir(parents=True)
        toys.write_records(folder / part / f"{part}.tfrecords", toys.random_videos(12))
    for part in ("pairwise", "test_a"):
        (folder / part / "label.tsv").write_text("".join(f"v{i}\tv{i + 1}\t0.5\n" for i in range(11)))
    (folder / "tag_list.txt").write_text("".join(f"{tag}\n" for tag in toys.TAGS))
    return folder


def run(folder: Path, *options: str, shell: str = "sh") -> subprocess.CompletedProcess:
    """Starts run.sh where loading TensorFlow is an error."""
    (folder / "python").mkdir(exist_ok=True)
    (folder / "python/sitecustomize.py").write_text(NO_TENSORFLOW)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(folder / "python")}
    command = [shutil.which(shell), "run.sh", *options]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


def assert_refused(result, *words):
    """One line, before any stage."""
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert result.stderr.splitlines()[0].startswith("error: ")
    assert not [word for word in words if word not in result.stderr.splitlines()[0]], result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--colour=red"], ["unknown option --colour=red"]),
        (["uniter"], ["unknown option uniter"]),
        (["--jobs"], ["--jobs needs a value: --jobs=VALUE"]),
        (["--preset=small"], ["--preset=small needs --data_dir"]),
        (["--preset=smal", "--data_dir=data"], ["--preset=smal: accepted is small"]),
        (["--split=modulo", "--system=wbdc2022_rank8"], ["--split=modulo is for models of pairs"]),
        (["--system=rank8"], ["--system=rank8: accepted are aiac2021_rank4, aiac2021_rank1, wbdc2022_rank8"]),
    ],
)
def test_options_that_are_refused(shell, tmp_path, options, words):
    assert_refused(run(tmp_path, *options, shell=shell), *words)


def options(data_dir: Path, *more: str) -> list[str]:
    sizes = ["--models=uniter,uniter_roformer", "--size=tiny", f"--frame_embedding_size={toys.DIM}"]
    return ["--data_dir", str(data_dir), f"--output_dir={data_dir.parent}/out", *sizes, *more]


REFUSED_FIRST = [
    (["--models=uniter unterx"], ["unterx: not a registered model"]),
    (["--jobs=0"], ["--jobs=0"]),
    (["--folds=0-"], ["--folds=0-"]),
    (["--pretrain_flags=--lr=high"], ["lr"]),
    (["--pretrain_flags=--bert_seq_length=600"], ["600 positions", "512"]),
    (["--finetune_flags=--total_steps=10 --warmup_steps=10"], ["--warmup_steps=10", "longer than its warm-up"]),
    (["--inference_flags=--checkpoint=newest"], ["checkpoint"]),
    (["--ensemble_flags=--method=mean"], ["method"]),
    (["--ensemble_flags=--test_name='test_b"], ["quote as for a shell"]),
    (["--bert_dir=none", "--size=base"], ["none does not exist"]),
    (["--roformer_vocab=none"], ["none does not exist"]),
]


@pytest.mark.parametrize(("more", "words"), slow_but(REFUSED_FIRST[::4], REFUSED_FIRST))
def test_what_is_refused_before_the_first_stage(data_dir, more, words):
    assert_refused(run(data_dir.parent, *options(data_dir, *more)), *words)
    assert not (data_dir.parent / "out/folds").exists()


MISSING = [
    (["pairwise/label.tsv"], ["pairwise/label.tsv does not exist"]),
    (["pairwise/pairwise.tfrecords"], ["pairwise/*.tfrecords", "matches no file"]),
    (["pointwise/pointwise.tfrecords"], ["pointwise/*.tfrecords", "matches no file"]),
    (["tag_list.txt"], ["tag_list.txt does not exist"]),
    (
        ["tag_list.txt", "test_a/test_a.tfrecords", "test_b/test_b.tfrecords"],
        ["tag_list.txt does not exist", "test_*/*.tfrecords", "matches no file"],
    ),
    (["test_a/test_a.tfrecords", "test_b/test_b.tfrecords"], ["test_*/*.tfrecords", "matches no file"]),
]


@pytest.mark.parametrize(("gone", "words"), slow_but(MISSING[::4], MISSING))
def test_inputs_that_are_missing(data_dir, gone, words):
    for file in gone:
        (data_dir / file).unlink()
    assert_refused(run(data_dir.parent, *options(data_dir)), *words)
    assert not (data_dir.parent / "out/folds").exists()


def test_a_test_set_in_a_file_of_another_name(data_dir):
    (data_dir / "test_b/test_b.tfrecords").rename(data_dir / "test_b/videos.tfrecords")
    assert_refused(run(data_dir.parent, *options(data_dir)), "test_b/test_b.tfrecords does not exist", "rename videos.tfrecords")


def test_an_encoder_folder_without_its_files(data_dir):
    hub = data_dir.parent / "hub"
    hub.mkdir()
    (hub / "vocab.txt").write_text("\n".join(toys.VOCABULARY) + "\n")
    assert_refused(run(data_dir.parent, *options(data_dir, f"--bert_dir={hub}", "--size=base")), "hub/config.json")


def test_a_second_run_sh_in_one_folder(data_dir):
    with exclusive(data_dir.parent / "out/run"):
        assert_refused(run(data_dir.parent, *options(data_dir)), f"--output_dir={data_dir.parent}/out: another run.sh")


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("test_b", "the zip is made of test_a: there is no test_b"),
        ("test_a", "no report: "),
    ],
)
def test_the_test_sets_that_are_there_are_enough(data_dir, gone, said):
    shutil.rmtree(data_dir / gone)
    result = run(data_dir.parent, *options(data_dir))
    assert said in result.stdout
    assert "TensorFlow is loaded" in result.stderr  # by the first stage: all was checked


# --- videos in classes ------------------------------------------------------------------------------------------------


@pytest.fixture
def class_dir(tmp_path):
    """Annotations and folders of frames, in a folder with characters that mean something to shells and patterns."""
    folder = tmp_path / "da[ta], 'of' *"
    for split in ("unlabeled", "labeled", "test_b"):
        (folder / "frames" / split / "001").mkdir(parents=True)
        with zipfile.ZipFile(folder / "frames" / split / "001/1001.zip", "w") as archive:
            archive.writestr("1.jpg", encode_jpeg(np.zeros((8, 8, 3), np.uint8)))
        (folder / "annotations").mkdir(exist_ok=True)
        video = {"id": "1001", "title": "天", "asr": "", "ocr": [], "category_id": "0101"}
        (folder / f"annotations/{split}.json").write_text(json.dumps([video]))
    return folder


def class_options(class_dir: Path, *more: str) -> list[str]:
    given = ["--system=wbdc2022_rank8", "--data_dir", str(class_dir), f"--output_dir={class_dir.parent}/out", "--size=tiny"]
    return [*given, *more]


REFUSED_BEFORE_PICTURES = [
    (["--frame_embedding_size=512"], ["--frame_embedding_size=512: the tower makes features of hidden_size=128"]),
    (["--models=wbdc_1 wbdc_9"], ["wbdc_9: not a registered"]),
    (["--models=wbdc_1,uniter"], ["uniter"]),
    (["--folds=full,1"], ["--folds=full,1"]),
    (["--tower_flags=--lr=high"], ["lr"]),
    (["--finetune_flags=--frames=videos"], ["frames"]),
    (["--inference_flags=--checkpoint=newest"], ["checkpoint"]),
    (["--ensemble_flags=--method=svd"], ["--method is for an ensemble of embeddings"]),
    (["--clip_dir=none"], ["none does not exist"]),
    (["--bert_vocab=none"], ["none does not exist"]),
]


@pytest.mark.parametrize(("more", "words"), slow_but(REFUSED_BEFORE_PICTURES[::3], REFUSED_BEFORE_PICTURES))
def test_what_is_refused_before_pictures_are_read(class_dir, more, words):
    assert_refused(run(class_dir.parent, *class_options(class_dir, *more)), *words)
    assert not (class_dir.parent / "out/records").exists()


@pytest.mark.parametrize(
    "gone", slow_but(["frames/unlabeled"], ["annotations/labeled.json", "frames/unlabeled", "frames/test_b"])
)
def test_annotations_or_frames_that_are_missing(class_dir, gone):
    (class_dir / gone).rename(class_dir / "elsewhere")
    assert_refused(run(class_dir.parent, *class_options(class_dir)), f"{gone} does not exist")
    assert not (class_dir.parent / "out/records").exists()


def stages_begun(result) -> list[str]:
    return re.findall(r"^\[\d+/\d+\] ([^,\n]+)", result.stdout, re.MULTILINE)


def test_a_test_set_that_is_not_there_is_left_out(class_dir):
    result = run(class_dir.parent, *class_options(class_dir, "--check_flags=--warn_only"))
    pictures = [f"pictures of {split}" for split in ("unlabeled", "labeled", "test_b")]
    assert stages_begun(result) == ["check", *pictures, "pre-training of the tower"]
    assert "TensorFlow is loaded" in result.stderr  # all was checked, and test_a is not missed


def test_models_of_stored_features_need_no_pictures(class_dir):
    (class_dir / "frames").rename(class_dir / "elsewhere")
    (class_dir / "features").mkdir()
    for split in ("unlabeled", "labeled", "test_b"):
        with zipfile.ZipFile(class_dir / f"features/{split}.zip", "w") as archive:
            archive.writestr("v0.npy", b"")
    given = ["--finetune_flags=--frames=features", "--check_flags=--warn_only", "--frame_embedding_size=512"]
    result = run(class_dir.parent, *class_options(class_dir, *given))
    assert stages_begun(result) == ["check", "features of unlabeled"], result.stderr


def test_data_with_problems_end_before_any_other_stage(class_dir):
    """One class with one video does not fill five folds."""
    result = run(class_dir.parent, *class_options(class_dir))
    assert result.returncode == 1
    assert "no class has 5 labelled videos" in result.stdout
    assert result.stderr.startswith("error: stage 'check' failed")
    assert not (class_dir.parent / "out/records").exists()


@pytest.mark.slow
def test_three_flags_are_enough_for_own_data(tmp_path):
    """Videos of the same content are similar, others are not, which untrained models see already."""
    contents, folder = 30, tmp_path / "data"
    videos = [toys.random_video(f"v{number}", np.random.default_rng(number % contents)) for number in range(2 * contents)]
    lines = [f"v{i}\tv{i + contents}\t1\n" for i in range(contents)] + [
        f"v{i}\tv{i + 1}\t{i / 60}\n" for i in range(contents - 1)
    ]
    for part in ("pointwise", "pairwise", "test_a"):
        (folder / part).mkdir(parents=True)
        toys.write_records(folder / part / f"{part}.tfrecords", videos)
        (folder / part / "label.tsv").write_text("".join(lines))
    (folder / "tag_list.txt").write_text("".join(f"{tag}\n" for tag in toys.TAGS))
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [
        "sh",
        "run.sh",
        f"--data_dir={folder}",
        f"--output_dir={tmp_path}/out",
        "--preset=small",
        "--models=uniter,uniter_asl",
    ]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr
    said = (
        "--preset=small for 60 videos: --size=tiny --recipe=plus --frame_embedding_size=6 --max_frames=8 --bert_seq_length=12"
        " --batch_size=16"
    )
    assert ended.stdout.count(said) == 2
    assert ended.stdout.count("curves: ") == 1
    assert "--preset=small: --num_folds=5 --frame_embedding_size=6" in ended.stdout
    assert "| to deploy | " in (tmp_path / "out/report.md").read_text(encoding="utf-8")
    basis = np.load(tmp_path / "out/result.basis.npz")
    assert basis["weights"].sum() == pytest.approx(1)
    again = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert again.returncode == 0 and "made of the same embeddings, settings and labels, nothing to do" in again.stdout
