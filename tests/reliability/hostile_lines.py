"""The fixed corpus of lines that have broken programs."""

from __future__ import annotations

import random

from chatbot.text import SPECIAL_TOKENS
from tests.helpers_chat import make_hostile_lines

MEGABYTE = 1 << 20
ESCAPES = (
    b"\x1b[31mred\x1b[0m",
    b"\x1b[2J\x1b[H",
    b"\x1b[6n",
    b"\x1b[?1049h\x1b[?25l",
    b"\x1b]0;title\x07",
    b"\x1b]52;c;aGVsbG8=\x07",
    b"\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\",
    b"\x1bP+q544e\x1b\\",
    b"\x1b_Gf=24;AAAA\x1b\\",
    b"\x1b^private\x1b\\",
    b"\x1bc",
    b"\x1b(0lqqk",
    b"\x1b#8",
    b"\x9b31m\x9d0;title\x9c",  # C1 as single bytes, which are not UTF-8
    "\x9b31m\x9d0;title\x9c\x90q\x9c".encode(),  # C1 as UTF-8
    b"\x07\x08\x08\x08\x0b\x0c\x0e\x0f",
    b"over\rwritten",
    b"\x1b",
    b"\x1b[",
    b"\x1b[" + b"9;" * 5000 + b"m",
)
DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
INVISIBLE = (
    "\xad\u034f\u115f\u17b4\u180e\u200b\u200c\u200d\u2060\u2061\u2800\u3164\ufe0f\ufeff\ufff9"
)
WHOLE_EMOJI = (
    "👩\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈 🇨🇳🇧🇷 👍🏽 1\ufe0f\u20e3 "
    "🏴\U000e0067\U000e0062\U000e007f"
)
BROKEN_UTF8 = (
    b"\x80",
    b"\xbf\xbf\xbf",
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xfe\xff",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\xbd\xed\xb8\x80",  # an emoji as two surrogates
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"hel\xe4lo \xff you",
    "你好".encode("gbk"),
    "привет".encode("koi8-r"),
    "hello".encode("utf-16"),
    "hello".encode("utf-32-be"),
)


def list_special_lines() -> list[bytes]:
    """Our own special tokens typed as text, in every way that might make them the token."""
    lines = []
    for token in SPECIAL_TOKENS:
        name = token.strip("<>")
        lines += [
            token,
            token.upper(),
            f"hello {token} you",
            f"{token}{token}",
            token * 1000,
            f" {token} ",
            f"< {name} >",
            f"<\u200b{name}\u200b>",
            f"\uff1c{name}\uff1e",  # full width, which the normal form makes narrow
            f"<{name[0]}\u200d{name[1:]}>",
            f"&lt;{name}&gt;",
            f"</{name[:-1]}>",
            f"<<{name}>>",
            f"{token}\x00{token}",
        ]
    lines += [" ".join(SPECIAL_TOKENS), "".join(SPECIAL_TOKENS), "<s> </s> [CLS] [SEP] <|im_end|>"]
    return [line.encode() for line in lines]


def list_planes() -> list[bytes]:
    """Some characters of each of Unicode's planes, its first, its last, and lone surrogates."""
    chance = random.Random(17)
    lines = []
    for plane in range(17):
        codes = [0, 1, 0xFFFD, 0xFFFE, 0xFFFF, *(chance.randrange(0x10000) for _ in range(60))]
        lines.append("".join(chr(plane << 16 | code) for code in codes))
    lines += [chr(code) for code in range(0xD7FE, 0xE002, 64)]
    lines += ["\ud800", "\udfff", "\ud83d", "\ude00\ud83d", "hello \udc80 you", "\ud800" * 1000]
    return [line.encode("utf-8", "surrogatepass") for line in lines]


def list_long_lines() -> list[bytes]:
    """Lines of a megabyte, words of 100,000 letters, floods of marks."""
    words = [letter * 100_000 for letter in ("e", "é", "İ", "你", "ﷺ", "ﷺ\u0301", "👍", "a_", "᪰")]
    marks = ["e" + "\u0301" * 100_000, "a\u0316\u0301" * 20_000, "e" + "\u0345\u0301" * 50_000]
    floods = ["Z" + "".join(map(chr, range(0x300, 0x370))) * 200, "\u0301" * 30, "\u0301 hello"]
    longest = [
        b"a" * MEGABYTE,
        b"hello " * (MEGABYTE // 6),
        b"\x00" * MEGABYTE,
        b" " * MEGABYTE,
        b"\xff" * MEGABYTE,
        b"<eos> " * (MEGABYTE // 6),
        b"\x1b[31m" * (MEGABYTE // 5),
        "\ufdfa".encode() * (MEGABYTE // 3),  # each becomes 18 characters
        "👍".encode() * (MEGABYTE // 4),
        bytes(random.Random(5).choices(range(256), k=MEGABYTE)).replace(b"\n", b""),
    ]
    return [text.encode() for text in (*words, *marks, *floods)] + longest


def list_small_lines() -> list[bytes]:
    """Blanks, invisible signs, emoji, unknown words, and what other programs would obey."""
    blanks = ["", " ", "\t", " " * 1000, "\u3000", "\xa0" * 50, "\u2028", "\r", "\r\r", "\v\f\x1c"]
    signs = [f"hel{sign}lo" for sign in DIRECTIONS + INVISIBLE] + [DIRECTIONS * 50, INVISIBLE * 50]
    emoji = [WHOLE_EMOJI, WHOLE_EMOJI * 100, "\u200d" * 500, "👍" * 2000, "🏽", "🇨", "\ufe0f"]
    unknown = ["zzz", "zzz qqq", "qwertz " * 100, "مرحبا", "שלום", "नमस्ते", "ไทย", "🜁"]
    obeyed = [
        "$(touch trap)",
        "`touch trap`",
        "'; DROP TABLE replies; --",
        "../../etc/passwd",
        "%s%s%s%n",
        "{0.__class__}",
        '{"query": "x", "reply"',
        "\\u0000\\x1b\\n",
        "NaN",
        "-1",
        "1e999",
        "9" * 5000,
        "null",
        "__import__('os')",
        "!!python/object/apply:os.system [id]",
        "--help",
        "-",
    ]
    return [text.encode() for text in (*blanks, *signs, *emoji, *unknown, *obeyed)]


def list_hostile_lines() -> list[bytes]:
    """Every line, without its end; the same ones at every call, and none ends a chat."""
    lines = [
        *make_hostile_lines(1000),
        *ESCAPES,
        *BROKEN_UTF8,
        *(b"hello " + escape + b" you" for escape in (*ESCAPES, *BROKEN_UTF8)),
        *list_special_lines(),
        *list_planes(),
        *list_small_lines(),
        *list_long_lines(),
    ]
    return [line.replace(b"\n", b"") for line in lines if not line.lower().startswith(b"/quit")]
