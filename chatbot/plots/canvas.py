"""Pictures in files: one look, the same bytes each time, whole or absent, no screen needed."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import os
import re
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from chatbot.errors import ChatbotError
from chatbot.plots.fonts import ADVICE, OWN_FONT, list_families
from chatbot.system.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY, PALE, INK = (
    "#2a6fbb",
    "#d9691e",
    "#2e8b57",
    "#8c8c8c",
    "#d5d5d5",
    "#222222",
)
DOTS_PER_INCH = 120
_NO_GLYPH = r"Glyph \d+ .* missing from"
_SVG, _XLINK_HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_MOST_DOTS = 30e6
_LONGEST_SIDE = 20_000
"""Dots; the memory for all, and what programs can show."""
_STYLE = {
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.facecolor": "white",
    "font.sans-serif": [OWN_FONT, "Verdana", "Helvetica", "Arial"],
    "font.size": 9,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",  # text stays text: to be searched, and drawn with the reader's fonts
    "svg.hashsalt": "chatbot",  # else its names differ each time
    "text.color": INK,
    "text.parse_math": False,  # a token is no formula
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8,
}
Draw = Callable[["Figure"], None]


def draw_picture(path: str, draw: Draw) -> str:
    """Draws a picture into a file.

    Args:
        path: The file, `.png` or `.svg`, replaced if it is there; an SVG file keeps text as text.
        draw: Draws on an empty figure.

    Returns:
        One line to show where no font has some sign, else an empty text.

    Raises:
        ChatbotError: The name ends otherwise, or the file cannot be written.
    """
    form = os.path.splitext(path)[1].lower().lstrip(".")
    if form not in ("png", "svg"):
        raise ChatbotError(f"{path} is no name for a picture; let it end in .png or .svg")
    try:
        # Before the work, which takes a second and more.
        if not os.path.isdir(os.path.dirname(path) or "."):
            raise FileNotFoundError(2, "its directory is not there")
        content, lacks_signs = _render(form, draw)
        with write_whole(path) as file:
            file.write(content)
    except OSError as error:
        raise ChatbotError(
            f"{path} cannot be written ({error.strerror or error}); "
            "free space or name another place"
        ) from None
    # A reader's program finds a font for what stands in an SVG file.
    return f"{path} {ADVICE}" if lacks_signs and form == "png" else ""


def embed_picture(draw: Draw) -> str:
    """Draws on an empty figure; returns an `svg` element that refers to nothing in its page."""
    root = ElementTree.fromstring(_render("svg", draw)[0])
    shapes = {f"#{shape.get('id')}": shape.get("d", "") for shape in root.iter(f"{_SVG}path")}
    for element in list(root.iter()):
        for name in ("metadata", "defs"):  # defs are clip paths, marks, and a style for all
            for child in element.findall(f"{_SVG}{name}"):
                element.remove(child)
        if element.tag == f"{_SVG}use":
            x, y = element.attrib.pop("x"), element.attrib.pop("y")
            shape = shapes[element.attrib.pop(_XLINK_HREF)]
            element.attrib.update(d=shape, transform=f"translate({x} {y})")
            element.tag = "path"
        elif element.tag == f"{_SVG}image":
            element.set("href", element.attrib.pop(_XLINK_HREF))  # an HTML page knows no prefix
        element.tag = element.tag.removeprefix(_SVG)
        for name in ("id", "clip-path", "version"):  # ids of two pictures would be the same
            element.attrib.pop(name, None)
    root.set("role", "img")
    return ElementTree.tostring(root, "unicode")


def _render(form: str, draw: Draw) -> tuple[bytes, bool]:
    """Returns a picture's file, and whether its fonts lack a sign."""
    # It warns of directories it would like to write and of fonts it takes long to list.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib.figure import Figure

    metadata = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
    content = io.BytesIO()
    with (
        _styled(list_families() if form == "png" else [OWN_FONT]),
        warnings.catch_warnings(record=True) as found,
    ):
        warnings.filterwarnings("always", _NO_GLYPH, UserWarning)
        figure = Figure()
        draw(figure)
        figure.savefig(
            content,
            format=form,
            dpi=_choose_dots_per_inch(figure),
            bbox_inches="tight",
            pad_inches=0.12,
            metadata=metadata,
        )
    lacks_signs = any(re.match(_NO_GLYPH, str(warning.message)) for warning in found)
    return content.getvalue(), lacks_signs


def _choose_dots_per_inch(figure: Figure) -> float:
    """Returns fewer than `DOTS_PER_INCH` where the picture would be too large for memory."""
    width, height = figure.get_size_inches()
    most = min(_LONGEST_SIDE / max(width, height), math.sqrt(_MOST_DOTS / (width * height)))
    return float(min(DOTS_PER_INCH, most))


@contextlib.contextmanager
def _styled(families: list[str]) -> Iterator[None]:
    """Draws in our style, whatever the user's matplotlibrc says, and leaves theirs as it was."""
    import matplotlib

    # To change the backend would be a choice for the whole process.
    default: dict[str, Any] = {
        name: value
        for name, value in matplotlib.rcParamsDefault.items()
        if not name.startswith(("backend", "interactive", "toolbar"))
    }
    style = {**default, **_STYLE, "font.family": [*families, "sans-serif"]}
    with matplotlib.rc_context(style):
        yield
