from __future__ import annotations

import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chatbot import corpus
from chatbot.corpus import Pair
from chatbot.dataset import EncodedCorpus
from chatbot.dataset import encode as encoding
from chatbot.dataset import files as encoded_files
from chatbot.dataset.encode import EncodingConfig, is_held_out, write_encoded
from chatbot.errors import ChatbotError
from chatbot.text import EOS, SPECIAL_TOKENS, UNK, Vocabulary, tokenize

SHARED = Path(__file__).parents[3] / "shared" / "data"

WORDS = st.sampled_from(["a", "b", "c", "don't", "I", "你好", "我是", "?", "<eos>", "x y z"])
TURNS = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
DIALOGUES = st.lists(st.lists(TURNS, min_size=2, max_size=4), min_size=1, max_size=12)
SETTINGS = st.builds(
    EncodingConfig,
    max_length=st.integers(2, 7),
    vocab_size=st.integers(6, 14),
    min_count=st.integers(1, 3),
    validation_share=st.sampled_from([0.0, 0.4]),
    seed=st.integers(0, 9),
)


def make_pairs(dialogues: Iterable[Sequence[str]]) -> list[Pair]:
    return [
        Pair(turns[place], turns[place + 1], number)
        for number, turns in enumerate(dialogues)
        for place in range(len(turns) - 1)
    ]


def divide(pairs: Iterable[Pair], settings: EncodingConfig) -> dict[str, list[Pair]]:
    parts: dict[str, list[Pair]] = {"train": [], "validation": []}
    for pair in pairs:
        held_out = settings.validation_share > 0 and is_held_out(pair.dialogue, settings)
        parts["validation" if held_out else "train"].append(pair)
    return parts


def choose_words(pairs: Iterable[Pair], settings: EncodingConfig) -> Vocabulary:
    counts: Counter[str] = Counter()
    for pair in pairs:
        counts.update(tokenize(pair.query)[: settings.max_length])
        counts.update(tokenize(pair.reply)[: settings.max_length])
    return Vocabulary.build(counts, settings.vocab_size, settings.min_count)


def encode_plainly(
    pairs: Iterable[Pair], settings: EncodingConfig, vocabulary: Vocabulary
) -> list[tuple[list[int], list[int]]]:
    rows = []
    for pair in pairs:
        query, reply = (
            vocabulary.encode(tokenize(side)[: settings.max_length])
            for side in (pair.query, pair.reply)
        )
        rows.append((query, [*reply, EOS] if len(reply) < settings.max_length else reply))
    return rows


def read_back(part: EncodedCorpus) -> list[tuple[list[int], list[int]]]:
    rows = []
    for number in range(len(part)):
        batch = part.batch(np.array([number]))
        rows.append((batch.query_ids[0].tolist(), batch.reply_ids[0].tolist()))
    return rows


def feed(monkeypatch: pytest.MonkeyPatch, pairs: Iterable[Pair]) -> None:
    def read(*_: object) -> Iterator[Pair]:
        yield from pairs

    monkeypatch.setattr(encoding, "read_pairs", read)


def encode_into(directory: Path, settings: EncodingConfig, **options: Any) -> Vocabulary:
    directory.mkdir(exist_ok=True)
    write_encoded("corpus", "tsv", directory, settings, progress=False, **options)
    return Vocabulary.load(directory / "vocab.txt")


@hypothesis_settings(max_examples=40)
@given(dialogues=DIALOGUES, settings=SETTINGS, chunk=st.integers(1, 40))
def test_encodes_like_plain_python(
    dialogues: list[list[str]], settings: EncodingConfig, chunk: int
) -> None:
    pairs = make_pairs(dialogues)
    parts = divide(pairs, settings)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(encoded_files, "_CHUNK_TOKENS", chunk)
        feed(monkeypatch, pairs)
        if not parts["train"] or (settings.validation_share and not parts["validation"]):
            with pytest.raises(ChatbotError, match="validation_share"):
                encode_into(Path(name), settings)
            return
        vocabulary = encode_into(Path(name), settings)
        assert vocabulary.words == choose_words(parts["train"], settings).words
        for part_name in ("train", "validation") if settings.validation_share else ("train",):
            part = EncodedCorpus(Path(name), part_name, len(vocabulary))
            expected = encode_plainly(parts[part_name], settings, vocabulary)
            assert read_back(part) == expected
            check_summary(part, parts[part_name], expected, settings)


def check_summary(
    part: EncodedCorpus,
    pairs: list[Pair],
    rows: list[tuple[list[int], list[int]]],
    settings: EncodingConfig,
) -> None:
    unknown = sum(query.count(UNK) + reply.count(UNK) for query, reply in rows)
    words = sum(len(query) + len(reply) - reply.count(EOS) for query, reply in rows)
    expected = {
        "pairs": len(pairs),
        "dialogues": len({pair.dialogue for pair in pairs}),
        "query_tokens": sum(len(query) for query, _ in rows),
        "reply_tokens": sum(len(reply) for _, reply in rows),
        "unknown_tokens": unknown,
        "unknown_share": pytest.approx(unknown / words),
        "cut_queries": sum(len(tokenize(pair.query)) > settings.max_length for pair in pairs),
        "cut_replies": sum(len(tokenize(pair.reply)) + 1 > settings.max_length for pair in pairs),
    }
    assert {name: part.summary[name] for name in expected} == expected


def test_a_given_vocabulary_is_used_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given_words = Vocabulary([*SPECIAL_TOKENS, "zebra", "b", "a"])
    pairs = make_pairs([["a b c", "c d a b"], ["b", "zebra <unk> a"]])
    feed(monkeypatch, pairs)
    written = encode_into(tmp_path, EncodingConfig(min_count=3), vocabulary=given_words)
    assert written.words == given_words.words
    part = EncodedCorpus(tmp_path, "train", len(written))
    assert read_back(part) == [([7, 6, UNK], [UNK, UNK, 7, 6, EOS]), ([6], [5, 3, 3, 3, 7, EOS])]
    assert part.summary["unknown_tokens"] == 6


def test_the_type_of_the_ids_follows_the_vocabulary(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for size, bytes_each in ((65_536, 2), (65_537, 4)):
        words = Vocabulary([*SPECIAL_TOKENS, *(f"w{number}" for number in range(size - 5))])
        last = words.words[-1]
        feed(monkeypatch, [Pair(last, last, 0)])
        encode_into(tmp_path / str(size), EncodingConfig(), vocabulary=words)
        assert (tmp_path / str(size) / "train.query.ids").stat().st_size == bytes_each
        part = EncodedCorpus(tmp_path / str(size), "train", size)
        assert read_back(part) == [([size - 1], [size - 1, EOS])]


def test_typed_special_tokens_are_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    feed(monkeypatch, [Pair("<pad> <eos>", "<go> <unk> <sep>", 0)])
    vocabulary = encode_into(tmp_path, EncodingConfig())
    ((query, reply),) = read_back(EncodedCorpus(tmp_path, "train", len(vocabulary)))
    assert min(query + reply[:-1]) >= len(SPECIAL_TOKENS)


def test_the_longest_side_that_fits_is_not_cut(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    feed(monkeypatch, [Pair("a a a a", "a a a", 0), Pair("a a a a a", "a a a a", 1)])
    vocabulary = encode_into(tmp_path, EncodingConfig(max_length=4))
    part = EncodedCorpus(tmp_path, "train", len(vocabulary))
    assert part.query_lengths.tolist() == [4, 4]
    assert part.reply_lengths.tolist() == [4, 4]
    assert (part.summary["cut_queries"], part.summary["cut_replies"]) == (1, 1)
    assert read_back(part) == [
        ([5, 5, 5, 5], [5, 5, 5, EOS]),
        ([5, 5, 5, 5], [5, 5, 5, 5]),  # what is cut does not end there
    ]


def test_the_held_out_share_is_what_was_asked_for() -> None:
    settings = EncodingConfig(validation_share=0.2, seed=3)
    held_out = [is_held_out(dialogue, settings) for dialogue in range(10_000)]
    assert 0.18 < sum(held_out) / len(held_out) < 0.22
    assert held_out == [is_held_out(dialogue, settings) for dialogue in range(10_000)]
    other = EncodingConfig(validation_share=0.2, seed=4)
    assert held_out != [is_held_out(dialogue, other) for dialogue in range(10_000)]


def test_words_of_the_held_out_part_are_not_learned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = EncodingConfig(validation_share=0.3)
    pairs = [Pair(f"q{number} common", f"r{number}", number) for number in range(50)]
    feed(monkeypatch, pairs)
    vocabulary = encode_into(tmp_path, settings)
    for number in range(50):
        assert (f"q{number}" in vocabulary.words) != is_held_out(number, settings)
    part = EncodedCorpus(tmp_path, "validation", len(vocabulary))
    assert part.summary["unknown_tokens"] == 2 * len(part)
    assert part.summary["unknown_share"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("share", "cure"), [(1e-9, "raise it"), (1 - 1e-9, "lower it")], ids=["none", "all"]
)
def test_an_empty_part_is_one_line_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, share: float, cure: str
) -> None:
    feed(monkeypatch, [Pair("a", "b", 0), Pair("a", "b", 1)])
    with pytest.raises(ChatbotError, match=cure) as caught:
        encode_into(tmp_path, EncodingConfig(validation_share=share))
    assert "\n" not in str(caught.value)


def test_no_pair_at_all_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    feed(monkeypatch, [])
    with pytest.raises(ChatbotError, match="corpus: there is no query"):
        encode_into(tmp_path, EncodingConfig())


@pytest.mark.parametrize(
    "values",
    [
        {"max_length": 1},
        {"vocab_size": 5},
        {"min_count": 0},
        {"context_turns": 0},
        {"validation_share": 1.0},
        {"validation_share": -0.1},
    ],
)
def test_settings_out_of_range_are_a_programmers_mistake(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"out of range|is not in"):
        EncodingConfig(**values)


@pytest.mark.parametrize("context", [(), ("l m", "n o p")], ids=["alone", "in context"])
def test_memory_does_not_grow_with_the_corpus(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, context: tuple[str, ...]
) -> None:
    settings = EncodingConfig(context_turns=len(context) + 1)
    monkeypatch.setattr(encoded_files, "_CHUNK_TOKENS", 2_000)

    def measure(pairs: int) -> int:
        read = (Pair("a b c d e f", "g h i j k", number, context) for number in range(pairs))
        feed(monkeypatch, read)
        tracemalloc.start()
        try:
            encode_into(tmp_path / str(pairs), settings)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    measure(1_000)
    assert measure(20_000) < measure(2_000) + 50_000


def test_a_bar_is_shown_on_stderr_unless_told_not_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(monkeypatch, [Pair("a", "b", 0)])
    (tmp_path / "shown").mkdir()
    write_encoded("corpus", "tsv", tmp_path / "shown", EncodingConfig())
    shown = capsys.readouterr()
    assert "encoding" in shown.err
    assert not shown.out
    encode_into(tmp_path / "quiet", EncodingConfig())
    assert capsys.readouterr() == ("", "")


def test_a_real_corpus_encodes_like_plain_python(tmp_path: Path) -> None:
    source = SHARED / "dailydialog" / "validation.zip"
    if not source.exists():
        pytest.skip("DailyDialog is not there")
    settings = EncodingConfig(max_length=20, vocab_size=3_000, min_count=2, validation_share=0.1)
    write_encoded(source, "dailydialog", tmp_path, settings, progress=False)
    parts = divide(corpus.read_pairs(source, "dailydialog"), settings)
    vocabulary = Vocabulary.load(tmp_path / "vocab.txt")
    assert vocabulary.words == choose_words(parts["train"], settings).words
    for name, pairs in parts.items():
        part = EncodedCorpus(tmp_path, name, len(vocabulary))
        assert read_back(part) == encode_plainly(pairs, settings, vocabulary)
    assert "\n" in part.describe()
