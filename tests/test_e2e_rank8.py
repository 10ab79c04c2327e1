"""The pipeline of the 8th place of 2022 on tiny demo data, script by script: records, tower, features, classes, result.csv."""

import json
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import toys
from html_pages import parsed
from script_flags import refused
from toy_towers import note_tower

import vsim_tf
from vsim_tf.cli import classify, ensemble, extract, predict, pretrain
from vsim_tf.demo.short_videos import write_short_videos
from vsim_tf.ensemble.linear_member import linear_member
from vsim_tf.io.paths import annotation_file, category_labels, frame_folder
from vsim_tf.launch.plan import flags_of
from vsim_tf.records.annotations import read_annotations
from vsim_tf.records.category_files import read_categories
from vsim_tf.records.predictions import read_predictions, softmax
from vsim_tf.records.schema import ASR_TEXT, FRAME_FEATURE, FRAME_PICTURE, ID, OCR_TEXT, TITLE
from vsim_tf.records.tfrecords import read_records, write_records
from vsim_tf.records.videos import parse_example, video_record
from vsim_tf.runs.run_folder import RunFolder, read_json
from vsim_tf.runs.tower_origin import tower_origin

pytestmark = pytest.mark.optimised_graphs
SIZES = {"num_unlabeled": 24, "num_labeled": 60, "num_test_videos": 12, "num_video_files": 0, "picture_size": 16}
SPLITS = ("unlabeled", "labeled", "test_a", "test_b")
WIDTH = 16
"""Features of the tower at `debug` size."""
SHORT = ["--batch_size=8", "--val_batch_size=16", "--total_steps=3", "--eval_freq=3", "--precision=float32"]
ONE_PASS = "--set=training.gradient_method=null"
"""Without FGM, which the other model has: tracing takes half the time."""
TEXT = ["--size=debug", "--bert_seq_length=16", "--max_frames=2"]


def run(script: ModuleType, *arguments: str) -> bool:
    """Runs a script as the launcher does; returns whether there was nothing to do."""
    with flags_of(script.define_flags, ["script.py", *arguments]):
        script.check_flags()
        script.check_inputs()
        if script.finished():
            return True
        script.main()
        return False


def commands(root: Path) -> list[tuple[ModuleType, list[str]]]:
    """All stages: single streams read pictures, the two-stream model stored features."""
    data, output = root / "data", f"--output_dir={root}/output"
    inputs = {
        split: [f"--annotations={annotation_file(data, split)}", f"--frames={frame_folder(data, split)}",
                *(["--labelled"] if split == "labeled" else [])]
        for split in SPLITS
    }  # fmt: skip
    records, vocab, tower = root / "output/records", f"--bert_vocab={data}/vocab.txt", f"--tower={root}/output/wbdc_clip/pretrain"
    stages = [
        (extract, [*inputs[split], "--kind=pictures", f"--output={records}/{split}/pictures.tfrecords"]) for split in SPLITS
    ]
    stages += [(pretrain, ["--model=wbdc_clip", output, vocab, *TEXT, *SHORT])]
    stages += [(extract, [*inputs[split], tower, f"--output={records}/{split}/features.tfrecords"]) for split in SPLITS]
    stages += [(pretrain, ["--model=wbdc_single", output, vocab, *TEXT, *SHORT, f"--frame_embedding_size={WIDTH}"])]
    stages += [
        (classify, ["--model=wbdc_1", output, "--size=debug", *SHORT]),
        (classify, ["--model=wbdc_3", output, "--size=debug", "--frames=features", "--folds=0-1", *SHORT, ONE_PASS]),
        (predict, ["--model=wbdc_1", output, "--precision=float32"]),
        (predict, ["--model=wbdc_3", output, "--precision=float32", "--folds=0-1"]),
        (ensemble, [output, f"--labels={category_labels(data, 'test_a')}"]),
    ]
    return stages


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("rank8")
    write_short_videos(str(root / "data"), **SIZES)
    assert not any(run(script, *arguments) for script, arguments in commands(root))
    return root


def predictions(root: Path, run_name: str, test_set: str = "test_b"):
    return read_predictions(root / "output" / run_name / f"predictions/{test_set}.npz")


def test_the_csv_has_the_weighted_sum_of_probabilities(root):
    """1 · wbdc_1 + 0.7 · the mean of the two runs of wbdc_3, for the videos of test_b in their order."""
    single, *two = (predictions(root, name) for name in ("wbdc_1/fold-00", "wbdc_3/fold-00", "wbdc_3/fold-01"))
    scores = softmax(single.logits) + 0.7 * sum(softmax(part.logits) for part in two) / 2
    expected = dict(zip(single.ids, np.array(single.classes)[scores.argmax(axis=1)], strict=True))
    found = read_categories(root / "output/result.csv")
    assert found == expected
    assert list(found) == [video.id for video in read_annotations(annotation_file(root / "data", "test_b"), labelled=False)]


def test_logistic_regression_joins_as_a_member(root):
    """wbdc_1, linear with twice its weight, and the class of which, with its parent, most is expected."""
    options = ["--models=wbdc_1,linear", "--weights=1,2", "--decision=levels", f"--output_csv={root}/output/joined.csv"]
    command = [f"--output_dir={root}/output", f"--labels={category_labels(root / 'data', 'test_a')}", *options]
    assert not run(ensemble, *command)
    assert run(ensemble, *command)
    single = predictions(root, "wbdc_1/fold-00")
    member = linear_member(root / "output/records", ["test_b"], WIDTH)["test_b"]
    assert member.ids == single.ids and member.classes == single.classes
    scores = softmax(single.logits) + 2 * np.exp(member.logits)
    parents = np.array([category[:2] for category in single.classes])
    scores += scores @ (parents[:, None] == parents)
    expected = dict(zip(single.ids, np.array(single.classes)[scores.argmax(axis=1)], strict=True))
    assert read_categories(root / "output/joined.csv") == expected
    report = (root / "output/joined.report.md").read_text()
    assert "\n| linear | 0." in report and "levels" in report


def test_the_library_predicts_as_the_scripts(root):
    """Of videos with pictures for `wbdc_1` and features for `wbdc_3`, the classes of result.csv."""
    found: dict[str, dict] = {}
    for kind, key in (("pictures", FRAME_PICTURE), ("features", FRAME_FEATURE)):
        for _, data in read_records(root / f"output/records/test_b/{kind}.tfrecords"):
            feature = {name: value.bytes_list.value for name, value in parse_example(data, "").items()}
            texts = {name: feature[field][0].decode() for name, field in (("title", TITLE), ("ocr", OCR_TEXT), ("asr", ASR_TEXT))}
            frames = [np.frombuffer(frame, "<f2") for frame in feature[key]] if kind == "features" else list(feature[key])
            found.setdefault(feature[ID][0].decode(), texts)["frames" if kind == "features" else kind] = frames
    model = vsim_tf.load(root / "output")
    classes, probabilities = model.predict(list(found.values()))
    assert dict(zip(found, classes, strict=True)) == read_categories(root / "output/result.csv")
    single, *two = (predictions(root, name) for name in ("wbdc_1/fold-00", "wbdc_3/fold-00", "wbdc_3/fold-01"))
    scores = softmax(single.logits) + 0.7 * sum(softmax(part.logits) for part in two) / 2
    np.testing.assert_allclose(probabilities, scores / 1.7, rtol=0, atol=1e-5)
    assert single.ids == list(found)


def test_predictions_name_what_made_them(root):
    note = read_json(root / "output/wbdc_1/fold-00/predictions/test_b.json")
    assert note["checkpoint"].startswith("best/")
    assert note["test_file"]["name"] == "pictures.tfrecords"
    assert read_json(root / "output/wbdc_3/fold-01/predictions/test_a.json")["test_file"]["name"] == "features.tfrecords"


def test_what_classifiers_start_from(root):
    """The single stream reads pictures through the tower of `wbdc_clip`, the two-stream model features and no tower."""
    single, two = (RunFolder.open(root / "output" / name / "fold-00") for name in ("wbdc_1", "wbdc_3"))
    assert single.model.tower and single.config["data"].keys() == {"labelled", "run", "pretrained", "tower"}
    assert not two.model.tower and two.config["data"].keys() == {"labelled", "run", "pretrained", "features_by"}
    assert two.features_by == tower_origin(root / "output/wbdc_clip/pretrain")
    assert len(single.classes.ids) == single.model.num_classes == 12


def test_a_random_start_takes_sizes_and_vocabulary_alone(root):
    pretrained = root / "output/wbdc_single/pretrain"
    command = ["--model=wbdc_4", f"--output_dir={root}/other", f"--data_dir={root}/output/records", *SHORT]
    command += [f"--pretrained_dir={pretrained}", "--size=debug", "--frames=features", "--start=random"]
    assert not run(classify, *command, ONE_PASS)
    found = RunFolder.open(root / "other/wbdc_4/fold-00")
    assert found.config["data"].keys() == {"labelled", "run", "start", "features_by"}
    assert found.model.encoder == RunFolder.open(pretrained).model.encoder
    assert run(classify, *command, ONE_PASS)
    with refused("--start=random takes no published weights: leave --bert_dir and --clip_dir out"):
        run(classify, *command, "--bert_dir=x")


def test_the_report_has_models_ensemble_and_baselines(root):
    report = (root / "output/report.md").read_text()
    rows = (
        "wbdc_1",
        "wbdc_3, one run (mean of 2)",
        "wbdc_3, mean of 2",
        "ensemble",
        "baseline: majority class",
        "baseline: text",
    )
    for words in (
        *(f"\n| {row} | 0." for row in rows),
        "## test_a: 12 labelled videos",
        "level-2 macro",
        "mean frame",
        "(report.png)",
    ):
        assert words in report
    assert (root / "output/report.png").stat().st_size


def test_the_page_has_pictures_and_the_confusion_of_classes(root):
    page = parsed((root / "output/report.html").read_text(encoding="utf-8"))
    assert page.tags["img"] >= 12 * 6
    assert any(text.startswith("Classes of level 1: ") for text in page.texts)
    assert {"wbdc_clip: loss at validation", "wbdc_3: mean_f1 at validation"} <= set(page.texts)


def test_a_second_run_changes_nothing(root):
    """Every stage says so by itself, before TensorFlow would be loaded."""
    files = {path: path.stat().st_mtime_ns for path in (root / "output").rglob("*") if path.is_file()}
    assert all(run(script, *arguments) for script, arguments in commands(root))
    assert files == {path: path.stat().st_mtime_ns for path in (root / "output").rglob("*") if path.is_file()}


def test_one_checkpoint_is_enough(root, tmp_path):
    checkpoint = RunFolder.open(root / "output/wbdc_1/fold-00").checkpoint()
    arguments = [f"--test_file={root}/output/records/test_b/pictures.tfrecords", f"--output_csv={tmp_path}/one.csv"]
    run(predict, f"--ckpt_file={checkpoint}", *arguments, "--precision=float32")
    assert read_categories(tmp_path / "one.csv") == predictions(root, "wbdc_1/fold-00").categories()


def test_a_set_may_have_several_files(root, tmp_path):
    """The shards of an extraction are one test set."""
    records = [data for _, data in read_records(root / "output/records/test_b/features.tfrecords")]
    (tmp_path / "test_b").mkdir()
    for number, part in enumerate((records[:5], records[5:])):
        write_records(tmp_path / f"test_b/features-{number:05d}-of-00002.tfrecords", part)
    run(predict, "--model=wbdc_3", f"--output_dir={root}/output", f"--data_dir={tmp_path}", "--precision=float32")
    again = predictions(root, "wbdc_3/fold-00")
    run(predict, "--model=wbdc_3", f"--output_dir={root}/output", "--precision=float32")
    once = predictions(root, "wbdc_3/fold-00")
    assert again.ids == once.ids
    np.testing.assert_allclose(again.logits, once.logits, rtol=1e-5, atol=1e-6)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"id": "a"}, r"labeled.json: .*list"),
        ([{"id": "a", "title": "", "asr": "", "ocr": [], "category_id": "12"}], r"record 0, id a: category_id is \"12\""),
        ([{"id": "a", "title": "", "asr": "", "ocr": []}], r"record 0, id a: the key 'category_id' is missing"),
    ],
)
def test_annotations_that_cannot_be_used(root, tmp_path, content, message):
    annotations = tmp_path / "labeled.json"
    annotations.write_text(json.dumps(content))
    frames, output = frame_folder(root / "data", "labeled"), tmp_path / "out/pictures.tfrecords"
    with refused(message):
        run(extract, f"--annotations={annotations}", "--labelled", f"--frames={frames}", "--kind=pictures", f"--output={output}")
    assert list(tmp_path.iterdir()) == [annotations]


def test_a_test_set_of_another_tower(root, tmp_path):
    """Records of test_b with a note that names another tower than that of the training set; one less, so that they are new."""
    checkpoint, records = RunFolder.open(root / "output/wbdc_3/fold-00").checkpoint(), tmp_path / "test_b/features.tfrecords"
    records.parent.mkdir()
    write_records(records, [data for _, data in read_records(root / "output/records/test_b/features.tfrecords")][1:])
    note_tower(records, "other")
    wanted = "the model of .*wbdc_3/fold-00 has those of .*wbdc_clip/pretrain, .*features.tfrecords those of /models/other; make"
    with refused(wanted):
        run(predict, "--model=wbdc_3", f"--output_dir={root}/output", f"--data_dir={tmp_path}")
    with refused(wanted):
        run(predict, f"--ckpt_file={checkpoint}", f"--test_file={records}", f"--output_csv={tmp_path}/one.csv")
    with pytest.raises(vsim_tf.UserError, match=wanted):
        vsim_tf.load(root / "output/wbdc_3").predict(records)
    with pytest.raises(vsim_tf.UserError, match=r"two towers: .*labeled/features"):
        shutil.copytree(root / "output/records/labeled", tmp_path / "labeled")
        linear_member(tmp_path, ["test_b"], WIDTH)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labeled", "test_b"]


def test_training_records_without_a_class(root, tmp_path):
    toys.write_records(tmp_path / "features.tfrecords", [video_record("v0", "天地", np.ones((1, WIDTH), np.float16))])
    arguments = ["--frames=features", "--size=debug", f"--record_pattern={tmp_path}/features.tfrecords", "--folds=full"]
    with refused(r"features.tfrecords, record 0, video 'v0': no 'category_id'"):
        run(classify, "--model=wbdc_3", f"--output_dir={root}/output", *arguments, *SHORT)
    assert not (root / "output/wbdc_3/full").exists()


def test_classes_that_are_not_those_of_the_checkpoint(root, tmp_path):
    folder = tmp_path / "wbdc_3"
    folder.symlink_to(root / "output/wbdc_3")
    classes = root / "output/wbdc_3/fold-00/category_ids.txt"
    content = classes.read_text()
    classes.write_text(content.replace("0101\n", ""))
    checkpoint, records = RunFolder.open(classes.parent).checkpoint(), root / "output/records/test_b/features.tfrecords"
    try:
        with refused("category_ids.txt: other classes than the model was trained on"):
            run(predict, f"--ckpt_file={checkpoint}", f"--test_file={records}", f"--output_csv={tmp_path}/one.csv")
    finally:
        classes.write_text(content)
    assert not (tmp_path / "one.csv").exists()


def test_a_checkpoint_that_is_no_classifier(root, tmp_path):
    checkpoint, records = RunFolder.open(root / "output/wbdc_single/pretrain").checkpoint(), root / "output/records/test_b"
    with refused("wbdc_single was not trained on classes"):
        run(predict, f"--ckpt_file={checkpoint}", f"--test_file={records}/features.tfrecords", f"--output_csv={tmp_path}/one.csv")
    assert not list(tmp_path.iterdir())


def test_predictions_that_lack_videos_of_the_test_set(root, tmp_path):
    (tmp_path / "test_b").mkdir()
    records = [data for _, data in read_records(root / "output/records/test_b/features.tfrecords")]
    write_records(tmp_path / "test_b/features.tfrecords", [*records, video_record("more", "天", np.ones((1, WIDTH)))])
    output = f"--output_csv={tmp_path}/result.csv"
    with refused("result.csv: ids differ from those of the test set; missing 1: more"):
        run(ensemble, f"--output_dir={root}/output", f"--data_dir={tmp_path}", output)
    assert [path.name for path in tmp_path.iterdir()] == ["test_b"]


def test_labels_of_a_class_that_no_model_knows(root, tmp_path, console):
    labels = category_labels(root / "data", "test_a")
    (video, _), *others = read_categories(labels).items()
    changed = tmp_path / "labels.tsv"
    changed.write_text("".join(f"{each}\t{category}\n" for each, category in [(video, "9999"), *others]))
    run(ensemble, f"--output_dir={root}/output", f"--labels={changed}", f"--output_csv={tmp_path}/result.csv")
    found = f"labels.tsv: 1 videos are of classes that no model was trained on, and count as wrong; first {video}, 9999"
    assert found in " ".join(console.readouterr().err.split())


def test_labels_of_other_videos(root, tmp_path):
    labels = tmp_path / "labels.tsv"
    labels.write_text("v1\t0101\n")
    with refused("ids differ from those of the labels"):
        run(ensemble, f"--output_dir={root}/output", f"--labels={labels}", f"--output_csv={tmp_path}/result.csv")
    assert list(tmp_path.iterdir()) == [labels]
