"""Paths as people write them, and the project's own."""

from __future__ import annotations

import os
import re
from pathlib import Path

from chatbot.errors import ChatbotError

_PACKAGE = Path(__file__).resolve().parents[1]
IS_CHECKOUT = not (_PACKAGE / "data").is_dir()
PROJECT = _PACKAGE.parent if IS_CHECKOUT else _PACKAGE
"""Where `data/` lies: in a checkout at its top, else in the installed package."""
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:"
_ENDINGS = re.compile(r"\.\w+(\.(gz|bz2|xz|zip))?$")
_COMMON = ("corpus", "data", "movie_lines", "train", "training", "utterances")
"""File names that say nothing about the content."""


def local_path(path: str | os.PathLike[str]) -> str:
    """Expands `~` and `~user` in a path that a person gave; an empty one stays empty.

    Raises:
        ChatbotError: It is an address (`scheme://...`), names the home directory of an unknown
            user, or contains a NUL character.
    """
    text = os.fsdecode(path)
    if re.match(_SCHEME + ("//" if isinstance(path, str) else "/"), text):  # pathlib keeps one
        raise ChatbotError(
            f"{text} is an address, not a path on this machine; copy it here or mount it, and give "
            "that path"
        )
    written_out = os.path.expanduser(text)
    if written_out.startswith("~"):
        raise ChatbotError(
            f"{text}: there is no such home directory; for a name that begins with ~ write ./{text}"
        )
    if "\0" in text:
        raise ChatbotError(f"{text!r} is not a path: it holds a NUL character; leave that out")
    return written_out


def find_in_project(name: str) -> str:
    """Finds a file or directory of the project from any working directory.

    Args:
        name: A path such as `data/smalltalk` or `model/smalltalk`.

    Returns:
        In a checkout the path in it, relative if it is the working directory. For an installed
        package the path in it if it is there, else the name: models belong in the working
        directory.
    """
    if IS_CHECKOUT:
        return name if os.path.samefile(PROJECT, ".") else str(PROJECT / name)
    return str(PROJECT / name) if (PROJECT / name).exists() else name


def default_model_dir(corpus: str) -> str:
    """Names the model directory after the corpus.

    Returns:
        `model/NAME`, in a checkout at its top, else in the working directory. NAME is the corpus'
        without its ending, "mine" for mine.tsv and mine.tsv.gz, or that of its directory where
        many files have that name, as train.zip.

    Raises:
        ChatbotError: The corpus has no name, or the working directory has been removed.
    """
    try:
        path = Path(os.path.abspath(local_path(corpus)))
    except FileNotFoundError:
        raise ChatbotError(
            "the working directory has been removed; change to one that exists"
        ) from None
    own = path.name if path.is_dir() else _ENDINGS.sub("", path.name)
    telling = [name for name in (own, path.parent.name) if name.lower() not in (*_COMMON, "")]
    if not corpus or not (telling or own):
        raise ChatbotError("there is nothing to learn from; name a corpus with --corpus=FILE")
    return find_in_project(f"model/{(telling or [own])[0]}")
