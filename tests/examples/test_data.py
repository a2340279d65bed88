from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from chatbot.errors import ChatbotError
from examples.baselines import score_bag_of_words, score_frequent_tags
from examples.data import (
    Tagged,
    Text,
    build_vocabulary,
    list_columns,
    read_digits,
    read_tagged,
    read_texts,
    split,
)

BUNDLED = Path(__file__).parents[2] / "data" / "examples"
UNIVERSAL = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X"


def write_conllu(path: Path, *sentences: str) -> str:
    blocks = []
    for sentence in sentences:
        pairs = [pair.split("/") for pair in sentence.split()]
        rows = (f"{i}\t{w}\t_\t{t}" + "\t_" * 6 for i, (w, t) in enumerate(pairs, start=1))
        blocks.append("\n".join(["# a comment", *rows]))
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return str(path)


def test_every_fifth_is_held_out() -> None:
    assert split([*range(1, 13)]) == ([1, 2, 3, 4, 6, 7, 8, 9, 11, 12], [5, 10])


def test_conllu_gives_words_and_tags(tmp_path: Path) -> None:
    path = Path(write_conllu(tmp_path / "x.conllu", *["I/PRON saw/VERB"] * 4, "A/DET saw/NOUN"))
    joined = "1-2\tdont" + "\t_" * 8 + "\n8.1\tleft" + "\t_" * 8 + "\n"
    path.write_text(path.read_text(encoding="utf-8") + joined, encoding="utf-8")
    sentences = read_tagged(str(path))
    assert len(sentences) == 5
    assert sentences[-1] == Tagged(["A", "saw"], ["DET", "NOUN"])
    assert list_columns(sentences[-1:]) == [[["a", "saw"]], [["A", "saw"]], [["DET", "NOUN"]]]


def test_mistakes_in_files_name_the_line_or_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.conllu"
    path.write_text("# text\n1\tonly\ttwo\n", encoding="utf-8")
    with pytest.raises(ChatbotError, match=r"x\.conllu:2: 3 columns"):
        read_tagged(str(path))
    with pytest.raises(ChatbotError, match="at least 5"):
        read_tagged(write_conllu(path, "I/PRON"))
    with pytest.raises(ChatbotError, match="cannot be read"):
        read_tagged(str(tmp_path))
    (tmp_path / "neg.txt").write_text("bad\n" * 5, encoding="utf-8")
    (tmp_path / "pos.txt").write_text("good\n\n", encoding="utf-8")
    with pytest.raises(ChatbotError, match=r"pos\.txt has 1 examples"):
        read_texts(str(tmp_path))


def test_missing_scikit_learn_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ChatbotError, match=r"pip install -r requirements-examples\.txt"):
        read_digits()


def test_digits_are_scaled_and_split() -> None:
    digits = read_digits()
    assert (len(digits.labels), len(digits.test_labels)) == (1438, 359)
    assert digits.images.shape[1:] == (8, 8)
    assert digits.images.min() == 0.0
    assert digits.images.max() == 1.0
    assert set(digits.test_labels) == set(range(10))


def test_bundled_sentences_have_universal_tags_and_words_of_several() -> None:
    sentences = read_tagged(str(BUNDLED / "tags.conllu"))
    assert len(sentences) > 250
    assert {tag for x in sentences for tag in x.tags} <= set(UNIVERSAL.split())
    tags: dict[str, set[str]] = {}
    for word, tag in (pair for x in sentences for pair in zip(*x)):
        tags.setdefault(word.lower(), set()).add(tag)
    assert sum(len(found) > 1 for found in tags.values()) > 80
    assert len({" ".join(x.words) for x in sentences}) == len(sentences)


def test_bundled_texts_are_balanced_and_differ() -> None:
    learned, asked = read_texts(str(BUNDLED / "sentiment"))
    for texts in (learned, asked):
        counts = Counter(x.label for x in texts)
        assert counts[0] == counts[1] > 30
    assert len({tuple(x.words) for x in [*learned, *asked]}) == len(learned) + len(asked) > 300


def test_most_frequent_tags_by_hand() -> None:
    learned = [Tagged(["I", "saw", "saw"], ["PRON", "VERB", "VERB"]), Tagged(["Saw"], ["NOUN"])]
    # "i" is known, "saw" is a VERB twice of three times, and unknown words are VERB too.
    asked = [Tagged(["i", "saw", "saw", "cats"], ["PRON", "VERB", "NOUN", "NOUN"])]
    assert score_frequent_tags(learned, asked) == 0.5


def test_naive_bayes_by_hand() -> None:
    learned = [Text(["good", "good", "film"], 1), Text(["bad", "film"], 0)]
    known = build_vocabulary((x.words for x in learned), 1)
    asked = [Text(["good"], 1), Text(["bad", "bad"], 0), Text(["good", "film"], 0)]
    assert score_bag_of_words(learned, asked, known) == pytest.approx(2 / 3)
    np.testing.assert_array_equal(known.encode(["bad", "new"]), [known.words.index("bad"), 3])
