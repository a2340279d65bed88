"""How a corpus' files are read, besides their format: the encoding and the columns."""

from __future__ import annotations

from dataclasses import dataclass

from chatbot.errors import ChatbotError

AUTO = "auto"


@dataclass(frozen=True)
class ReadOptions:
    """How the files of a corpus are read.

    Attributes:
        encoding: Any name that Python knows, or "auto".
        columns: "QUERY,REPLY", each the number of a column, from 1, or the name of a column or key;
            "" where the reader is to find them.

    Raises:
        ChatbotError: There is no such encoding, or `columns` does not name two.
    """

    encoding: str = AUTO
    columns: str = ""

    def __post_init__(self) -> None:
        if self.encoding != AUTO and not _is_encoding(self.encoding):
            raise ChatbotError(
                f"--encoding={self.encoding!r} is unknown; choose auto or a name such as utf-8, "
                "gb18030, big5, shift_jis or cp1252"
            )
        if self.columns:
            query, _, reply = self.columns.partition(",")
            names = query.strip(), reply.strip()
            if not all(names) or "," in reply or names[0] == names[1] or "0" in names:
                raise ChatbotError(
                    f"--columns={self.columns!r} does not name two columns; give query and reply, "
                    "as numbers (2,3) or as names (question,answer)"
                )

    @property
    def names(self) -> tuple[str, str] | None:
        """The names or numbers of query and reply, or None where none are given."""
        query, comma, reply = self.columns.partition(",")
        return (query.strip(), reply.strip()) if comma else None


AS_FOUND = ReadOptions()
"""Options that leave everything to the readers."""


def _is_encoding(name: str) -> bool:
    try:
        return "a".encode(name).decode(name) == "a"
    except (LookupError, ValueError):  # ValueError: a name with a NUL byte, "undefined"
        return False
