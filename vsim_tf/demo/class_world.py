"""What the short videos of the demo data show: classes of two levels, and how texts and looks tell of them.

Four classes of level 1 have three of level 2 each. Of two classes of level 1 the first ones of level 2 share their words, the
second ones their looks, and only the third ones differ in both: neither text nor pictures alone can tell all classes apart. A
class has 36 words, of which a video has a few, in its title, in its pictures or in its speech; any of the three may be empty or
say nothing. So it takes many videos to know which words belong together.
"""

from typing import NamedTuple

import numpy as np

from vsim_tf.demo.pictures import NUM_LOOKS
from vsim_tf.demo.world import filler, subcategory_words

LEVEL1, WITHIN = 4, 3
NUM_CLASSES = LEVEL1 * WITHIN
_SHARE_WORDS, _SHARE_LOOKS = 0, 1
"""Of the classes within one of level 1."""
_STRAY_WORDS = 0.25  # share of words that are those of any class
_EMPTY = {"title": 0.15, "ocr": 0.5, "asr": 0.5}
_IDLE = 0.15  # share of titles that say nothing


class ClassWorld(NamedTuple):
    """What all videos have in common.

    Attributes:
        popularity: probability of each class, `[classes]`.
        words: class whose words each class has, `[classes]`.
        looks: how the videos of each class look, `[classes]`.
    """

    popularity: np.ndarray
    words: np.ndarray
    looks: np.ndarray


class Texts(NamedTuple):
    """Texts of a video, as an annotation has them."""

    title: str
    ocr: list[str]
    asr: str


def make_class_world(rng: np.random.Generator) -> ClassWorld:
    """Draw a world."""
    classes = np.arange(NUM_CLASSES)
    level1, within = divmod(classes, WITHIN)
    first = np.where(level1 % 2 == 1, classes - WITHIN, classes)  # of the two that share something
    looks = rng.permutation(NUM_LOOKS)[:NUM_CLASSES]
    popularity = rng.permutation(1 / (classes + 4.0))
    return ClassWorld(
        popularity / popularity.sum(),
        np.where(within == _SHARE_WORDS, first, classes),
        looks[np.where(within == _SHARE_LOOKS, first, classes)],
    )


def category(number: int) -> str:
    """The id of a class: two digits of level 1, two within it."""
    level1, within = divmod(number, WITHIN)
    return f"{level1:02}{within:02}"


def draw_texts(world: ClassWorld, number: int, rng: np.random.Generator) -> Texts:
    """The texts of a video of a class."""
    empty = {name: rng.random() < share for name, share in _EMPTY.items()}
    idle = rng.random() < _IDLE
    title = "" if empty["title"] else _phrase(world, number, rng, (0, 1) if idle else (1, 4), (2, 8))
    ocr = [] if empty["ocr"] else [_phrase(world, number, rng, (0, 2), (1, 2)) for _ in range(rng.integers(1, 5))]
    asr = "" if empty["asr"] else _phrase(world, number, rng, (1, 4), (4, 12))
    return Texts(title, ocr, asr)


def _phrase(world: ClassWorld, number: int, rng: np.random.Generator, words: tuple[int, int], fillers: tuple[int, int]) -> str:
    """Some words of a class among words that say nothing; of both the least number, and the first that is too large."""
    drawn = [_word(world, number, rng) for _ in range(rng.integers(*words))]
    drawn += [filler(rng) for _ in range(rng.integers(*fillers))]
    return "".join(rng.permutation(drawn))


def _word(world: ClassWorld, number: int, rng: np.random.Generator) -> str:
    stray = rng.random() < _STRAY_WORDS
    level1, within = divmod(int(world.words[rng.integers(NUM_CLASSES) if stray else number]), WITHIN)
    word: str = rng.choice(subcategory_words(level1, within))
    return word
