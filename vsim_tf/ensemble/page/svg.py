"""Drawings by matplotlib as SVG elements that take colours and fonts from the page around them, in light and dark."""

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vsim_tf.ensemble.page.blocks import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, GRID, SURFACE, FIRST, SECOND = (f"#00000{number}" for number in range(1, 7))
"""Colours to draw with: nearly black ones, which stand for those of the page."""
_OF_PAGE = {INK: "ink", MUTED: "muted", GRID: "grid", SURFACE: "surface", FIRST: "first", SECOND: "second"}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "text.parse_math": False, "font.size": 10, "axes.titlesize": 10, "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8, "lines.linewidth": 1.4,
    "axes.edgecolor": MUTED, "axes.labelcolor": MUTED, "axes.titlecolor": INK, "text.color": INK, "xtick.color": MUTED,
    "ytick.color": MUTED, "xtick.major.size": 0, "ytick.major.size": 0, "axes.formatter.useoffset": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": GRID, "grid.linewidth": 0.8,
}  # fmt: skip
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
POINTS_PER_INCH, LARGEST = 72, 1.4


def drawing(caption: str, draw: Callable[["Axes"], None], size: tuple[float, float], width: int = 0) -> Figure:
    """A figure of one panel; the same calls give the same bytes.

    Args:
        caption: what it shows; unique on the page, as ids within the drawing are made of it.
        draw: draws on the axes.
        size: width and height in points: pixels on a narrow screen, and `LARGEST` times as many on a wide one.
        width: see `Figure`.
    """
    from markupsafe import Markup
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    file = io.StringIO()
    with rc_context(_STYLE | {"svg.hashsalt": caption}):
        canvas = Canvas(figsize=(size[0] / POINTS_PER_INCH, size[1] / POINTS_PER_INCH), layout="constrained")
        draw(canvas.subplots())
        canvas.savefig(file, format="svg", transparent=True, metadata=_NO_METADATA)
    return Figure(Markup(_inline(file.getvalue(), caption, round(LARGEST * size[0]))), caption, width)


def _inline(text: str, caption: str, width: int) -> str:
    """A file of SVG as an element of a page: without prolog, rules of style for the whole page, and names of groups."""
    from markupsafe import escape

    svg = text[text.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]*"', svg)
    start = f'<svg {box[0] if box else ""} role="img" aria-label="{escape(caption)}" style="max-width: {width}px">'
    svg = re.sub(r"<svg[^>]*>", lambda _: start, svg, count=1)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg).replace("xlink:href", "href")
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    for colour, name in _OF_PAGE.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg
