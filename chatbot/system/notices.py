"""Notices: ours, and those of TensorFlow and tensorflow_addons, which are kept off the screen."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from chatbot.system.terminal import make_visible

HAS_KERAS_3 = sys.version_info >= (3, 12)  # there TensorFlow is 2.21, else 2.15
NOTICES = (
    r"^WARNING: All log messages before absl::InitializeLog\(\) is called|"
    r"^[IWE][0-9]{4} [0-9:.]+ +[0-9]+ [a-z_]+\.cc:[0-9]+\] "
)
"""What TensorFlow 2.21 logs while it is imported, when it does not look at its own variable yet."""


def say(text: str) -> None:
    """Tells a person what takes time or what was mended, in one line on standard error."""
    if sys.stderr is not None:
        sys.stderr.write(f"{make_visible(text)}\n")
        sys.stderr.flush()


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Lets TensorFlow's C++ say only why it ends the process; import TensorFlow inside.

    Nothing less keeps its notices away, for some are logged as errors. Whoever wants to see them
    sets `TF_CPP_MIN_LOG_LEVEL=0` in the environment. TensorFlow also reads there, once, whether
    oneDNN computes its products; unless `TF_ENABLE_ONEDNN_OPTS=0` says otherwise it does, which
    TensorFlow leaves off where the processor has no AVX-512.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    is_asked_for = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "3"
    warnings.filterwarnings(
        "ignore",
        r"\s*TensorFlow Addons \(TFA\) has ended development",
        UserWarning,
        r"tensorflow_addons\.utils\.tfa_eol_msg",
    )
    if not HAS_KERAS_3:
        yield
        return
    # Keras 3, which nobody uses here, and with it matplotlib: a second of every start.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    from absl import logging

    logging.get_absl_logger().addFilter(_is_wanted)
    with contextlib.nullcontext() if is_asked_for else _filter_stderr():
        yield


def _is_wanted(record: Any) -> bool:
    return not str(record.msg).startswith("Sharding callback duration")  # at every checkpoint


@contextlib.contextmanager
def _filter_stderr() -> Iterator[None]:
    """Drops the notices from standard error, C++'s included.

    Another process does it, so that a crash takes nothing with it that was written before.
    """
    try:
        kept = os.dup(2)
        reading, writing = os.pipe()
        sed = subprocess.Popen(
            ["sed", "-u", "-E", f"/{NOTICES}/d"],
            stdin=reading,
            stdout=kept,
            env={**os.environ, "LC_ALL": "C"},  # bytes of any kind
            start_new_session=True,  # Ctrl-C is for this process
        )
    except OSError:  # no standard error, or no sed
        yield
        return
    os.close(reading)
    with sed, os.fdopen(kept, "wb"):
        os.dup2(writing, 2)
        os.close(writing)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
