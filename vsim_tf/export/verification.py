"""An exported model compared with the checkpoints that it was made of, on random videos."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.export.client import Client
from vsim_tf.export.formats import Format
from vsim_tf.export.interface import Interface

if TYPE_CHECKING:
    from vsim_tf.inference.model import Model

TOLERANCE = 1e-4
SEED, VIDEOS = 0, 12


class Verified(NamedTuple):
    """The result of a comparison.

    Attributes:
        videos: how many were compared.
        largest_difference: between two numbers of them; where the largest number is above 1, divided by it.
    """

    videos: int
    largest_difference: float


def verify(model: "Model", interface: Interface, folder: Path, form: Format) -> Verified:
    """Compares the model of a folder with the checkpoints, all videos at once and the first ones one by one.

    Raises:
        UserError: a number differs by more than `TOLERANCE`.
    """
    videos = random_videos(interface, model.max_frames)
    expected = model.predict(videos).probabilities if model.classes else model.encode(videos)
    client, run = Client(folder), form.open(folder, interface.output)
    found = run(client.inputs(videos))
    alone = np.concatenate([run(client.inputs([video])) for video in videos[:3]])
    differences = [np.abs(each - expected[: len(each)]).max() for each in (found, alone)]
    difference = float(np.max(differences) / max(1.0, np.abs(expected).max()))
    if not difference <= TOLERANCE:  # also NaN
        raise UserError(
            f"{folder}: the exported model differs from its checkpoints by {difference:.2g}, {TOLERANCE:.2g} is accepted;"
            " nothing was written"
        )
    return Verified(len(videos), difference)


def random_videos(interface: Interface, max_frames: int) -> list[dict[str, Any]]:
    """Videos with texts and frames of all lengths: none, one, as many as are read, and more."""
    rng = np.random.default_rng(SEED)
    counts = [0, 1, max_frames, max_frames + 1, 3 * max_frames - 1, *rng.integers(0, 4 * max_frames, VIDEOS - 5).tolist()]
    videos = []
    for number, count in enumerate(counts):
        frames = rng.standard_normal((count, interface.frame_dim)).astype(np.float32)
        texts = {key: random_text(interface, rng, 0 if key == "title" and number == 1 else 60) for key in ("title", "ocr", "asr")}
        videos.append({**texts, "frames": frames})
    return videos


def random_text(interface: Interface, rng: np.random.Generator, longest: int) -> str:
    """Tokens of the vocabularies, some of them with a blank before, and a character of none."""
    words = []
    for _ in range(rng.integers(0, longest + 1)):
        vocabulary = interface.texts[rng.integers(len(interface.texts))].tokenizer.vocabulary
        token = vocabulary[rng.integers(len(vocabulary))].removeprefix("##")
        words += [" ", token] if rng.random() < 0.3 else [token]
    return "".join(words) + ("\N{SNOWMAN}" if rng.random() < 0.3 else "")
