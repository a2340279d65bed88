from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.memory import read_anonymous_memory, read_peak_memory
from benchmarks.page_cache import count_kept, drop, list_files
from benchmarks.program import Settings, read_until
from benchmarks.replying import list_ways
from benchmarks.starting import take_turns


def test_memory_that_is_filled_is_counted() -> None:
    before = read_anonymous_memory()
    filled = np.ones(50_000_000, np.uint8)
    assert 45e6 < read_anonymous_memory() - before < 75e6
    del filled


def test_the_most_memory_is_not_what_is_left() -> None:
    filled = np.ones(50_000_000, np.uint8)
    most = read_peak_memory()
    del filled
    assert read_peak_memory() == pytest.approx(most, abs=5e6)
    assert most > read_anonymous_memory() + 45e6


def test_what_the_system_keeps_of_a_file_is_counted(tmp_path: Path) -> None:
    sparse, full, empty = (tmp_path / name for name in ("sparse", "full", "empty"))
    with sparse.open("w+b") as file:
        file.truncate(64 * mmap.PAGESIZE)
        assert count_kept(file.fileno()) == 0
    full.write_bytes(b"x" * (3 * mmap.PAGESIZE + 1))
    empty.touch()
    with full.open("rb") as kept, empty.open("rb") as nothing:
        assert count_kept(kept.fileno()) == 4 * mmap.PAGESIZE
        assert count_kept(nothing.fileno()) == 0
    (tmp_path / "link").symlink_to(full)
    os.sync()
    files = list_files([tmp_path])
    assert sorted(files) == [empty, full, sparse]
    # A file system in memory keeps all; any other forgets all that nobody has mapped.
    assert drop(files) in (0, 4 * mmap.PAGESIZE)


def test_ways_to_reply_name_engine_and_precision() -> None:
    names = {
        (way.engine, way.reply_precision): prefix for prefix, way in list_ways("all", True).items()
    }
    assert names["own", "auto"] == "own_bfloat16_"
    assert names["onnx", "int8"] == "onnx_int8_"
    assert list_ways("own", False) == {"own_float32_": ("own", "float32")}
    assert list(list_ways("onnx", True)) == ["onnx_float32_", "onnx_int8_"]


def test_programs_take_turns() -> None:
    called: list[str] = []

    def measure(settings: Settings) -> dict[str, float]:
        called.append(settings["engine"])
        return {"seconds": float(len(called) ** 2)}

    ways = {"a_": {"engine": "own"}, "b_": {"engine": "onnx"}}
    assert take_turns(measure, ways, 3) == {"a_seconds": 9.0, "b_seconds": 16.0}
    assert called == ["own", "onnx"] * 3


def test_a_program_that_ends_too_early_is_noticed() -> None:
    source, sink = os.pipe()
    os.write(sink, b"one\n> two")
    assert read_until(source, b"> ").startswith(b"one\n> ")
    os.close(sink)
    with pytest.raises(EOFError):
        read_until(source, b"> ")
    os.close(source)
