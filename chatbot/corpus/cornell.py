"""Reader of the Cornell Movie-Dialogs corpus: movie_lines.txt and movie_conversations.txt.

Between fields is ` +++$+++ `. A line is (id, character, movie, name, text); a conversation is
(character, character, movie, ids), its ids written as a Python list, which is parsed and never
evaluated. The files are ISO-8859-1, unless somebody has saved them as UTF-8; as everywhere on the
web, the codes from 0x80 to 0x9F are read as Windows-1252 has them (they are its quotes and dashes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from chatbot.corpus.lines import read_lines
from chatbot.corpus.reader import Reader, split_at_gaps
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source
from chatbot.errors import ChatbotError

SEPARATOR = " +++$+++ "

_LINES, _CONVERSATIONS = "movie_lines.txt", "movie_conversations.txt"
_IDS = re.compile(r"""\[(?:\s*(?:'[^'"\\]*'|"[^'"\\]*")\s*(?:,|(?=\])))*\s*\]""")
_ID = re.compile(r"""['"]([^'"]*)['"]""")
_WINDOWS = {
    code: bytes([code]).decode("cp1252")
    for code in range(0x80, 0xA0)
    if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}


def _read(sources: Sequence[Source], report: ReadReport) -> Iterator[Dialogue]:
    """Reads the dialogues in the order of the conversations."""
    lines, source = _find(sources, _LINES), _find(sources, _CONVERSATIONS)
    report.bytes_expected = lines.size + source.size
    table, name = _LineTable(lines, report), source.name
    for number, fields in _read_fields(source, report, 4):
        where = f"{name}:{number}"
        ids = fields[3].strip()
        if not _IDS.fullmatch(ids):
            report.drop("conversation whose last field is not a list of line ids", where)
            continue
        turns = [table.find(line_id) for line_id in _ID.findall(ids)]
        if None in turns:
            missing = turns.count(None)
            report.drop("line id that movie_lines.txt does not have", where, missing)
        yield from split_at_gaps(turns, where)


class _LineTable:
    """The texts by id, in one buffer with the start of each: half a million strings need more."""

    def __init__(self, source: Source, report: ReadReport) -> None:
        self._texts = bytearray()
        self._starts: dict[str, int] = {}
        name = source.name
        for number, fields in _read_fields(source, report, 5):
            if fields[0] in self._starts:
                report.drop("line whose id an earlier line has", f"{name}:{number}")
                continue
            self._starts[fields[0]] = len(self._texts)
            self._texts += fields[4].encode() + b"\n"

    def find(self, line_id: str) -> str | None:
        start = self._starts.get(line_id)
        if start is None:
            return None
        return self._texts[start : self._texts.index(b"\n", start)].decode()


def _find(sources: Sequence[Source], file_name: str) -> Source:
    found = [source for source in sources if source.file_name == file_name]
    if not found:
        place = sources[0].path if sources[0].member else sources[0].path.parent
        raise ChatbotError(
            f"{Source(place).name}: there is no {file_name} in it; "
            f"the format cornell needs {_LINES} and {_CONVERSATIONS}"
        )
    return min(found, key=lambda source: source.depth)


def _read_fields(source: Source, report: ReadReport, count: int) -> Iterator[tuple[int, list[str]]]:
    name = source.name
    for number, line in read_lines(source, report, "latin-1"):
        fields = line.split(SEPARATOR, count - 1)
        if len(fields) == count:
            fields[-1] = fields[-1].translate(_WINDOWS)
            yield number, fields
        else:
            report.drop(f"line of other than {count} fields", f"{name}:{number}")


READER = Reader(
    "movie_lines.txt with its movie_conversations.txt",
    (_LINES, _CONVERSATIONS).__contains__,
    _read,
)
