"""A corpus of any format as dialogues and as pairs."""

from __future__ import annotations

import hashlib
import os
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from chatbot.corpus.detection import (
    READERS,
    SINGLE,
    as_path,
    detect_format,
    find_files,
    find_readable,
)
from chatbot.corpus.report import Dialogue, Pair, ReadReport
from chatbot.corpus.sources import Source, check_file, open_source
from chatbot.errors import ChatbotError
from chatbot.settings.read_options import AS_FOUND, ReadOptions
from chatbot.text import tokenize

_ONCE_HASHED_WHOLE = 64 << 20  # bytes; of a larger file older versions hashed the time of change
_COLUMNS_CURE = (
    "if they are, choose other columns with --columns=QUERY,REPLY (numbers from 1, or names) and "
    "another --model_dir"
)
_SURE_TOKEN = re.compile("[!-~\u4e00-\u9fff]")  # each of these is a token or part of one


def read_dialogues(
    path: str | os.PathLike[str],
    corpus_format: str = "auto",
    report: ReadReport | None = None,
    options: ReadOptions = AS_FOUND,
) -> Iterator[list[str]]:
    """Reads the dialogues of a corpus, one at a time.

    Args:
        path: A file, a directory or a zip.
        corpus_format: One of `FORMATS`.
        report: Counts the dialogues and what is left out.
        options: The files' encoding and columns.

    Returns:
        The turns of each dialogue of two turns or more; a turn may be without any token.

    Raises:
        ChatbotError: The corpus is missing, empty, or of another format. What is inside the files
            is refused only while reading.
    """
    account = ReadReport() if report is None else report
    corpus = as_path(path)
    name = _name_format(corpus, corpus_format, options)
    return (dialogue.turns for dialogue in _read(corpus, name, account, options))


def read_pairs(
    path: str | os.PathLike[str],
    corpus_format: str = "auto",
    report: ReadReport | None = None,
    context_turns: int = 1,
    options: ReadOptions = AS_FOUND,
) -> Iterator[Pair]:
    """Reads the (query, reply) pairs of a corpus: each two consecutive turns of a dialogue.

    Where messages have an assistant, only its turns are replies.

    Args:
        path: A file, a directory or a zip.
        corpus_format: One of `FORMATS`.
        report: Counts the dialogues, the pairs and what is left out.
        context_turns: Most turns of a dialogue that a query is made of: the pair's own and those
            before it that have a token. The number of pairs does not depend on it.
        options: The files' encoding and columns.

    Returns:
        The pairs that have a token on both sides, in the corpus' order.

    Raises:
        ChatbotError: As for `read_dialogues`, and if there is no pair at all.
    """
    account = ReadReport() if report is None else report
    corpus = as_path(path)
    name = _name_format(corpus, corpus_format, options)
    dialogues = _read(corpus, name, account, options)
    return _pair_turns(corpus, name, dialogues, account, context_turns)


def fingerprint(path: str | os.PathLike[str], as_once: bool = False) -> str:
    """Hashes a corpus, so that any change of it shows, and nothing else.

    Args:
        path: A file, a directory or a zip.
        as_once: Whether to hash the names too, and of files above 64 MiB the time of their last
            change instead of their content, as older versions did.

    Returns:
        The SHA-256, in hexadecimal, over each file that a reader might read, in their order: which
        formats have files of its name, how deep it lies, its size and its content.

    Raises:
        ChatbotError: The corpus is missing or cannot be read.
    """
    corpus = _as_corpus(as_path(path))
    total = hashlib.sha256()
    if os.path.isdir(corpus):
        sources = find_readable(corpus)
    else:
        check_file(corpus)
        sources = [Source(corpus)]  # a zip as it is
    for source in sources:
        depth = os.path.relpath(source.path, corpus).count(os.sep)
        formats = [name for name in SINGLE if READERS[name].reads(source.file_name)]
        known = f"{depth} {formats}"
        if as_once:
            known = os.path.relpath(source.path, corpus.parent)
        total.update(f"{known}\0".encode("utf-8", "surrogateescape"))
        total.update(_digest(source, as_once))
    return total.hexdigest()


def _digest(source: Source, as_once: bool) -> bytes:
    digest = hashlib.sha256()
    with open_source(source) as file:
        status = os.fstat(file.fileno())
        digest.update(f"{status.st_size}\0".encode())
        if as_once and status.st_size > _ONCE_HASHED_WHOLE:
            digest.update(f"{status.st_mtime_ns}".encode())
        else:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    return digest.digest()


def _as_corpus(path: Path) -> Path:
    """Returns the directory of the Cornell corpus for either of its files."""
    is_cornell = READERS["cornell"].reads(Source(path).file_name) and os.path.isfile(path)
    return path.parent if is_cornell else path


def _name_format(path: Path, corpus_format: str, options: ReadOptions) -> str:
    name = detect_format(path, options) if corpus_format == "auto" else corpus_format
    if name not in READERS:
        raise ChatbotError(
            f"--corpus_format={corpus_format}: there is no such format; "
            f"the formats are auto, {', '.join(READERS)}"
        )
    if options.columns and not READERS[name].has_columns:
        raise ChatbotError(
            f"{Source(path).name}: the format {name} has no columns to choose; check --columns"
        )
    return name


def _read(path: Path, name: str, report: ReadReport, options: ReadOptions) -> Iterator[Dialogue]:
    reader = READERS[name]
    sources = find_files(_as_corpus(path) if name == "cornell" else path, name, options)
    report.bytes_expected = sum(source.size for source in sources)
    if reader.has_columns:
        report.cure = _COLUMNS_CURE
    return _read_counting(path, name, reader.read(sources, report), report)


def _read_counting(
    path: Path, name: str, dialogues: Iterator[Dialogue], report: ReadReport
) -> Iterator[Dialogue]:
    before = report.dialogues
    for dialogue in dialogues:
        if len(dialogue.turns) > 1:
            report.dialogues += 1
            yield dialogue
        else:
            report.drop("dialogue of a single turn", dialogue.where)
    if report.dialogues == before:
        raise _no_pair(path, name, report, f" as {name}")


def _pair_turns(
    path: Path, name: str, dialogues: Iterator[Dialogue], report: ReadReport, context_turns: int
) -> Iterator[Pair]:
    before = report.pairs
    context: deque[str] = deque(maxlen=context_turns - 1)
    for number, (turns, where, learned, intents) in enumerate(dialogues):
        if learned is not None and not any(learned[1:]):
            report.drop("dialogue in which the assistant answers nothing", where)
        context.clear()
        query = turns[0]
        query_has_token = _has_token(query)
        for place, reply in enumerate(turns[1:], start=1):
            reply_has_token = _has_token(reply)
            if learned is not None and not learned[place]:
                pass
            elif query_has_token and reply_has_token:
                report.add_pair(query, reply)
                intent = intents[place] if intents else ""
                yield Pair(query, reply, number, tuple(context), intent)
            else:
                report.drop("pair with an empty side", where)
            if query_has_token:
                context.append(query)
            query, query_has_token = reply, reply_has_token
    if report.pairs == before:
        raise _no_pair(path, name, report)


def _has_token(text: str) -> bool:
    return _SURE_TOKEN.search(text) is not None or bool(tokenize(text))


def _no_pair(path: Path, name: str, report: ReadReport, as_read: str = "") -> ChatbotError:
    """Makes the refusal of a corpus in which nothing can be used."""
    reason = report.main_reason()
    if reason is None:
        return ChatbotError(f"{Source(path).name}: the corpus is empty{as_read}; give another one")
    cures = [f"another --corpus_format ({', '.join(READERS)})"]
    cures += ["other --columns"] if READERS[name].has_columns else []
    return ChatbotError(
        f"{report.first[reason]}: {reason}; the corpus has no (query, reply) pair{as_read}; "
        f"choose {', '.join(cures)}, another --encoding or another corpus"
    )
