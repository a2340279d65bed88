"""Keeps the notices that TensorFlow and tensorflow_addons give at every start off the screen."""

from __future__ import annotations

import os
import warnings


def hush() -> None:
    """Lets TensorFlow's C++ say only why it ends the process; call it before the import.

    Nothing less keeps its notices away, for some are logged as errors. Whoever wants to see them
    sets `TF_CPP_MIN_LOG_LEVEL=0` in the environment.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings(
        "ignore",
        r"\s*TensorFlow Addons \(TFA\) has ended development",
        UserWarning,
        r"tensorflow_addons\.utils\.tfa_eol_msg",
    )
