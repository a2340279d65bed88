from __future__ import annotations

import os
import subprocess
import sys
import threading
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.system.notices import copy_filtered, is_noise
from tests.helpers_chat import ROOT

TIME = b"2026-11-20 16:04:46.753918: "
REGISTER = b"factory: Attempting to register factory for plugin "
NOTICES = [
    TIME + b"E external/local_xla/xla/stream_executor/cuda/cuda_dnn.cc:9261] Unable to register "
    b"cuDNN " + REGISTER + b"cuDNN when one has already been registered",
    TIME + b"E external/local_xla/xla/stream_executor/cuda/cuda_fft.cc:607] Unable to register "
    b"cuFFT " + REGISTER + b"cuFFT when one has already been registered",
    TIME + b"E external/local_xla/xla/stream_executor/cuda/cuda_blas.cc:1515] Unable to register "
    b"cuBLAS " + REGISTER + b"cuBLAS when one has already been registered",
    TIME + b"I tensorflow/core/platform/cpu_feature_guard.cc:182] This TensorFlow binary is "
    b"optimized to use available CPU instructions in performance-critical operations.",
    b"To enable the following instructions: AVX2 AVX512F AVX512_VNNI FMA, in other operations, "
    b"rebuild TensorFlow with the appropriate compiler flags.",
    TIME + b"W tensorflow/compiler/tf2tensorrt/utils/py_utils.cc:38] TF-TRT Warning: Could not "
    b"find TensorRT",
    TIME + b"I tensorflow/core/util/port.cc:113] oneDNN custom operations are on. You may see",
    TIME + b"I external/local_tsl/tsl/cuda/cudart_stub.cc:31] Could not find cuda drivers on your "
    b"machine, GPU will not be used.",
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    b"W0000 00:00:1795191393.833967   16307 op_level_cost_estimator.cc:699] Error in "
    b'PredictCost() for the op: op: "Softmax" attr { key: "T" }',
]
OTHERS = [
    b"",
    b"Traceback (most recent call last):",
    TIME + b"F tensorflow/core/framework/tensor.cc:733] Check failed: 1 == dtype() (3 vs. 1)",
    TIME + b"W tensorflow/core/framework/op_kernel.cc:1839] OP_REQUIRES failed: out of memory",
    TIME + b"E external/local_xla/xla/stream_executor/cuda/cuda_dnn.cc:407] Could not load library",
    b"my own words about TF-TRT Warning: Could not find TensorRT",
    NOTICES[5] + b" and more",
    b"x" + NOTICES[0],
]


def filter_through_pipes(pieces: list[bytes]) -> bytes:
    (source, sink), (back, target) = os.pipe(), os.pipe()
    copier = threading.Thread(target=copy_filtered, args=(source, target))
    copier.start()
    for piece in pieces:
        os.write(sink, piece)
    os.close(sink)
    copier.join()
    os.close(target)
    with os.fdopen(back, "rb") as file:
        found = file.read()
    os.close(source)
    return found


@pytest.mark.parametrize("line", NOTICES)
def test_the_known_notices_are_noise(line: bytes) -> None:
    assert is_noise(line)


@pytest.mark.parametrize("line", OTHERS)
def test_nothing_else_is(line: bytes) -> None:
    assert not is_noise(line)


@given(st.lists(st.sampled_from([*NOTICES, *OTHERS]) | st.binary(max_size=9)), st.integers(1, 99))
def test_what_is_not_noise_arrives_whole_and_in_order(lines: list[bytes], size: int) -> None:
    content = b"\n".join(lines)
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    kept = [line + b"\n" for line in content.split(b"\n")[:-1] if not is_noise(line)]
    last = content.split(b"\n")[-1]
    with mock.patch("chatbot.system.notices._PATIENCE", 60):  # however slow the machine
        found = filter_through_pipes(pieces)
    assert found == b"".join(kept) + (b"" if is_noise(last) else last)


def test_the_beginning_of_a_line_is_not_kept_for_ever() -> None:
    (source, sink), (back, target) = os.pipe(), os.pipe()
    copier = threading.Thread(target=copy_filtered, args=(source, target))
    copier.start()
    os.write(sink, b"50 %\r")
    assert os.read(back, 100) == b"50 %\r"
    os.close(sink)
    copier.join()
    for descriptor in (source, back, target):
        os.close(descriptor)


def run_hushed(code: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            f"import os, sys\nfrom chatbot.system.notices import hush\nhush()\n{code}",
        ],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("end", "status"), [("", 0), ("sys.exit(3)", 3), ("os._exit(4)", 4), ("os.abort()", -6)]
)
def test_last_words_arrive(end: str, status: int) -> None:
    noise = NOTICES[0] + b"\n"
    done = run_hushed(f"os.write(2, {noise!r} + b'last words')\n{end}")
    assert (done.returncode, done.stderr, done.stdout) == (status, b"last words", b"")


def test_a_traceback_arrives() -> None:
    done = run_hushed("hush()\nprint('said', file=sys.stderr)\nraise KeyError('why')")
    assert done.returncode == 1
    assert done.stderr.startswith(b"said\nTraceback")
    assert done.stderr.endswith(b"KeyError: 'why'\n")


def test_after_silence_only_python_speaks_and_what_was_said_before_arrives() -> None:
    code = (
        "import atexit",
        "from chatbot.system.notices import silence",
        "atexit.register(os.write, 2, b'at the end')",
        "os.write(2, b'before, ')",
        "silence()",
        "os.write(2, b'after, ')",
        "print('last', file=sys.stderr)",
    )
    assert run_hushed("\n".join(code)).stderr == b"before, last\n"


def test_standard_error_is_still_the_terminal() -> None:
    master, terminal = os.openpty()
    code = "from chatbot.system.notices import hush\nhush()\nimport sys\nprint(sys.stderr.isatty())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=terminal, check=True
    )
    assert done.stdout == b"True\n"
    os.close(terminal)
    os.close(master)


def test_without_standard_error_nothing_changes() -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            '"$1" -c "$2" 2>&-',
            "bash",
            sys.executable,
            "from chatbot.system.notices import hush\nhush()\nprint('fine')",
        ],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"fine\n"
