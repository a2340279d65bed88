"""The format of a corpus, told by its names and, where they do not tell, its first lines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from chatbot.corpus import (
    chatterbot,
    conv,
    convokit,
    cornell,
    csv_file,
    dailydialog,
    json_file,
    jsonl,
    tsv,
)
from chatbot.corpus.entries import holds_more
from chatbot.corpus.json_lines import parse
from chatbot.corpus.lines import read_lines
from chatbot.corpus.reader import Reader
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source, find_sources, is_zip
from chatbot.errors import ChatbotError
from chatbot.settings.read_options import AS_FOUND, ReadOptions
from chatbot.system.paths import local_path

READERS: dict[str, Reader] = {
    "tsv": tsv.READER,
    "csv": csv_file.READER,
    "jsonl": jsonl.READER,
    "json": json_file.READER,
    "dailydialog": dailydialog.READER,
    "cornell": cornell.READER,
    "convokit": convokit.READER,
    "chatterbot": chatterbot.READER,
    "conv": conv.READER,
}

# A corpus with one of the first three may hold other files too; the next five may be mixed.
_BY_NAME = ("convokit", "cornell", "dailydialog")
_BY_SUFFIX = ("tsv", "csv", "jsonl", "chatterbot", "conv")
_LAST = "json"  # so are files that say something about a corpus of another format
_LOOKED_AT = 100  # lines
_MIXED = "mixed"
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
SINGLE = tuple(READERS)
"""The names of the formats that a file has, in an order on which fingerprints depend."""


def _read_mixed(sources: Sequence[Source], report: ReadReport) -> Iterator[Dialogue]:
    for source in sources:
        fitting = [name for name in _BY_SUFFIX if READERS[name].reads(source.file_name)]
        yield from READERS[fitting[0] if fitting else _BY_SUFFIX[0]].read([source], report)


READERS[_MIXED] = Reader(
    "file with a known ending",
    lambda file_name: any(READERS[name].reads(file_name) for name in _BY_SUFFIX),
    _read_mixed,
    has_columns=True,
)
FORMATS = ("auto", *READERS)
"""The names that `--corpus_format` takes."""


def as_path(path: str | os.PathLike[str]) -> Path:
    """Returns a corpus' path.

    Raises:
        ChatbotError: It is empty, which would mean the working directory, or no path on this
            machine.
    """
    if not os.fspath(path):
        raise ChatbotError("no corpus is given; name a file, a directory or a zip with --corpus")
    return Path(local_path(path))


def detect_format(path: str | os.PathLike[str], options: ReadOptions = AS_FOUND) -> str:
    """Returns the format of a corpus, one of `FORMATS` except "auto".

    Raises:
        ChatbotError: Nothing is there, or nothing fits.
    """
    corpus = as_path(path)
    files = find_readable(corpus, options)
    single = os.path.isfile(corpus) and not is_zip(corpus)
    for name in _BY_NAME:
        if any(READERS[name].reads(source.file_name) for source in files):
            return name
    names = [source.file_name for source in files]
    fitting = [name for name in (*_BY_SUFFIX, _LAST) if any(map(READERS[name].reads, names))]
    # Files that end in .jsonl or .json are of several formats.
    if single and fitting in ([], ["jsonl"], [_LAST]):
        fitting = _detect_by_lines(files[0]) or fitting
    if fitting:
        return fitting[0] if len(fitting) == 1 else _MIXED
    raise ChatbotError(
        f"{Source(corpus).name}: no corpus of a known format is here; the formats are "
        f"{', '.join(READERS)}; choose one with --corpus_format{_name_archives(corpus)}"
    )


def find_files(path: Path, name: str, options: ReadOptions = AS_FOUND) -> list[Source]:
    """Finds the files of a corpus that a format reads, at least one.

    Raises:
        ChatbotError: There is no file of the format.
    """
    sources = find_sources(path, READERS[name].reads, options)
    if not sources:
        raise ChatbotError(
            f"{Source(path).name}: no {READERS[name].needs} is here, as the format {name} needs; "
            f"check --corpus and --corpus_format{_name_archives(path)}"
        )
    return sources


def find_readable(path: Path, options: ReadOptions = AS_FOUND) -> list[Source]:
    """Finds the files that any format reads, the last format's only where there are no others."""
    readers = [reader for name, reader in READERS.items() if name != _LAST]
    found = find_sources(path, lambda name: any(reader.reads(name) for reader in readers), options)
    return found or find_sources(path, READERS[_LAST].reads, options)


def _name_archives(path: Path) -> str:
    """Returns the cure where there are only archives, none of which is read unless it is named."""
    found = find_sources(path, lambda file_name: file_name.lower().endswith(_ARCHIVES))
    names = ", ".join(source.name for source in found[:3])
    if os.path.isdir(path):
        return f", or give one of its archives ({names})" if found else ""
    if not is_zip(path):
        is_archive = path.name.lower().endswith(_ARCHIVES)
        return "; unpack the archive and give the directory" if is_archive else ""
    return f"; unpack it and give an archive in it ({names})" if found else ""


def _detect_by_lines(source: Source) -> list[str]:
    lines = [line for _, line in islice(read_lines(source, ReadReport()), _LOOKED_AT)]
    if not lines:
        return []
    first = parse(lines[0])
    if isinstance(first, dict) and not holds_more(first):
        return ["convokit" if "text" in first and "id" in first else "jsonl"]
    if isinstance(first, list) and all(isinstance(turn, str) for turn in first):
        return ["jsonl"]
    if lines[0].lstrip().startswith(("[", "{")):
        return ["json"]
    if any(dailydialog.TURN_END in line for line in lines):
        return ["dailydialog"]
    if all(line.split(" ", 1)[0] in ("E", "M") for line in lines):
        return ["conv"]
    if any(line.startswith("conversations:") for line in lines):
        return ["chatterbot"]
    return ["tsv"] if 2 * sum("\t" in line for line in lines) > len(lines) else []
