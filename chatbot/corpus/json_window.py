"""A window on a long JSON text, which finds its values one after the other."""

from __future__ import annotations

import contextlib
import io
import re

from chatbot.corpus.json_lines import DECODER

MAX_VALUE = 1 << 20
"""Characters of the longest value that is found."""

_BLOCK = 1 << 16  # characters
_BETWEEN = re.compile(r"[\s,:\ufeff]+")
_LIST_OF_TEXTS = re.compile(r'\[\s*"')
_STRING_END = re.compile(r'\\.|["\n]', re.DOTALL)
_SCALAR_END = re.compile(r'["\[\]{},\n]')
# A string ends in its line; where it does not, the value does, so a missing quote spoils no more.
_MARKS = re.compile(r'\\.|["\[\]{}\n]', re.DOTALL)


class JsonWindow:
    """The part of a text from the next value on, as far as it is needed.

    Attributes:
        line: The line in which the next value begins, from 1; known after `next_mark`.
    """

    def __init__(self, text: io.TextIOWrapper) -> None:
        """Begins at the start of a text, in which every line ends in a line feed."""
        self.line = 1
        self._text = text
        self._buffer = ""
        self._place = 0

    def next_mark(self) -> str:
        """Goes on to the next value or bracket and returns its first character, "" at the end."""
        while True:
            between = _BETWEEN.match(self._buffer, self._place)
            if between:
                self._go_to(between.end())
            if self._place < len(self._buffer) or not self._read_on():
                return self._buffer[self._place : self._place + 1]

    def has_texts(self) -> bool:
        """Tells whether the list that comes next has texts in it, not lists or objects."""
        while len(self._buffer) - self._place < _BLOCK and self._read_on():
            pass
        return _LIST_OF_TEXTS.match(self._buffer, self._place) is not None

    def find_value(self) -> str:
        """Returns the list or object that comes next, and stays before it.

        Its text need not be well formed; it is empty if longer than `MAX_VALUE` or without an end.
        """
        with contextlib.suppress(ValueError, RecursionError):  # the quick way
            _, end = DECODER.raw_decode(self._buffer, self._place)
            return self._buffer[self._place : end] if end - self._place <= MAX_VALUE else ""
        depth, quoted, known = 0, False, 0
        while known <= MAX_VALUE:
            for mark in _MARKS.finditer(self._buffer, self._place + known):
                depth, quoted = _follow(mark[0], depth, quoted)
                known = mark.end() - self._place
                if not depth:
                    return self._buffer[self._place : mark.end()] if known <= MAX_VALUE else ""
            if len(self._buffer) - self._place > MAX_VALUE or not self._read_on():
                break
        return ""

    def step(self, characters: int = 1) -> None:
        """Passes over what comes next."""
        self._go_to(self._place + characters)

    def skip_value(self) -> None:
        """Passes over a list or an object, however long it is."""
        depth, quoted = 0, False
        while True:
            for mark in _MARKS.finditer(self._buffer, self._place):
                depth, quoted = _follow(mark[0], depth, quoted)
                if not depth:
                    self._go_to(mark.end())
                    return
            if not self._go_on():
                return

    def skip_scalar(self) -> None:
        """Passes over a string, a number or whatever else is no bracket."""
        is_string = self._buffer[self._place] == '"'
        self.step()
        while True:
            for mark in (_STRING_END if is_string else _SCALAR_END).finditer(
                self._buffer, self._place
            ):
                if mark[0][0] != "\\":
                    self._go_to(mark.end() if is_string else mark.start())
                    return
            if not self._go_on():
                return

    def _go_on(self) -> bool:
        """Passes over all that was read, except half an escape, and reads on."""
        half = self._buffer.endswith("\\") and len(self._buffer) - self._place > 0
        self._go_to(len(self._buffer) - half)
        return self._read_on()

    def _go_to(self, place: int) -> None:
        self.line += self._buffer.count("\n", self._place, place)
        self._place = place

    def _read_on(self) -> bool:
        """Reads more of the text; returns whether there was any."""
        block = self._text.read(_BLOCK)
        self._buffer = self._buffer[self._place :] + block
        self._place = 0
        return bool(block)


def _follow(mark: str, depth: int, quoted: bool) -> tuple[int, bool]:
    if mark == '"':
        return depth, not quoted
    if mark == "\n":
        return 0 if quoted else depth, False
    if quoted or mark[0] == "\\":
        return depth, quoted
    return depth + (1 if mark in "[{" else -1), quoted
