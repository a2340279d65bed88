"""Which columns of a table, or keys of an object, are the query and the reply."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source, make_printable
from chatbot.errors import ChatbotError

INTENT = "intent"
"""The column, or key, that says what the query means."""

_QUERIES = frozenset(
    "query question questions ask input source prompt instruction message request post utterance "
    "context q user human src 问 问题 提问 问句 输入 用户 上句 query_text question_text".split()
)
_REPLIES = frozenset(
    "reply answer output target response completion responses answers a bot assistant tgt "
    "答 回答 答案 回复 答复 答句 输出 机器人 下句 reply_text answer_text".split()
)


def find_names(names: Iterable[object]) -> tuple[list[str], list[str]]:
    """Finds the names that a query and a reply may have among cells or keys.

    Returns:
        Those of a query and those of a reply; "query" and "reply" exclude others.
    """
    known = {name: name.strip().casefold() for name in names if isinstance(name, str)}
    queries = [name for name, plain in known.items() if plain in _QUERIES]
    replies = [name for name, plain in known.items() if plain in _REPLIES]
    queries = ["query"] if "query" in known else queries
    return queries, ["reply"] if "reply" in known else replies


def choose_columns(
    source: Source, rows: Iterator[tuple[int, list[str]]], missing: str, report: ReadReport
) -> Iterator[Dialogue]:
    """Takes query and reply from each row, as a dialogue of two turns.

    The source's options may choose the columns. Otherwise a first row that names them does, and
    else the first two are taken.

    Args:
        source: The text.
        rows: Its rows with the numbers of their lines.
        missing: The reason for leaving out a row of less than two cells.
        report: Counts the rows with too few cells.

    Yields:
        The dialogues, without a row of names.

    Raises:
        ChatbotError: A column is chosen by a name that the first row does not have.
    """
    query, reply, last, intent = 0, 1, 1, -1
    name = source.name
    for place, (number, cells) in enumerate(rows):
        if place == 0:
            (query, reply), is_header = _find_places(source, cells, f"{name}:{number}")
            last = max(query, reply)
            if is_header:
                intent = cells.index(INTENT) if INTENT in cells else -1
                continue
        if last < len(cells):
            meant = cells[intent] if 0 <= intent < len(cells) else ""
            yield Dialogue([cells[query], cells[reply]], f"{name}:{number}", None, ("", meant))
        else:
            reason = missing if last == 1 else f"row of less than {last + 1} columns"
            report.drop(reason, f"{name}:{number}")


def _find_places(source: Source, cells: Sequence[str], where: str) -> tuple[tuple[int, int], bool]:
    """Returns the places of query and reply, and whether the first row is their names."""
    header = [cell.strip() for cell in cells]
    queries, replies = find_names(header)
    asked = source.options.names
    is_header = bool(queries and replies)
    if asked is not None:
        query, reply = (_find_place(header, name, where) for name in asked)
        if query == reply:
            raise ChatbotError(
                f"{where}: {' and '.join(asked)} are the same column; check --columns"
            )
        return (query, reply), is_header or not all(map(_is_number, asked))
    if is_header and len(queries) + len(replies) > 2:
        raise ChatbotError(
            f"{where}: query and reply may be any of {_list(queries + replies)}; choose two with "
            "--columns"
        )
    if not is_header:
        return (0, 1), False
    return (header.index(queries[0]), header.index(replies[0])), True


def _find_place(header: Sequence[str], name: str, where: str) -> int:
    if name in header:
        return header.index(name)
    if _is_number(name):
        return int(name) - 1
    raise ChatbotError(
        f"{where}: no column is named {name!r}, they are {_list(header)}; check --columns"
    )


def _list(names: Sequence[str]) -> str:
    return make_printable(", ".join(name[:20] for name in names[:10]))


def _is_number(name: str) -> bool:
    return re.fullmatch("[1-9][0-9]{0,5}", name) is not None
