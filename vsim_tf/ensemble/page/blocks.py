"""The parts of a page as values; `report.html.jinja` says how each looks."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeAlias

from vsim_tf.errors import UserError

if TYPE_CHECKING:
    from markupsafe import Markup

logger = logging.getLogger(__name__)


class ShownVideo(NamedTuple):
    """A video as people see it.

    Attributes:
        id: of the video.
        title: as its author wrote it; empty where there is none.
        picture: a small JPEG as a `data:` URI; empty where its record holds no picture.
    """

    id: str
    title: str = ""
    picture: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Code:
    """Lines as they are typed."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        header: names of the columns.
        rows: cells of each row.
        caption: above it; empty for none.
        texts: the first so many columns hold texts, the others numbers.
        strong: rows, by their number, that stand out.
    """

    kind: ClassVar[str] = "table"
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    texts: int = 1
    strong: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Figure:
    """A drawing.

    Attributes:
        svg: the element.
        caption: what it shows, which also stands for it where it cannot be seen.
        width: pixels below which it is scrolled and not made smaller.
    """

    kind: ClassVar[str] = "figure"
    svg: "Markup"
    caption: str
    width: int = 0


@dataclass(frozen=True)
class Panels:
    """Figures next to each other, as many as there is room for."""

    kind: ClassVar[str] = "panels"
    figures: Sequence[Figure]


class Card(NamedTuple):
    """Videos that belong together.

    Attributes:
        videos: each with a note; without a heading, the first stands above the others.
        heading: what is said of all of them; empty for none.
    """

    videos: Sequence[tuple[ShownVideo, str]]
    heading: str = ""


@dataclass(frozen=True)
class Gallery:
    """Cards next to each other, as many as there is room for."""

    kind: ClassVar[str] = "gallery"
    cards: Sequence[Card]


Block: TypeAlias = Text | Code | Table | Figure | Panels | Gallery


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    heading: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: its heading.
        sections: in their order.
    """

    title: str
    sections: Sequence[Section]


def section(heading: str, make: Callable[[], Sequence[Block]]) -> Section:
    """A section, or one sentence where files that it needs cannot be used."""
    try:
        return Section(heading, make())
    except UserError as error:
        logger.warning(f"{heading}: left out of the page: {error}", extra={"fields": error.fields})
        return Section(heading, [Text(f"Left out: {error}.")])
