"""Words cut into pieces and joined back, and the same words cut in other ways."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import example, given
from hypothesis import strategies as st

from chatbot.corpus import read_pairs
from chatbot.errors import ChatbotError
from chatbot.text import SPECIAL_TOKENS, Vocabulary, tokenize
from chatbot.text.subwords import MODEL_FILE, Subwords, learn_pieces
from tests.text.test_text import WRITING

ROOT = Path(__file__).parents[2]
KINDS = ("bpe", "unigram")
SIZE = 2500


@lru_cache
def count_words() -> Counter[str]:
    pairs = read_pairs(str(ROOT / "data" / "smalltalk"), "auto")
    return Counter(word for pair in pairs for word in tokenize(f"{pair.query} {pair.reply}"))


@lru_cache
def learn(kind: str) -> Subwords:
    return Subwords(learn_pieces(count_words(), kind, SIZE), kind)


def save(kind: str, place: Path) -> Vocabulary:
    vocabulary = Vocabulary(learn(kind).tokens, learn(kind))
    vocabulary.save(place / "vocab.txt")
    return vocabulary


@pytest.mark.parametrize("kind", KINDS)
@given(text=WRITING)
@example("▁ ▁▁ ▁hello ##ing <0xE4> <unk>")
@example("\u0301x  two  blanks\t我們 龘\u0301")
def test_words_come_back_whatever_they_are(kind: str, text: str) -> None:
    words, subwords = tokenize(text), learn(kind)
    tokens = subwords.split(words)
    assert subwords.join(tokens) == words
    assert sum(map(subwords.begins, tokens)) == len(words)
    assert {*tokens} <= {*subwords.tokens[len(SPECIAL_TOKENS) :]}
    for word in words:
        for amount in (0.1, 1.0):
            drawn = subwords.draw(subwords.split([word]), amount, random.Random(text))
            assert subwords.join(drawn) == [word]


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_any_tokens_are_joined_as_they_would_be_read(kind: str, data: st.DataObject) -> None:
    subwords = learn(kind)
    tokens = data.draw(st.lists(st.sampled_from(subwords.tokens), max_size=9))
    vocabulary = Vocabulary(subwords.tokens, subwords)
    words = subwords.join(tokens)
    specials = [token for token in tokens if token in SPECIAL_TOKENS]
    assert [word for word in words if word in SPECIAL_TOKENS] == specials
    if not specials:
        assert tokenize(vocabulary.write(tokens)) == words


@pytest.mark.parametrize("kind", KINDS)
def test_a_common_word_is_its_token_and_special_tokens_keep_their_ids(kind: str) -> None:
    subwords = learn(kind)
    assert subwords.tokens[: len(SPECIAL_TOKENS)] == SPECIAL_TOKENS
    assert len({*subwords.tokens}) == len(subwords.tokens) <= SIZE
    assert subwords.split(["you", "你", "好", "?"]) == ["you", "你", "好", "?"]
    first, *others = subwords.split(["hellos"])
    assert subwords.begins(first)
    assert others
    assert all(token.startswith("##") for token in others)


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_are_the_same_in_every_process(kind: str) -> None:
    code = (
        "import hashlib, json, sys; from chatbot.text.subwords import learn_pieces; "
        f"model = learn_pieces(json.load(sys.stdin), {kind!r}, {SIZE}); "
        "print(hashlib.sha256(model).hexdigest())"
    )
    counts = json.dumps(dict(reversed(count_words().items())))
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=counts,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == hashlib.sha256(learn(kind).model).hexdigest()


def test_no_dropout_merges_as_sentencepiece_does() -> None:
    subwords = learn("bpe")
    for word in count_words():
        tokens = subwords.split([word])
        assert subwords.draw(tokens, 0.0, random.Random(1)) == tokens


def test_dropped_merges_are_as_frequent_as_the_paper_says() -> None:
    subwords = Subwords(learn_pieces({"ab": 9, "cab": 7, "d": 2}, "bpe", 400), "bpe")
    assert {"ab", "a", "##ab"} < {*subwords.tokens}
    generator, p, draws = random.Random(5), 0.3, 4000
    found = Counter(tuple(subwords.draw(["ab"], p, generator)) for _ in range(draws))
    # Of "▁ a b" the pair "a b" comes first; where it is dropped, "▁ a" may come, then "▁a b".
    q = 1 - p
    expected = {
        ("ab",): q * q + p * q * q,
        ("▁", "##ab"): q * p,
        ("a", "##b"): p * q * p,
        ("▁", "##a", "##b"): p * p,
    }
    assert {*found} == {*expected}
    for tokens, share in expected.items():
        assert found[tokens] / draws == pytest.approx(share, abs=0.03)


def test_segmentations_are_drawn_by_their_probabilities_to_a_power() -> None:
    subwords = learn("unigram")
    processor = sentencepiece.SentencePieceProcessor(model_proto=subwords.model)
    options = processor.nbest_encode("▁hello", nbest_size=64, out_type=str)
    scores = {
        tuple(pieces): sum(processor.get_score(processor.piece_to_id(p)) for p in pieces)
        for pieces in options
    }
    exponent, generator, draws = 0.3, random.Random(3), 4000
    weights = {pieces: 2.718281828 ** (exponent * score) for pieces, score in scores.items()}
    likeliest = options[0]
    found = sum(subwords.draw(["hello"], exponent, generator) == ["hello"] for _ in range(draws))
    assert likeliest == ["▁hello"]
    share = weights[("▁hello",)] / sum(weights.values())
    assert found / draws == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_a_vocabulary_of_pieces_is_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    saved = save(kind, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [MODEL_FILE, "vocab.txt"]
    known = {"words": len(saved), "sha256": saved.digest}
    loaded = Vocabulary.load(tmp_path / "vocab.txt", kind, known)
    assert (loaded.words, loaded.digest) == (saved.words, saved.digest)
    words = tokenize("unbelievably, 😀")
    assert loaded.segmenter.split(words) == saved.segmenter.split(words)
    assert loaded.write(loaded.decode(loaded.encode(loaded.segmenter.split(words)))) == (
        "unbelievably, 😀"
    )


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (None, r"subwords\.model: the vocabulary cannot be read \(No such file"),
        (b"", r"is not the vocabulary that the model was trained with \(\d+ words\)"),
        (b"nonsense", r"is not the vocabulary that"),
    ],
)
def test_a_damaged_model_of_pieces_is_refused_before_it_is_read(
    damage: bytes | None, said: str, tmp_path: Path
) -> None:
    saved = save("bpe", tmp_path)
    path = tmp_path / MODEL_FILE
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    known = {"words": len(saved), "sha256": saved.digest}
    with pytest.raises(ChatbotError, match=said) as caught:
        Vocabulary.load(tmp_path / "vocab.txt", "bpe", known)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_pieces_of_another_vocabulary_are_refused(content: bytes | None, tmp_path: Path) -> None:
    save("bpe", tmp_path)
    (tmp_path / MODEL_FILE).write_bytes(learn("unigram").model if content is None else content)
    with pytest.raises(ChatbotError, match=r"vocab\.txt, with the subwords\.model .* is damaged"):
        Vocabulary.load(tmp_path / "vocab.txt", "bpe")


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_without_room_names_the_least(kind: str) -> None:
    with pytest.raises(ChatbotError, match=r"--vocab_size=270 has no room .* at least (\d+)") as no:
        learn_pieces(count_words(), kind, 270)
    least = int(str(no.value).split("at least ")[1].split(",")[0])
    assert len(Subwords(learn_pieces(count_words(), kind, least), kind).tokens) <= least


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("counts", [{}, {"你": 3, "好": 1}, {"▁": 2, "x": 1}])
def test_few_words_are_enough(kind: str, counts: dict[str, int]) -> None:
    subwords = Subwords(learn_pieces(counts, kind, 400), kind)
    words = ["hello", "你", "好", "▁", "x"]
    assert subwords.join(subwords.split(words)) == words


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(ChatbotError, match="pip install sentencepiece"):
        learn_pieces({"hello": 1}, "bpe", 400)
