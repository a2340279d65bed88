"""The encoding of a text: told by its bytes, or checked if somebody has named it."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple

from chatbot.corpus.report import ReadReport
from chatbot.corpus.sources import Source, open_source
from chatbot.errors import ChatbotError
from chatbot.settings.read_options import AUTO

UNDECODED = re.compile("\udc80")
"""Finds what stands in a text for bytes that are not in its encoding."""

MARKING = "chatbot.undecoded"
"""Name of the error handler that puts it there."""
codecs.register_error(MARKING, lambda error: ("\udc80", error.end))  # type: ignore[attr-defined]

_MARKS = {  # the longer first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    codecs.BOM_UTF8: "utf-8",
}
_TAR_MARK, _TAR_MARK_AT = b"ustar", 257
_HEAD = 1 << 16  # bytes
_BLOCK = 1 << 16  # characters
_FEW = 10  # lines that may be undecodable in any file of some size
_SURE = 10_000  # lines or bytes beyond ASCII after which a file's encoding is no longer in doubt
_NOT_TEXT = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffe\uffff]")
_ASCII = re.compile("[\t\n\r -~]")
# In Chinese talk each third character is one of these; in Korean, Japanese or Russian bytes read
# as GB18030 they are rare.
_COMMON_CHINESE = frozenset("的一是了我不在有他这你好么什说要也就都没会吗吧呢们人很")


class Count(NamedTuple):
    """How the lines of a text decode.

    Attributes:
        lines: All lines.
        good: Those of them beyond ASCII that decode.
        bad: Those that do not.
        first_bad: The number of the first of these, from 1.
        sample: Characters beyond ASCII, from the lines that decode.
    """

    lines: int
    good: int
    bad: int
    first_bad: int
    sample: str

    @property
    def is_wrong(self) -> bool:
        """Whether so many lines do not decode that the encoding cannot be the right one."""
        return self.bad > self.good and self.bad > min(self.lines / 2, max(self.lines / 10, _FEW))


@contextmanager
def open_text(
    source: Source, report: ReadReport, usual: str = AUTO
) -> Iterator[tuple[io.TextIOWrapper, str]]:
    r"""Opens a text in its encoding; see `settle_encoding`.

    Args:
        source: The text.
        report: Is told how far the text is read.
        usual: As for `settle_encoding`.

    Yields:
        The text, in which every line ends in "\n" and there may be other "\r", and its encoding. A
        match of `UNDECODED` replaces bytes that are not in it.

    Raises:
        ChatbotError: As for `settle_encoding`, or the file cannot be read.
    """
    encoding = settle_encoding(source, usual)
    with open_source(source) as binary, _decode(binary, encoding, "") as text:
        newline = "\n" if any("\n" in block for block in _read_blocks(text)) else None
    with (
        open_source(source) as binary,
        report.reading(binary),
        _decode(binary, encoding, newline) as text,
    ):
        yield text, encoding


@contextmanager
def _decode(binary: IO[bytes], encoding: str, newline: str | None) -> Iterator[io.TextIOWrapper]:
    """Yields bytes as text, and leaves them open."""
    text = io.TextIOWrapper(binary, encoding, errors=MARKING, newline=newline)
    try:
        yield text
    finally:
        text.detach()


def settle_encoding(source: Source, usual: str = AUTO) -> str:
    """Returns Python's name of a text's encoding: that of its options if they name one.

    Args:
        source: The text.
        usual: The encoding of its format where a text is neither UTF-16 nor UTF-8 from end to end;
            "auto" tells GB18030 too.

    Raises:
        ChatbotError: Most lines beyond ASCII are not in the encoding that was named or found, or
            the text is a tar archive.
    """
    named = source.options.encoding
    with open_source(source) as binary:
        head = binary.read(_HEAD)
        if head[_TAR_MARK_AT:].startswith(_TAR_MARK):
            raise ChatbotError(f"{source.name}: a tar archive; unpack it and give the directory")
        if named != AUTO:
            return _check(source, named, _count_named(source, named))
        for mark, encoding in _MARKS.items():
            if head.startswith(mark):
                return encoding
        for encoding in ("utf-16-le", "utf-16-be"):
            if _is_utf_16(head, encoding):
                return encoding
        if _is_utf_8(head, binary):
            return "utf-8"
    if usual != AUTO:
        return usual
    count = _count_lines(source, "utf-8")
    # A few bad lines in a text of ASCII may be of any encoding: they are left out.
    if count.bad > count.good and _is_chinese(_count_lines(source, "gb18030")):
        return "gb18030"
    return _check(source, "utf-8", count)


def name_encoding(encoding: str) -> str:
    """Writes an encoding's name as people do."""
    name = codecs.lookup(encoding).name
    return name.upper() if name.startswith(("utf", "gb")) else name


def _check(source: Source, encoding: str, count: Count) -> str:
    if count.is_wrong:
        more = f" and {count.bad - 1:,} more are" if count.bad > 1 else " is"
        raise ChatbotError(
            f"{source.name}:{count.first_bad}: this line{more} not {name_encoding(encoding)}; "
            "choose the file's encoding with --encoding, such as gb18030, big5, shift_jis or cp1252"
        )
    return encoding


def _count_named(source: Source, encoding: str) -> Count:
    try:
        return _count_lines(source, encoding)
    except UnicodeError as error:  # UTF-16 without a mark, or no encoding of texts
        raise ChatbotError(
            f"{source.name}: cannot be read as {name_encoding(encoding)} ({error}); choose another "
            "--encoding, such as utf-16-le"
        ) from error


def _is_utf_8(head: bytes, rest: IO[bytes]) -> bool:
    """Tells whether bytes are UTF-8 from end to end, or so far that there is no doubt any more."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    beyond_ascii = 0
    try:
        while head and beyond_ascii < _SURE:
            beyond_ascii += len(head) - len(decoder.decode(head))
            head = rest.read(_HEAD)
        decoder.decode(b"", final=not head)
    except UnicodeDecodeError:
        return False
    return True


def _is_utf_16(head: bytes, encoding: str) -> bool:
    """Tells whether bytes without a mark can be nothing but UTF-16.

    Bytes of ASCII read so are Chinese signs with hardly an ASCII character among them, least of all
    at the ends of lines.
    """
    if b"\0" not in head:
        return False
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head[: len(head) & ~1])
    except UnicodeDecodeError:
        return False
    if _NOT_TEXT.search(text):
        return False
    plain, lines = len(_ASCII.findall(text)), text.count("\n")
    has_lines = lines > 1 and 2 * lines >= head.count(b"\n")
    return 2 * plain >= len(text) or (has_lines and 50 * plain >= len(text))


def _is_chinese(count: Count) -> bool:
    common = sum(character in _COMMON_CHINESE for character in count.sample)
    # UTF-8 is unmistakable where it fits; GB18030 gives a meaning to most bytes of other encodings.
    return count.good >= 9 * count.bad and 20 * common >= len(count.sample) > 0


def _count_lines(source: Source, encoding: str) -> Count:
    """Counts how lines decode, until there is no doubt any more."""
    lines = good = bad = first_bad = 0
    sample = ""
    with open_source(source) as binary, _decode(binary, encoding, None) as text:
        for block in _read_blocks(text):
            if not block.isascii():
                for number, line in enumerate(block.split("\n"), start=lines + 1):
                    if UNDECODED.search(line):
                        bad += 1
                        first_bad = first_bad or number
                    elif not line.isascii():
                        good += 1
                        if len(sample) < _SURE:
                            sample += "".join(c for c in line if not c.isascii())
            lines += block.count("\n") + (block[-1] != "\n")
            if good > _SURE and good > 20 * bad:
                break
    return Count(lines, good, bad, first_bad, sample)


def _read_blocks(text: io.TextIOWrapper) -> Iterator[str]:
    while block := text.read(_BLOCK):
        # A block ends where a line does, as far as lines are of a usual length.
        yield block + text.readline(_BLOCK)
