from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chatbot import Chatbot
from chatbot.errors import ChatbotError
from chatbot.network import device
from chatbot.network.device import has_bfloat16, resolve_precision
from chatbot.storage.model_directory import ModelDirectory
from tests.trainings import PAIRS, tiny_settings, train, write_pairs

REFUSAL = "no bfloat16 instructions .* take --precision=auto or --precision=float32"


@pytest.fixture
def processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A processor with the instructions, to be overwritten."""
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16\n")
    monkeypatch.setattr("chatbot.system.processor.PROCESSOR_FILE", path)
    monkeypatch.setattr(device, "has_gpu", lambda: False)
    for name in ("ONEDNN_MAX_CPU_ISA", "TF_ENABLE_ONEDNN_OPTS"):
        monkeypatch.delenv(name, raising=False)
    return path


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 avx512f avx512_bf16", True),
        ("fpu avx2 amx_bf16", True),
        ("fpu avx2 avx512f avx512_vnni", False),
        ("fpu avx2", False),
    ],
)
def test_auto_is_bfloat16_where_the_processor_has_it(
    processor: Path, flags: str, expected: bool
) -> None:
    processor.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    assert has_bfloat16() == expected
    assert resolve_precision("auto") == ("bfloat16" if expected else "float32")
    processor.unlink()
    assert not has_bfloat16()


@pytest.mark.usefixtures("processor")
@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("ONEDNN_MAX_CPU_ISA", "AVX2", False),
        ("ONEDNN_MAX_CPU_ISA", "avx512_core_vnni", False),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16", True),
        ("ONEDNN_MAX_CPU_ISA", "DEFAULT", True),
        ("TF_ENABLE_ONEDNN_OPTS", "0", False),
        ("TF_ENABLE_ONEDNN_OPTS", "1", True),
    ],
)
def test_what_tensorflow_may_not_use_is_not_there(
    variable: str, value: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert has_bfloat16() == expected


def test_bfloat16_without_the_instructions_is_refused_before_anything_is_written(
    processor: Path, tmp_path: Path
) -> None:
    processor.write_text("flags\t\t: fpu avx2\n")
    settings = tiny_settings(write_pairs(tmp_path / "pairs.tsv"), precision="bfloat16")
    with pytest.raises(ChatbotError, match=REFUSAL):
        train(tmp_path / "model", **settings)
    assert not (tmp_path / "model" / "config.json").exists()
    for precision in ("float32", "float16"):
        assert resolve_precision(precision) == precision


@pytest.mark.needs_bfloat16
def test_what_was_begun_in_bfloat16_goes_on_and_replies_without_the_instructions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, corpus = tmp_path / "model", write_pairs(tmp_path / "pairs.tsv")
    assert train(model, **tiny_settings(corpus, precision="bfloat16", max_steps=2)) == 0
    assert "in bfloat16" in capsys.readouterr().err
    monkeypatch.setattr(device, "has_bfloat16", lambda: False)
    assert Chatbot.load(model).reply(PAIRS[0][0])
    with pytest.raises(ChatbotError, match=REFUSAL):
        train(model, max_steps=4)
    assert train(model, max_steps=4, precision="auto") == 0
    said = capsys.readouterr().err
    assert "in float32" in said
    assert "going on from step 2" in said
    assert ModelDirectory(model).load()[0].training.precision == "auto"


def test_one_core_computes_the_products_of_a_small_network_alone(tmp_path: Path) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    code = """
import sys
import tensorflow as tf
from chatbot.network.device import FEW, SMALL, leave_products_whole
from chatbot.training.run import train_directory
threads = tf.config.threading.get_intra_op_parallelism_threads
leave_products_whole(SMALL + 1, FEW)
leave_products_whole(SMALL, FEW + 1)
found = [threads()]
train_directory(sys.argv[1], eval(sys.argv[2]), alone=True)
found.append(threads())
leave_products_whole(SMALL, FEW)  # too late, which is no error
print(*found)
"""
    settings = repr(tiny_settings(corpus, max_steps=1))
    command = [sys.executable, "-c", code, str(tmp_path / "model"), settings]
    alone = {name: value for name, value in os.environ.items() if "INTRAOP" not in name}
    for chosen, expected in ({}, "0 1"), ({"TF_NUM_INTRAOP_THREADS": "2"}, "0 0"):
        given = {**alone, "CUDA_VISIBLE_DEVICES": "", **chosen}
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == expected
        shutil.rmtree(tmp_path / "model")
