from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from chatbot.corpus import read_pairs
from chatbot.dataset import pair_hashes
from chatbot.dataset.encode import EncodingConfig, is_held_out, write_encoded
from chatbot.dataset.pair_hashes import find_known, hash_pair
from chatbot.errors import ChatbotError
from chatbot.storage.model_directory import ModelDirectory
from tests.trainings import PAIRS, tiny_settings, train, write_pairs


def as_number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def read_numbers(path: Path) -> list[int]:
    content = path.read_bytes()
    return [int.from_bytes(content[at : at + 8], "little") for at in range(0, len(content), 8)]


def test_a_hash_tells_the_sides_and_the_words_apart() -> None:
    assert int.from_bytes(hash_pair(["你", "b"], ["c"]), "little") == as_number("你 b\tc")
    different = [
        (["a"], ["b", "c"]),
        (["a", "b"], ["c"]),
        (["c"], ["a", "b"]),
        (["a"], ["b c"[:2], "c"]),
        (["ab"], ["c"]),
        ([], ["a", "b", "c"]),
    ]
    assert len({hash_pair(*pair) for pair in different}) == len(different)


def test_known_hashes_are_found_in_every_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hashes"
    numbers = np.array([7, 2**64 - 1, 7, 300, 5, 2**63, 0], dtype=np.uint64)
    path.write_bytes(b"".join(int(number).to_bytes(8, "little") for number in numbers))
    asked = np.array([0, 1, 2**64 - 1, 7, 2**63, 4], dtype=np.uint64)
    monkeypatch.setattr(pair_hashes, "_READ_AT_ONCE", 3)
    found = find_known(asked, path)
    assert found is not None
    assert found.tolist() == [True, False, True, True, True, False]


def test_no_file_is_no_answer_and_half_a_hash_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "hashes"
    asked = np.zeros(2, dtype=np.uint64)
    assert find_known(asked, path) is None
    path.write_bytes(bytes(15))
    with pytest.raises(ChatbotError, match=r"hashes is damaged .* delete it") as caught:
        find_known(asked, path)
    assert "\n" not in str(caught.value)
    path.write_bytes(b"")
    none = find_known(asked, path)
    assert none is not None
    assert not none.any()
    with pytest.raises(ChatbotError, match="cannot be read"):
        find_known(asked, tmp_path)


def test_encoding_hashes_the_pairs_of_each_part_before_they_are_cut(tmp_path: Path) -> None:
    source = tmp_path / "pairs.tsv"
    rows = [(f"One {number}, TWO three four", f"five six {number}") for number in range(60)]
    source.write_text("".join(f"{q}\t{r}\n" for q, r in rows), encoding="utf-8")
    settings = EncodingConfig(max_length=2, validation_share=0.3)
    (tmp_path / "encoded").mkdir()
    write_encoded(source, "tsv", tmp_path / "encoded", settings, progress=False)
    for part, held_out in (("train", False), ("validation", True)):
        expected = [
            as_number(f"one {number} , two three four\tfive six {number}")
            for number, pair in enumerate(read_pairs(source, "tsv"))
            if is_held_out(pair.dialogue, settings) == held_out
        ]
        assert 5 < len(expected) < 55
        assert read_numbers(tmp_path / "encoded" / f"{part}.pairs") == expected


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of two steps beside its corpus; copy it before changing it."""
    place = tmp_path_factory.mktemp("begun")
    write_pairs(place / "pairs.tsv")
    assert train(place / "model", **tiny_settings(place / "pairs.tsv", max_steps=2)) == 0
    return place


def test_a_model_directory_keeps_the_hashes_of_its_training(begun: Path) -> None:
    path = ModelDirectory(begun / "model").pairs_path
    assert path == begun / "model" / "training_pairs.u64"
    assert len(read_numbers(path)) == len(PAIRS)
    assert read_numbers(path)[0] == as_number("hello\thi there")
    assert read_numbers(path)[-1] == as_number("再 见\t下 次 见 。")


@pytest.mark.parametrize("left", [0, 13, 16])
def test_damaged_hashes_are_found_and_going_on_mends_them(
    begun: Path, tmp_path: Path, left: int
) -> None:
    shutil.copytree(begun / "model", tmp_path / "model")
    directory = ModelDirectory(tmp_path / "model")
    directory.check_pairs()
    whole = directory.pairs_path.read_bytes()
    for damaged in (whole[:left], bytes([whole[0] ^ 1]) + whole[1:]):
        directory.pairs_path.write_bytes(damaged)
        with pytest.raises(ChatbotError, match=r"training_pairs\.u64 is damaged"):
            directory.check_pairs()
    assert train(tmp_path / "model", max_steps=3) == 0
    assert directory.pairs_path.read_bytes() == whole
    directory.check_pairs()


def test_missing_hashes_are_no_damage_and_going_on_brings_them_back(
    begun: Path, tmp_path: Path
) -> None:
    shutil.copytree(begun / "model", tmp_path / "model")
    directory = ModelDirectory(tmp_path / "model")
    whole = directory.pairs_path.read_bytes()
    directory.pairs_path.unlink()
    directory.check_pairs()
    assert train(tmp_path / "model", max_steps=3) == 0
    assert directory.pairs_path.read_bytes() == whole


def test_hashes_are_there_before_the_settings(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    written: list[bytes] = []

    def kill(directory: ModelDirectory, *_: object) -> None:
        assert not directory.exists()
        written.append(directory.pairs_path.read_bytes())
        raise KilledError

    monkeypatch.setattr(ModelDirectory, "write_config", kill)
    with pytest.raises(KilledError):
        train(tmp_path / "model", **tiny_settings(begun / "pairs.tsv", max_steps=2))
    assert written == [(begun / "model" / "training_pairs.u64").read_bytes()]
