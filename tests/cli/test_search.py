"""vsim-tf index, search and dedup: from flags to files and lines."""

import json
import logging

import numpy as np
import pytest
import toys
from script_flags import refused
from toy_runs import make_run

import vsim_tf
from vsim_tf.cli import dedup, index, search
from vsim_tf.launch.plan import flags_of
from vsim_tf.records.embeddings import Embeddings, write_embeddings, write_submission
from vsim_tf.records.videos import read_titles

pytest.importorskip("faiss")
MODULES = {"index": index, "search": search, "dedup": dedup}
IDS = [f"v{number}" for number in range(6)]


def run(name: str, *arguments: str):
    with flags_of(MODULES[name].define_flags, [name, *arguments]):
        MODULES[name].main()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Records of six videos, a run, another run of the same model, and an index by the first."""
    folder = tmp_path_factory.mktemp("trained")
    toys.write_records(folder / "videos.tfrecords", toys.random_videos(6))
    for seed in (0, 1):
        make_run(folder / f"run-{seed}", "uniter", seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run("index", "--model_dir=run-0", "--records=videos.tfrecords")
    return folder


@pytest.fixture(scope="module")
def model(trained):
    return vsim_tf.load(trained / "run-0")


@pytest.fixture(scope="module")
def vectors(trained, model):
    return model.encode(str(trained / "videos.tfrecords"), normalize=True)


@pytest.fixture
def lines(monkeypatch, trained, capsys):
    """Runs a command in the folder of `trained`, and returns what it prints."""
    monkeypatch.chdir(trained)

    def printed(name: str, *arguments: str) -> list[dict]:
        run(name, *arguments)
        return list(map(json.loads, capsys.readouterr().out.splitlines()))

    return printed


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Embeddings in two files, and records of some of their videos."""
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(0).normal(size=(6, 4))
    write_embeddings("a.npz", Embeddings(IDS[:4], values[:4]))
    write_submission("b.zip", Embeddings(IDS[4:], values[4:]))
    toys.write_records("some.tfrecords", toys.random_videos(5))
    return values


def expected(vectors: np.ndarray, query: np.ndarray, k: int, without: str | None = None) -> list[str]:
    """Ids by falling cosine of what the model itself encodes."""
    return [IDS[row] for row in np.argsort(-(vectors @ query), kind="stable") if IDS[row] != without][:k]


def found(line: dict) -> list[str]:
    return [video["id"] for video in line["neighbours"]]


# --- search -----------------------------------------------------------------------------------------------------------


def test_a_video_of_the_index_by_id_and_by_title(lines, trained, vectors):
    ids, titles = read_titles([str(trained / "videos.tfrecords")])
    both = lines("search", "--id=v3", "--id=v0", "--top=4")
    assert [line["query"] for line in both] == [{"id": "v3", "title": titles[3]}, {"id": "v0", "title": titles[0]}]
    assert [found(line) for line in both] == [expected(vectors, vectors[row], 4, ids[row]) for row in (3, 0)]
    cosines = [vectors[0] @ vectors[ids.index(video)] for video in found(both[1])]
    assert [video["similarity"] for video in both[1]["neighbours"]] == pytest.approx(cosines, abs=1e-5)
    assert [video["title"] for video in both[1]["neighbours"]] == [titles[ids.index(video)] for video in found(both[1])]
    assert lines("search", f"--title={titles[3]}", "--top=4") == both[:1]


def test_records_and_a_title_through_the_model(lines, trained, model, vectors):
    """A copy of the model that was saved is the same model."""
    model.save(trained / "saved")
    by_records = lines("search", "--records=videos.tfrecords", "--model_dir=saved", "--top=2")
    assert by_records == [line for video in IDS for line in lines("search", f"--id={video}", "--top=2")]
    (by_title,) = lines("search", "--title=天地", "--model_dir=run-0", "--top=3")
    query = model.encode({"title": "天地", "frames": np.zeros((0, toys.DIM))}, normalize=True)
    assert by_title["query"] == {"title": "天地"} and found(by_title) == expected(vectors, query, 3)


def test_another_model_is_refused(lines):
    with refused(r"^the index was made by another model \(run-0\): run-1 gives other embeddings$"):
        lines("search", "--records=videos.tfrecords", "--model_dir=run-1")


def test_lines_in_a_file(lines, tmp_path):
    assert lines("search", "--id=v1", f"--output={tmp_path}/found.jsonl") == []
    assert (tmp_path / "found.jsonl").read_text(encoding="utf-8") == json.dumps(
        lines("search", "--id=v1")[0], ensure_ascii=False
    ) + "\n"


def test_messages_do_not_mix_with_lines(trained, monkeypatch, console):
    monkeypatch.chdir(trained)
    write_embeddings("one.npz", Embeddings(["v0"], np.ones((1, 8))))
    run("index", "--embeddings=one.npz", "--output=one")
    console.readouterr()
    run("search", "--index=one", "--title=天", "--model_dir=run-0")
    output = console.readouterr()
    assert len(output.out.splitlines()) == 1 and json.loads(output.out)["neighbours"][0]["id"] == "v0"
    assert output.err == ("warning: the index does not say which model made its embeddings; it is assumed to be run-0\n")
    assert logging.getLogger("vsim_tf").level == logging.INFO


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "^one of --id, --title, --records and --video is needed$"),
        (["--id=v0", "--records=videos.tfrecords"], "^--id, --records are given; one kind of query is accepted$"),
        (["--id=v0", "--title=天"], "^--id and --title are given"),
        (["--records=videos.tfrecords"], "^--records needs --model_dir"),
        (["--video=a.mp4"], "^--video needs --model_dir"),
        (["--id=v0", "--model_dir=run-0"], "leave --model_dir out"),
        (["--id=v0", "--clip_dir=run-0"], "leave it out"),
        (["--id=x"], "no video of the index has the id 'x'"),
        (["--title=没有"], "has the title '没有'; .*; with --model_dir the title itself is looked for$"),
        (["--id=v0", "--index=run-0"], "run-0 is no index: it has no note.json"),
        (["--id=v0", "--index=none"], "none does not exist"),
        (["--video=a.mp4", "--model_dir=run-0"], "a.mp4 does not exist"),
    ],
)
def test_queries_that_are_refused(lines, arguments, message):
    with refused(message):
        lines("search", *arguments)


# --- index ------------------------------------------------------------------------------------------------------------


def test_an_index_of_files_of_embeddings(files, console):
    run("index", "--embeddings=a.npz,b.zip", "--records=some.tfrecords")
    output = console.readouterr()
    assert output.out == "6 videos, 4 dimensions, exact\nindex: complete\n"
    assert output.err == "warning: videos without a record, and so without a title: 1: v5\n"
    opened = vsim_tf.Index.open("index")
    assert opened.ids == IDS and opened.titles == [*read_titles(["some.tfrecords"])[1], None]
    unit = files.astype(np.float16).astype(np.float64)
    assert np.allclose(opened.vectors(IDS), unit / np.linalg.norm(unit, axis=1, keepdims=True), atol=1e-6)


def test_the_recall_of_an_approximate_index_is_printed(files, console):
    write_embeddings(
        "many.npz", Embeddings([f"w{number}" for number in range(300)], np.random.default_rng(1).normal(size=(300, 8)))
    )
    run("index", "--embeddings=many.npz", "--exact_below=300")
    recall = vsim_tf.Index.open("index").note.recall
    assert 0.9 < recall <= 1 and f"clusters, recall@10 {recall:.4f}\n" in console.readouterr().out


def test_parquet_next_to_the_index(files):
    parquet = pytest.importorskip("pyarrow.parquet")
    run("index", "--embeddings=a.npz", "--parquet=a.parquet")
    assert parquet.read_table("a.parquet")["id"].to_pylist() == IDS[:4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "^either --embeddings, or --model_dir with --records, is needed$"),
        (["--records=some.tfrecords"], "^either --embeddings"),
        (["--embeddings=none.npz"], "none.npz does not exist"),
        (["--embeddings=some.tfrecords"], "some.tfrecords: not a file of embeddings"),
        (["--embeddings=a.npz,a.npz"], "ids that occur more than once: 4: v0"),
        (["--embeddings=a.npz", "--output=b.zip"], "^b.zip is there already; remove it, or choose another --output"),
        (["--embeddings=a.npz,c.npz"], r"embeddings of \[4, 5\] dimensions; accepted are files of one model"),
    ],
)
def test_inputs_that_are_refused(files, tmp_path, arguments, message):
    write_embeddings("c.npz", Embeddings(["w"], np.ones((1, 5))))
    before = sorted(tmp_path.iterdir())
    with refused(message):
        run("index", *arguments)
    assert sorted(tmp_path.iterdir()) == before


# --- dedup ------------------------------------------------------------------------------------------------------------


def test_groups_of_near_duplicates(files, capsys):
    values = np.array([[1, 0], [0, 1], [1, 0.01], [0.01, 1], [1, -0.01], [-1, 0]])
    write_embeddings("twins.npz", Embeddings(IDS, values))
    run("index", "--embeddings=twins.npz")
    run("dedup", "--threshold=0.999")
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert [video["id"] for video in first["videos"]] == ["v0", "v2", "v4"]
    assert second["videos"][0] == {"id": "v1", "title": None, "similarity": 1.0}
    assert second["videos"][1] == {"id": "v3", "title": None, "similarity": pytest.approx(1 / np.sqrt(1.0001), abs=1e-5)}
    with refused("--threshold=2.0: accepted are cosines above 0 and up to 1"):
        run("dedup", "--threshold=2")
