"""The fonts of a picture: matplotlib's own, then those with Chinese, Japanese and Korean signs."""

from __future__ import annotations

import contextlib
import functools

OWN_FONT = "DejaVu Sans"
"""What matplotlib brings along."""
CJK_FONTS = (
    "Noto Sans CJK SC, Noto Sans CJK JP, Noto Sans CJK TC, Noto Sans CJK KR, Noto Sans CJK HK, "
    "Noto Sans SC, Noto Sans JP, Noto Sans TC, Noto Sans KR, Source Han Sans SC, "
    "Source Han Sans CN, Source Han Sans JP, Source Han Sans TC, Source Han Sans, "
    "WenQuanYi Zen Hei, WenQuanYi Micro Hei, Microsoft YaHei, SimHei, PingFang SC, PingFang HK, "
    "Hiragino Sans GB, Hiragino Sans, Heiti TC, STHeiti, IPAexGothic, IPAGothic, TakaoPGothic, "
    "NanumGothic, Malgun Gothic, Yu Gothic, Arial Unicode MS, Droid Sans Fallback, "
    "Noto Serif CJK SC, Noto Serif CJK JP, AR PL UMing CN, AR PL UKai CN"
).split(", ")
"""The preferred ones first."""
ADVICE = (
    "shows boxes for signs that no font here has; for Chinese, Japanese and Korean install the "
    "package fonts-noto-cjk (Debian, Ubuntu), google-noto-sans-cjk-fonts (Fedora) or "
    "noto-fonts-cjk (Arch)"
)


@functools.cache
def list_families() -> list[str]:
    """Lists the installed families; matplotlib takes each sign from the first that has it."""
    from matplotlib.font_manager import fontManager

    known = {entry.name for entry in fontManager.ttflist}
    if known.isdisjoint(CJK_FONTS):
        _find_new_fonts()
        known = {entry.name for entry in fontManager.ttflist}
    return [OWN_FONT, *(name for name in CJK_FONTS if name in known)]


def _find_new_fonts() -> None:
    """Adds the fonts that were installed after matplotlib wrote its list of them."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    for file in {*findSystemFonts()} - {entry.fname for entry in fontManager.ttflist}:
        with contextlib.suppress(OSError, RuntimeError, ValueError):  # it cannot be read
            fontManager.addfont(file)
