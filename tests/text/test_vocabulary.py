from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from chatbot.errors import ChatbotError
from chatbot.text import EOS, GO, PAD, SEP, SPECIAL_TOKENS, UNK, Vocabulary


def test_special_tokens_come_first_in_their_order() -> None:
    assert (PAD, GO, EOS, UNK, SEP) == (0, 1, 2, 3, 4)
    assert SPECIAL_TOKENS == ("<pad>", "<go>", "<eos>", "<unk>", "<sep>")


def test_vocabulary_keeps_the_most_frequent_words() -> None:
    counts = {"b": 3, "a": 3, "rare": 1, "most": 9, "<eos>": 50, "c": 2}
    vocabulary = Vocabulary.build(counts, vocab_size=8, min_count=2)
    assert vocabulary.words == (*SPECIAL_TOKENS, "most", "a", "b")
    assert len(Vocabulary.build(counts, 100, 2)) == 9
    assert len(Vocabulary.build(counts, 5, 1)) == 5
    with pytest.raises(ValueError, match="vocab_size is 4"):
        Vocabulary.build(counts, 4, 1)


def test_vocabulary_encodes_and_decodes() -> None:
    vocabulary = Vocabulary([*SPECIAL_TOKENS, "hello", "你"])
    assert vocabulary.encode(["你", "hello", "never"]) == [6, 5, UNK]
    assert vocabulary.decode([6, 5, UNK]) == ["你", "hello", "<unk>"]
    for outside in (-1, 7):
        with pytest.raises(ValueError, match="outside"):
            vocabulary.decode([outside])


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["hello"],
        ["<go>", "<pad>", "<eos>", "<unk>", "<sep>"],
        [*SPECIAL_TOKENS, "twice", "twice"],
        [*SPECIAL_TOKENS, "<eos>"],
        [*SPECIAL_TOKENS, ""],
        [*SPECIAL_TOKENS, "two words"],
        [*SPECIAL_TOKENS, "line\n"],
        [*SPECIAL_TOKENS, "half\ud800"],
    ],
)
def test_what_is_no_vocabulary_is_refused(words: list[str]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the messages differ, the kind is what counts
        Vocabulary(words)


def test_vocabulary_file_is_whole_and_plain(tmp_path: Path) -> None:
    vocabulary = Vocabulary([*SPECIAL_TOKENS, "hello", "你", "\u0301"])
    path = tmp_path / "vocab.txt"
    path.write_text("something else")
    vocabulary.save(path)
    content = path.read_bytes()
    assert content.decode() == "<pad>\n<go>\n<eos>\n<unk>\n<sep>\nhello\n你\n\u0301\n"
    assert vocabulary.digest == hashlib.sha256(content).hexdigest()
    assert Vocabulary.load(path).words == vocabulary.words
    assert [found.name for found in tmp_path.iterdir()] == ["vocab.txt"]


def test_a_vocabulary_that_cannot_be_saved_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").mkdir()
    with pytest.raises(OSError, match="vocab"):
        Vocabulary(SPECIAL_TOKENS).save(tmp_path / "vocab.txt")
    assert [found.name for found in tmp_path.iterdir()] == ["vocab.txt"]


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (b"", 1, "special tokens are missing"),
        (b"<pad>\n<go>\n", 3, "special tokens are missing"),
        (b"<pad>\n<eos>\n<go>\n<unk>\n<sep>\n", 2, "expected <go>"),
        (b"<pad>\n<go>\n<eos>\n<unk>\n<sep>\na\nb\na\n", 8, "line 6 already"),
        (b"<pad>\n<go>\n<eos>\n<unk>\n<sep>\na\n\nb\n", 7, "one word"),
        (b"<pad>\n<go>\n<eos>\n<unk>\n<sep>\na b\n", 6, "one word"),
        (b"<pad>\r\n<go>\r\n<eos>\r\n<unk>\r\n<sep>\r\n", 1, "one word"),
        (b"<pad>\n<go>\n<eos>\n<unk>\n<sep>\nhel", 6, "cut short"),
        (b"<pad>\n<go>\n<eos>\n<unk>\n<sep>\n\xff\n", 6, "not UTF-8"),
    ],
)
def test_a_damaged_vocabulary_file_is_refused(
    tmp_path: Path, content: bytes, line: int, problem: str
) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    with pytest.raises(ChatbotError) as refusal:
        Vocabulary.load(path)
    assert str(refusal.value).startswith(f"{path}:{line}: ")
    assert problem in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_vocabulary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChatbotError, match=r"vocab\.txt: .*cannot be read"):
        Vocabulary.load(tmp_path / "vocab.txt")
