"""Find the most similar videos of an index, one JSON object a line for each query:

vsim-tf search --index=index --id=1001
vsim-tf search --index=index --title=天地玄黄
vsim-tf search --index=index --model_dir=output/demo --records=new.tfrecords --top=5
vsim-tf search --index=index --model_dir=output/demo --clip_dir=clip-vit-base-patch32 --video=clip.mp4 --title=天地玄黄
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from absl import flags

from vsim_tf.cli.json_lines import neighbour, write_json_lines
from vsim_tf.cli.messages import warnings_alone
from vsim_tf.errors import UserError
from vsim_tf.inference.shipped import require_model
from vsim_tf.io.files import require_existing
from vsim_tf.records.annotations import valid_text
from vsim_tf.records.tfrecords import expand_pattern

if TYPE_CHECKING:
    import numpy as np

    from vsim_tf.inference.model import Model
    from vsim_tf.search.index import Index

FLAGS = flags.FLAGS
QUERIES_AT_A_TIME = 1024


class Queries(NamedTuple):
    """Vectors to look for.

    Attributes:
        shown: what the lines say of each.
        vectors: `[queries, dim]`.
        ids: of the videos, which do not find themselves; None: of no video with an id.
    """

    shown: list[dict[str, Any]]
    vectors: "np.ndarray"
    ids: Sequence[str | None]


def define_flags() -> None:
    """Flags of vsim-tf search."""
    flags.DEFINE_string("index", "index", "Folder that vsim-tf index wrote.")
    flags.DEFINE_multi_string("id", None, "Id of a video of the index; may be given several times.")
    flags.DEFINE_string(
        "title", None,
        "Alone: the videos of the index that have it. With --model_dir: of --video, or embedded without frames.",
    )  # fmt: skip
    flags.DEFINE_string("records", None, "Videos to embed: a file, a pattern, or several with commas between them.")
    flags.DEFINE_string("video", None, "A video file to embed, with --title if it has one.")
    flags.DEFINE_string("model_dir", None, "The model that made the index, a path that vsim_tf.load opens.")
    flags.DEFINE_string("clip_dir", None, "For models that read features: what makes them of a video file, see vsim_tf.load.")
    flags.DEFINE_integer("top", 10, "So many videos for each query.", lower_bound=1)
    flags.DEFINE_string("output", None, "File for the lines; default: they are printed.")


def check_flags() -> None:
    """`UserError` for queries of no kind or of several, and a model that is missing or not needed."""
    given = [f"--{name}" for name in ("id", "records", "video") if FLAGS[name].value]
    if len(given) > 1 or (FLAGS.title is not None and given and given != ["--video"]):
        raise UserError(
            f"{', '.join(given)}{' and --title' * (FLAGS.title is not None)} are given; one kind of query is accepted"
        )
    if not given and FLAGS.title is None:
        raise UserError("one of --id, --title, --records and --video is needed")
    if given in (["--records"], ["--video"]) and not FLAGS.model_dir:
        raise UserError(f"{given[0]} needs --model_dir, the model that made the index")
    if FLAGS.id and FLAGS.model_dir:
        raise UserError("--id is looked up in the index: leave --model_dir out")
    if FLAGS.clip_dir and not FLAGS.video:
        raise UserError("--clip_dir makes features of --video alone: leave it out")


def check_inputs() -> None:
    """`UserError` for inputs that are not there."""
    require_model(FLAGS.model_dir)
    require_existing(FLAGS.index, FLAGS.video, FLAGS.clip_dir)
    if FLAGS.records:
        expand_pattern(FLAGS.records)


def main() -> None:
    """Search as the flags say."""
    check_flags()
    check_inputs()
    from vsim_tf.search.index import Index

    with warnings_alone():
        index = Index.open(FLAGS.index)
        write_json_lines(FLAGS.output, _lines(index, _by_model(index) if FLAGS.model_dir else _of_index(index)))


def _lines(index: "Index", queries: Queries) -> Iterator[dict[str, Any]]:
    for start in range(0, len(queries.shown), QUERIES_AT_A_TIME):
        part = slice(start, start + QUERIES_AT_A_TIME)
        neighbours = index.search(queries.vectors[part], FLAGS.top, queries.ids[part])
        for query, found in zip(queries.shown[part], neighbours, strict=True):
            yield {"query": query, "neighbours": list(map(neighbour, found))}


def _of_index(index: "Index") -> Queries:
    """Videos of the index, by their ids or a title."""
    try:
        ids: list[str] = FLAGS.id or index.with_title(valid_text(FLAGS.title))
    except UserError as error:
        raise UserError(f"{error}; with --model_dir the title itself is looked for") from None
    return Queries([{"id": video, "title": index.title(video)} for video in ids], index.vectors(ids), ids)


def _by_model(index: "Index") -> Queries:
    """Videos that the model embeds."""
    from vsim_tf.ensemble.front import load

    model = load(FLAGS.model_dir, clip_dir=FLAGS.clip_dir)
    index.require_model(model)
    return _of_records(model) if FLAGS.records else _of_item(model)


def _of_records(model: "Model") -> Queries:
    from vsim_tf.records.videos import read_titles

    ids, titles = read_titles(expand_pattern(FLAGS.records))
    shown = [{"id": video, "title": title} for video, title in zip(ids, titles, strict=True)]
    return Queries(shown, model.encode(FLAGS.records), ids)


def _of_item(model: "Model") -> Queries:
    """A video file, or a title without frames."""
    import numpy as np

    text = {"title": valid_text(FLAGS.title or "")}
    if FLAGS.video:
        return Queries([{"video": FLAGS.video, **text}], model.encode([{"video": FLAGS.video, **text}]), [None])
    frames = {"frames": np.zeros((0, model.frame_dim))} if model.frame_dim else {}
    return Queries([text], model.encode([{"pictures": [], **text, **frames}]), [None])
