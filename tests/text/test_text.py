"""Text: one way of writing, cutting and joining."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot.text import (
    SPECIAL_TOKENS,
    join,
    normalise,
    tokenize,
    tokens,
)

# Text as people write it: words, signs and ideographs much more often than chance would have them.
WRITING = st.lists(
    st.sampled_from(
        [
            *(" '\".-,!?:;()%$#/@&_«¿·…’“”《。，<>" * 2),
            *("don", "t", "s", "o", "n", "dogs", "3", "10", "www", "com", "a", "m", "<eos>"),
            *("我", "是", "你好", "々", "\U00020000", "か", "ー", "ヴ", "\u3099", "한국", "ＡＢ"),
            *("नमस्ते", "ดี", "مُ", "\U00011041", "\U00011038", "1\u20e3"),
            *("é", "e", "\u0301", "\u0316", "\u0345", "İ", "Σ", "ß", "ﬁ", "😀", "👍🏽", "\u200d"),
        ]
    )
    | st.text(max_size=3),
    max_size=12,
).map("".join) | st.text(max_size=40)

# Two planes whole, then samples: the others hold ideographs, private characters or nothing.
CHARACTERS = [chr(code) for code in (*range(0x20000), *range(0x20000, sys.maxunicode + 1, 97))]
patient = settings(deadline=None)  # a busy machine is no failure


def tokenize_slowly(text: str) -> list[str]:
    """The definition, character by character: words, ideographs and signs, each with its marks."""
    tokens: list[str] = []
    kind = "blank"
    for character in normalise(text):
        name = unicodedata.name(character, "")
        if unicodedata.category(character)[0] == "M" and kind != "blank":
            tokens[-1] += character
            continue
        before, kind = kind, "sign"
        if character.isspace():
            kind = "blank"
        elif name.startswith(("CJK UNIFIED", "CJK COMPATIBILITY IDEO")) or character in "々〇":
            kind = "ideograph"
        elif character.isalnum() or character == "_":
            kind = "word"
        if kind == before == "word":
            tokens[-1] += character
        elif kind != "blank":
            tokens.append(character)
    return tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Hello,\t WORLD \n", "hello, world"),
        ("Ｄｏｎ’t ‘quote’", "don't 'quote'"),
        ("ﬁne ①", "fine 1"),
        ("e\u0301", "é"),
        ("a\x00b\x1b[31mc\x7f", "a b [31mc"),
        ("half\ud800", "half\ufffd"),
        ("\u202eab\u200bc\ufeff\u00add", "ab cd"),
        ("❤\ufe0f", "❤"),
        ("", ""),
        (" \u3000\u00a0", ""),
    ],
)
def test_normalise_writes_one_form(text: str, expected: str) -> None:
    assert normalise(text) == expected


@patient
@given(WRITING)
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_every_character_normalises_once_for_all_and_can_be_written() -> None:
    for start in range(0, len(CHARACTERS), 512):  # one by one takes ten times as long
        text = normalise("x ".join(CHARACTERS[start : start + 512]))
        assert normalise(text) == text
        assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
        text.encode()


def test_a_flood_of_combining_marks_is_cut() -> None:
    flood = normalise("a" + "\u0301\u0316" * 20_000 + "b")
    assert len(flood) <= 32
    assert flood[-1] == "b"
    # One character, two marks.
    assert normalise("q" + "\u0344" * 20) == "q" + "\u0308\u0301" * 15


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't!", ["don", "'", "t", "!"]),
        ("don’t", ["don", "'", "t"]),
        ("<eos> <PAD>", ["<", "eos", ">", "<", "pad", ">"]),
        ("我是ABC，3个々〇", ["我", "是", "abc", ",", "3", "个", "々", "〇"]),
        ("豈\U00020000\U00030000", ["豈", "\U00020000", "\U00030000"]),
        ("カタカナとひらがな漢字", ["カタカナとひらがな", "漢", "字"]),
        ("snake_case 3.5", ["snake_case", "3", ".", "5"]),
        ("😀😀", ["😀", "😀"]),
        ("naïve café", ["naïve", "café"]),
        ("\x00\x1b \t", []),
        ("नमस्ते, आप कैसे हैं?", ["नमस्ते", ",", "आप", "कैसे", "हैं", "?"]),
        ("สวัสดี ครับ", ["สวัสดี", "ครับ"]),
        ("مُحَمَّد؟", ["مُحَمَّد", "؟"]),
        ("x\u0302y e\u0301t é", ["x\u0302y", "ét", "é"]),
        ("\U00011041\U00011038\U00011042", ["\U00011041\U00011038\U00011042"]),  # Brahmi
        ("İstanbul", ["i\u0307stanbul"]),
        ("我\u0301们 1\ufe0f\u20e3 👨\u200d👩", ["我\u0301", "们", "1\u20e3", "👨", "👩"]),
        ("a \u0301\u0316b", ["a", "\u0316\u0301", "b"]),  # on nothing
    ],
)
def test_tokenize_cuts_words_signs_and_ideographs(text: str, tokens: list[str]) -> None:
    assert tokenize(text) == tokens


@patient
@given(WRITING)
def test_tokenize_is_its_definition(text: str) -> None:
    assert tokenize(text) == tokenize_slowly(text)


@patient
@given(st.text(st.characters(max_codepoint=127)))
def test_the_fast_path_gives_what_the_plain_path_gives(text: str) -> None:
    assert tokenize(text) == tokens._TOKEN.findall(normalise(text))


@patient
@given(WRITING)
def test_no_typed_text_gives_a_special_token(text: str) -> None:
    for typed in (text, "<eos>" + text, text + "<unk>"):
        assert not set(tokenize(typed)) & set(SPECIAL_TOKENS)


@pytest.mark.parametrize(
    "text",
    [
        "i don't know.",
        "it's 10:30, isn't it? we're late!",
        "at 7 o'clock i'll pay $3.50 (5% of 1,000).",
        "the dogs' tails",
        "goin' to get 'em",
        "rock 'n' roll",
        'he said "hello there" and left.',
        "'well,' she said, 'i'd go.'",
        "“yes”, he said.",
        "a well-known mother-in-law at 7-11",
        "ask me at 3 p.m. or on www.example.com",
        "nice :) (really!)",
        "wait... what?!",
        "我是中国人",
        "你好，我是皮皮。",
        "你几岁？我3岁：真的！是吗；好",
        "我用python写的",
        "《三国》，“好”，是吧？",
        "私はロボットです。元気？",
        "it costs 5€ or £6",
        "😀😀 hi 👍🏽",
        "me@example.com/path #1",
        "नमस्ते, आप कैसे हैं?",
        "สวัสดีครับ!",
    ],
)
def test_join_gives_back_natural_text(text: str) -> None:
    assert join(tokenize(text)) == text


def test_join_takes_any_iterable_and_nothing() -> None:
    assert join(iter(["hi", "!"])) == "hi!"
    assert join([]) == ""
    assert join(["<unk>", ",", "<unk>"]) == "<unk>, <unk>"


@patient
@given(WRITING)
def test_joined_tokens_tokenize_to_the_same(text: str) -> None:
    tokens = tokenize(text)
    assert tokenize(join(tokens)) == tokens


def test_joined_tokens_of_every_character_tokenize_to_the_same() -> None:
    for start in range(0, len(CHARACTERS), 512):
        tokens = tokenize(" a".join(CHARACTERS[start : start + 512]))
        assert tokenize(join(tokens)) == tokens
