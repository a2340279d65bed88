from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from chatbot.errors import ChatbotError
from chatbot.plots import canvas, draw_attention, fonts
from tests.helpers_chat import ROOT

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "\x1b[31m",
    "\u202eolleh",
    "a\u200bb",
    "$x_1^2$",
    "$\\frac{",
    "_",
    "^",
    "w" * 500,
    "&<>\"'",
]


def make_weights(T: int, S: int, seed: int = 5) -> Any:
    weights = np.random.default_rng(seed).random([T, S]) ** 4
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def read_pixels(path: Path) -> Any:
    """The colours of a PNG file, `float32 [height, width, 3]`."""
    from matplotlib.image import imread

    return imread(path)[:, :, :3]


def find_colour(pixels: Any, weight: float) -> Any:
    """Which pixels have the colour of a weight."""
    from matplotlib import colormaps

    return np.abs(pixels - colormaps["viridis"](weight)[:3]).max(axis=2) < 0.01


def read_texts(path: Path) -> list[str]:
    return [element.text or "" for element in ElementTree.parse(path).iter(f"{SVG}text")]


def test_every_cell_has_the_colour_of_its_weight(tmp_path: Path) -> None:
    T, S = 4, 6
    weights = np.zeros([T, S], np.float32)
    weights[:, 0], weights[2, 4] = 0.5, 1.0
    path = tmp_path / "attention.png"
    assert draw_attention(str(path), list("abcdef"), list("wxyz"), weights, "a title") == ""
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    pixels = read_pixels(path)
    # The bar of colours stands to the right of the last cell.
    dark = find_colour(pixels, 0.0)
    tall = np.flatnonzero(dark.sum(axis=0) > 0.9 * dark.sum(axis=0).max())
    right = tall[np.flatnonzero(np.diff(tall, append=10**6) > 1)[-1]]
    half = np.argwhere(find_colour(pixels, 0.5)[:, :right])
    top, bottom, left = half[:, 0].min(), half[:, 0].max(), half[:, 1].min()
    bright = np.argwhere(find_colour(pixels, 1.0)[:, :right])
    height, width = (bottom - top + 1) / T, (right - left + 1) / S
    row, column = (bright.mean(axis=0) - (top, left)) / (height, width)
    assert abs(row - 2.5) < 0.1
    assert abs(column - 4.5) < 0.1
    assert abs(len(bright) / (height * width) - 1) < 0.1


def test_labels_stand_in_the_order_of_the_tokens(tmp_path: Path) -> None:
    path = tmp_path / "attention.svg"
    query, reply = ["how", "are", "you"], ["fine", "thanks", "<eos>"]
    draw_attention(str(path), query, reply, make_weights(3, 3), "one\ntwo")
    texts = read_texts(path)
    places = [texts.index(text) for text in ("how", "are", "you", "fine", "thanks", "(end)")]
    assert places == sorted(places)
    assert {"query", "reply", "0.0", "0.5", "1.0"} <= set(texts)


@pytest.mark.parametrize(("T", "S"), [(1, 1), (40, 40), (2, 130)])
def test_size_follows_the_tokens(tmp_path: Path, T: int, S: int) -> None:
    path = tmp_path / "attention.png"
    query = [f"query{number}" for number in range(S)]
    draw_attention(str(path), query, [f"r{number}" for number in range(T)], make_weights(T, S), "")
    height, width, _ = read_pixels(path).shape
    for side, tokens in ((height, T), (width, S)):
        assert 20 * tokens < side < 37 * tokens + 350  # up to 0.3 inches of 120 dots a token


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_bytes_each_time(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for path in paths:
        draw_attention(str(path), ["hi", "you"], ["<eos>"], make_weights(1, 2), "a title")
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [path.name for path in paths]


def test_hostile_tokens_are_text_and_nothing_else(tmp_path: Path) -> None:
    weights = make_weights(len(HOSTILE), len(HOSTILE))
    for suffix in ("png", "svg"):
        path = str(tmp_path / f"a.{suffix}")
        draw_attention(path, HOSTILE, HOSTILE, weights, " ".join(HOSTILE))
    texts = read_texts(tmp_path / "a.svg")
    assert {"\ufffd[31m", "\ufffdolleh", "$x_1^2$", "$\\frac{", "_", "^", "&<>\"'"} <= set(texts)
    assert "w" * 19 + "…" in texts
    assert max(read_pixels(tmp_path / "a.png").shape) < 1000


def test_a_reader_s_program_finds_the_signs_of_an_svg_file(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    assert draw_attention(str(path), ["你", "👍"], ["好"], make_weights(1, 2), "你好") == ""
    assert {"你", "👍", "好", "你好"} <= set(read_texts(path))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.gif", "let it end in .png or .svg"),
        ("attention", "let it end in .png or .svg"),
        ("missing/a.png", "its directory is not there"),
        ("file/a.png", "its directory is not there"),
        ("directory.png", "Is a directory"),
    ],
)
def test_a_path_that_cannot_be_written_is_one_line(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "directory.png").mkdir()
    with pytest.raises(ChatbotError, match=reason) as caught:
        draw_attention(str(tmp_path / name), ["a"], ["b"], make_weights(1, 1), "")
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["directory.png", "file"]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "full.png").symlink_to("/dev/full")
    with pytest.raises(ChatbotError, match="No space left on device"):
        draw_attention(str(tmp_path / "full.png"), ["a"], ["b"], make_weights(1, 1), "")


def make_font(path: Path, name: str, signs: str) -> str:
    """Makes a font in which each of some signs is a filled square."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for point in ((0, 900), (900, 900), (900, 0)):
        pen.lineTo(point)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "square"])
    builder.setupCharacterMap({ord(sign): "square" for sign in signs})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (500, 0), "square": (1000, 0)})
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": name, "styleName": "Regular"})
    builder.setupOS2(usWeightClass=400)
    builder.setupPost()
    builder.save(path)
    return str(path)


@pytest.fixture
def no_cjk_font(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A machine with no fonts but matplotlib's own and those put into the list."""
    from matplotlib import font_manager

    def forget() -> None:
        font_manager.fontManager._findfont_cached.cache_clear()  # type: ignore[attr-defined]
        fonts.list_families.cache_clear()

    own = [entry for entry in font_manager.fontManager.ttflist if entry.name == fonts.OWN_FONT]
    installed: list[str] = []
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: installed)
    forget()
    yield installed
    forget()


def test_signs_without_a_font_are_boxes_and_one_line_says_so(
    tmp_path: Path, no_cjk_font: list[str]
) -> None:
    path = str(tmp_path / "a.png")
    notice = draw_attention(path, ["你", "好"], ["ok", "好", "<eos>"], make_weights(3, 2), "你好")
    assert notice.startswith(path)
    assert "fonts-noto-cjk" in notice
    assert "\n" not in notice
    assert "no font here has" in draw_attention(path, ["👍"], ["ok"], make_weights(1, 1), "")
    assert draw_attention(path, ["é"], ["ok"], make_weights(1, 1), "") == ""


def has_black_square(path: Path, side: int) -> bool:
    black = read_pixels(path).max(axis=2) < 0.3
    return bool(np.lib.stride_tricks.sliding_window_view(black, (side, side)).all((2, 3)).any())


def test_a_font_installed_since_is_found_and_used(tmp_path: Path, no_cjk_font: list[str]) -> None:
    path, before = str(tmp_path / "a.png"), str(tmp_path / "before.png")
    assert draw_attention(before, ["好"], ["ok"], make_weights(1, 1), "") != ""
    (tmp_path / "damaged.ttf").write_bytes(b"no font")
    no_cjk_font.append(str(tmp_path / "damaged.ttf"))
    no_cjk_font.append(make_font(tmp_path / "noto.ttf", "Noto Sans CJK SC", "好"))
    fonts.list_families.cache_clear()  # as in a new process
    assert draw_attention(path, ["好"], ["ok"], make_weights(1, 1), "") == ""
    # A square of 9 points, which a box for a missing sign has nowhere.
    assert has_black_square(Path(path), 12)
    assert not has_black_square(Path(before), 12)


def test_a_sign_is_of_the_preferred_font_that_has_it(
    tmp_path: Path, no_cjk_font: list[str]
) -> None:
    for name, signs in (("SimHei", "你好吗"), ("Noto Sans CJK JP", "你"), ("Other", "们")):
        no_cjk_font.append(make_font(tmp_path / f"{name}.ttf", name, signs))
    assert fonts.list_families() == [fonts.OWN_FONT, "Noto Sans CJK JP", "SimHei"]
    path = str(tmp_path / "a.png")
    assert draw_attention(path, ["你"], ["吗"], make_weights(1, 1), "ok 好") == ""
    assert draw_attention(path, ["你"], ["们"], make_weights(1, 1), "ok 好") != ""


def test_signs_of_the_readers_fonts_have_room_in_an_svg_file(tmp_path: Path) -> None:
    path, size, row = tmp_path / "a.svg", 9.0, "会打字是的吗"
    draw_attention(str(path), ["a", "b"], [row, "x"], make_weights(2, 2), "")
    found = {element.text: element for element in ElementTree.parse(path).iter(f"{SVG}text")}
    left = float(found[row].attrib["x"]) - len(row) * size  # each is as wide as high
    assert size < float(found["reply"].attrib["x"]) < left


SILENT = """
import sys
import chatbot.plots
assert "matplotlib" not in sys.modules and "tensorflow" not in sys.modules
import numpy as np
chatbot.plots.draw_attention(sys.argv[1], ["a"], ["你"], np.ones([1, 1], np.float32), "")
assert "matplotlib.pyplot" not in sys.modules
"""


def test_a_picture_needs_no_display_no_home_and_no_settings(tmp_path: Path) -> None:
    (tmp_path / "home").touch()  # a file, where directories would be written
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfigure.dpi: 7\nbackend: tkagg\n")
    done = subprocess.run(
        [sys.executable, "-c", SILENT, str(tmp_path / "a.png")],
        cwd=tmp_path,
        env={"HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    plain = tmp_path / "plain.png"
    draw_attention(str(plain), ["a"], ["你"], np.ones([1, 1], np.float32), "")
    assert (tmp_path / "a.png").read_bytes() == plain.read_bytes()


@pytest.mark.parametrize("size", [(1000, 2), (300, 300), (3, 2)])
def test_no_picture_needs_more_dots_than_memory_has(size: tuple[int, int]) -> None:
    from matplotlib.figure import Figure

    dots = canvas._choose_dots_per_inch(Figure(figsize=size))
    assert dots * max(size) <= 20_000 * (1 + 1e-9)  # beyond 65,535 matplotlib itself gives up
    assert dots**2 * size[0] * size[1] <= 30e6 * (1 + 1e-9)
    assert (dots == canvas.DOTS_PER_INCH) == (max(size) == 3)
