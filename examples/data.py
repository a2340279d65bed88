"""Tagged sentences, texts with their sentiment, and pictures of digits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from chatbot.errors import ChatbotError
from chatbot.text import SPECIAL_TOKENS, Vocabulary

HELD_OUT = 5
"""Every fifth example is held out."""
SENTIMENTS = ("neg", "pos")
T = TypeVar("T")


class Tagged(NamedTuple):
    """A sentence with the universal part of speech of each word."""

    words: list[str]
    tags: list[str]


class Text(NamedTuple):
    """A text's words, and its sentiment: 0 negative, 1 positive."""

    words: list[str]
    label: int


class Digits(NamedTuple):
    """Pictures of digits, `float32 [N, 8, 8]` from 0 to 1, and which they are, `int32 [N]`."""

    images: NDArray[np.float32]
    labels: NDArray[np.int32]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int32]


def split(examples: Sequence[T]) -> tuple[list[T], list[T]]:
    """Splits examples into those to learn from and every fifth, which is held out."""
    kept = [x for number, x in enumerate(examples, start=1) if number % HELD_OUT]
    return kept, list(examples[HELD_OUT - 1 :: HELD_OUT])


def build_vocabulary(rows: Iterable[Sequence[str]], least: int) -> Vocabulary:
    """Numbers the tokens that occur at least so many times."""
    counts = Counter(token for row in rows for token in row)
    return Vocabulary.build(counts, len(counts) + len(SPECIAL_TOKENS), least)


def read_tagged(path: str) -> list[Tagged]:
    """Reads a CoNLL-U file: the columns FORM and UPOS of every sentence.

    Raises:
        ChatbotError: The file cannot be read, is not CoNLL-U, or has fewer than five sentences.
    """
    sentences: list[Tagged] = []
    for number, line in enumerate(_read_lines(Path(path)), start=1):
        cells = line.split("\t")
        if not line.strip() or line.startswith("#"):
            continue
        if len(cells) != 10:
            raise ChatbotError(f"{path}:{number}: {len(cells)} columns; a line of CoNLL-U has 10")
        if not cells[0].isdecimal():  # a contraction, or a word that is only understood
            continue
        if cells[0] == "1" or not sentences:
            sentences.append(Tagged([], []))
        sentences[-1].words.append(cells[1])
        sentences[-1].tags.append(cells[3])
    return _check(sentences, path)


def list_columns(sentences: Sequence[Tagged]) -> list[list[list[str]]]:
    """Returns all sentences' words in small letters, their last three letters, and their tags."""
    words = [[word.lower() for word in x.words] for x in sentences]
    endings = [[word[-3:] for word in x.words] for x in sentences]
    return [words, endings, [x.tags for x in sentences]]


def read_texts(directory: str) -> tuple[list[Text], list[Text]]:
    """Reads `neg.txt` and `pos.txt`, a text a line, and splits each as `split` does.

    Raises:
        ChatbotError: One of the files cannot be read, or has fewer than five texts.
    """
    learned: list[Text] = []
    asked: list[Text] = []
    for label, name in enumerate(SENTIMENTS):
        path = Path(directory) / f"{name}.txt"
        lines = [line.lower().split() for line in _read_lines(path)]
        texts = _check([Text(words, label) for words in lines if words], str(path))
        for whole, part in zip((learned, asked), split(texts)):
            whole += part
    return learned, asked


def read_digits() -> Digits:
    """Reads scikit-learn's 1,797 digits and holds every fifth out.

    Raises:
        ChatbotError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ChatbotError(
            "scikit-learn, which has the digits, is not installed; "
            "run: pip install -r requirements-examples.txt"
        ) from None
    digits = load_digits()
    images, labels = (digits.images / 16).astype(np.float32), digits.target.astype(np.int32)
    is_out = np.arange(1, len(labels) + 1) % HELD_OUT == 0
    return Digits(images[~is_out], labels[~is_out], images[is_out], labels[is_out])


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").split("\n")
    except OSError as error:
        raise ChatbotError(
            f"{path} cannot be read ({error.strerror}); examples/README.md says what --data names"
        ) from None


def _check(examples: list[T], name: str) -> list[T]:
    if len(examples) < HELD_OUT:
        raise ChatbotError(f"{name} has {len(examples)} examples; at least {HELD_OUT} are needed")
    return examples
