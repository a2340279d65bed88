"""Fonts for any label: matplotlib's own, and an installed one for Chinese, Japanese and Korean."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from chatbot.text.joining import IDEOGRAPHS

OWN_FONT = "DejaVu Sans"
"""What matplotlib brings along."""
CJK_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans CJK TC",
    "Noto Sans CJK KR",
    "Noto Sans CJK HK",
    "Noto Sans SC",
    "Noto Sans JP",
    "Noto Sans TC",
    "Noto Sans KR",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "Source Han Sans JP",
    "Source Han Sans TC",
    "Source Han Sans",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "PingFang HK",
    "Hiragino Sans GB",
    "Hiragino Sans",
    "Heiti TC",
    "STHeiti",
    "IPAexGothic",
    "IPAGothic",
    "TakaoPGothic",
    "NanumGothic",
    "Malgun Gothic",
    "Yu Gothic",
    "Arial Unicode MS",
    "Droid Sans Fallback",
    "Noto Serif CJK SC",
    "Noto Serif CJK JP",
    "AR PL UMing CN",
    "AR PL UKai CN",
)
"""Names of fonts with Chinese, Japanese or Korean signs, the preferred ones first."""
_CJK = re.compile(
    rf"[{IDEOGRAPHS}\u1100-\u11ff\u2e80-\u33ff\ua960-\ua97f\uac00-\ud7ff\uff00-\uffef]"
)


class Fonts(NamedTuple):
    """Which fonts write a picture's labels.

    Attributes:
        families: Their names, to be tried in this order for every sign.
        missing: The signs that none of them has.
    """

    families: list[str]
    missing: frozenset[str]

    def spell(self, label: str) -> str:
        """Writes the signs that no font has as their code points, as in `U+4F60`."""
        if self.missing.isdisjoint(label):
            return label
        pieces = [f" U+{ord(sign):04X} " if sign in self.missing else sign for sign in label]
        return " ".join("".join(pieces).split())

    def advise(self, path: str) -> str:
        """Returns one line on the signs that are missing and what to install, or nothing."""
        if not self.missing:
            return ""
        if not any(_CJK.match(sign) for sign in self.missing):
            return f"{path} shows code points for signs that no font here has"
        return (
            f"{path} shows code points because no font here has Chinese, Japanese and Korean "
            "signs; install the package fonts-noto-cjk (Debian, Ubuntu), "
            "google-noto-sans-cjk-fonts (Fedora) or noto-fonts-cjk (Arch)"
        )


def choose_fonts(texts: Iterable[str]) -> Fonts:
    """Chooses the fonts that some texts need.

    Args:
        texts: All that is to be written.

    Returns:
        The fonts, and what they lack.
    """
    signs = {sign for text in texts for sign in text if not sign.isspace()}
    fonts = _match(signs, list_fonts())
    if fonts.missing:
        _find_new_fonts()
        fonts = _match(signs, list_fonts())
    return fonts


def _match(signs: set[str], files: dict[str, str]) -> Fonts:
    families, missing = [OWN_FONT], _find_missing(signs, files[OWN_FONT])
    for name in CJK_FONTS:
        if missing and name in files:
            left = _find_missing(missing, files[name])
            if left != missing:
                families.append(name)
                missing = left
    return Fonts(families, frozenset(missing))


def _find_missing(signs: set[str], file: str) -> set[str]:
    from matplotlib.font_manager import get_font

    try:
        font = get_font(file)
    except (OSError, RuntimeError):  # it was removed since, or is damaged
        return signs
    return {sign for sign in signs if not font.get_char_index(ord(sign))}


def list_fonts() -> dict[str, str]:
    """Lists the fonts that matplotlib knows of: {name: file}, upright ones of regular weight first.

    Returns:
        The names among `OWN_FONT` and `CJK_FONTS`.
    """
    from matplotlib.font_manager import fontManager

    wanted = {OWN_FONT, *CJK_FONTS}
    entries = [entry for entry in fontManager.ttflist if entry.name in wanted]
    entries.sort(key=lambda entry: (entry.style == "normal", entry.weight in (400, "normal")))
    return {entry.name: entry.fname for entry in entries}


def _find_new_fonts() -> None:
    """Adds what was installed since matplotlib noted the system's fonts."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    known = {os.path.realpath(entry.fname) for entry in fontManager.ttflist}
    for file in findSystemFonts():
        if os.path.realpath(file) not in known:
            with contextlib.suppress(OSError, RuntimeError, ValueError):  # not one that it can read
                fontManager.addfont(file)
