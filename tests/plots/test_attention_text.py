from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.plots import shade_attention
from chatbot.plots.attention_text import ASCII_SHADES
from chatbot.plots.labels import shorten, write_label
from chatbot.system.terminal import count_columns, make_visible

HOSTILE = ["\x1b[2J", "\u202eevil", "a\u200bb", "e" + "\u0301" * 500, "$x^2$", "\n", "w" * 300, ""]


@pytest.mark.parametrize(
    ("token", "label"),
    [
        ("<eos>", "(end)"),
        ("<unk>", "(unknown)"),
        ("<sep>", "(turn)"),
        ("", "(empty)"),
        ("hello", "hello"),
        ("hello!", "hello!"),
        ("hello!!", "hello…"),
        ("你好吗", "你好吗"),
        ("你好吗a", "你好…"),  # the next ideograph would take the columns 5 and 6, and … is one
        ("\x1b[2J", "\ufffd[2J"),
        ("a\u202eb", "a\ufffdb"),
        ("a\nb", "a\ufffdb"),
        ("a\uffffb", "a\ufffdb"),
    ],
)
def test_labels(token: str, label: str) -> None:
    assert write_label(token, 9 if token[:1] == "<" or not token else 6) == label


@given(st.text(max_size=40) | st.sampled_from(HOSTILE), st.integers(1, 12))
def test_no_label_is_too_wide_or_obeyed(token: str, columns: int) -> None:
    label = shorten(token, columns)
    assert count_columns(label) <= columns
    assert len(label) <= 4 * columns
    assert make_visible(label) == label


def test_blocks_stand_under_their_words() -> None:
    weights = np.array([[0.7, 0.3, 0.0], [0.04, 0.05, 0.2], [0.19, 0.4, 0.69]], np.float32)
    lines = shade_attention(["how", "are", "you"], ["fine", "!", "<eos>"], weights, 60)
    assert lines == [
        "      how are you",
        "fine  ███ ▒▒▒",
        "!         ░░░ ▒▒▒",
        "(end) ░░░ ▓▓▓ ▓▓▓",
        "weights:  ░ from 0.05  ▒ from 0.2  ▓ from 0.4  █ from 0.7",
    ]


def test_wide_signs_and_marks_keep_the_columns() -> None:
    weights = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]], np.float32)
    lines = shade_attention(["你", "e\u0301", "好吗"], ["好", "ok"], weights, 60)
    assert lines[:3] == ["   你 e\u0301 好吗", "好    █", "ok ██   ████"]


def test_numbers_and_a_legend_where_words_do_not_fit() -> None:
    weights = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    lines = shade_attention(["extraordinarily", "long"], ["so", "!"], weights, 22)
    assert lines[:5] == ["   1 2", "so   █", "!  █", "1 extraordinarily", "2 long"]


def test_parts_where_numbers_do_not_fit() -> None:
    S = 20
    tokens = [f"w{number}" for number in range(1, S + 1)]
    lines = shade_attention(tokens, ["so", "!"], np.ones([2, S], np.float32), 20)
    heads = [line for line in lines if line.startswith("  ")]
    assert [number for line in heads for number in line.split()] == [
        str(number) for number in range(1, S + 1)
    ]
    assert len(heads) == 4  # 17 columns hold five numbers of three
    assert max(map(len, lines)) <= 20


@given(
    st.lists(st.text(max_size=12) | st.sampled_from(HOSTILE), min_size=1, max_size=30),
    st.lists(st.text(max_size=12) | st.sampled_from(HOSTILE), min_size=1, max_size=5),
    st.integers(0, 90),
)
def test_no_line_is_wider_than_the_terminal(query: list[str], reply: list[str], width: int) -> None:
    weights = np.full([len(reply), len(query)], 0.5, np.float32)
    for line in shade_attention(query, reply, weights, width):
        assert count_columns(line) <= max(width, 20)
        assert make_visible(line) == line


def test_other_shades_and_numbers_that_are_none() -> None:
    weights = np.array([[0.9, np.nan, 0.1]], np.float32)
    lines = shade_attention(["a", "b", "c"], ["d"], weights, 60, ASCII_SHADES)
    assert lines[:2] == ["  a b c", "d #   ."]
    assert all(line.isascii() for line in lines)


@pytest.mark.parametrize("shape", [(2, 3), (3, 2, 1), (0, 3)])
def test_weights_must_fit_their_tokens(shape: tuple[int, ...]) -> None:
    reply = [] if 0 in shape else ["a", "b", "c"]
    with pytest.raises(ValueError, match="do not fit"):
        shade_attention(
            ["d", "e"] if reply else ["d", "e", "f"], reply, np.zeros(shape, np.float32), 60
        )
