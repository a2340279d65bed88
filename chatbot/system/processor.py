"""What the machine computes on, as far as the system says it without TensorFlow."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

PROCESSOR_FILE = Path("/proc/cpuinfo")
GPU_FILES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""What a driver of NVIDIA's makes, the second one under Windows."""


def processor_lines() -> Iterator[str]:
    """Yields what the system says of its processors, nothing where it says nothing."""
    with contextlib.suppress(OSError):
        yield from PROCESSOR_FILE.read_text(errors="replace").splitlines()


def describe_processor() -> str:
    """Names the processor."""
    for line in processor_lines():
        if line.startswith("model name"):
            return f"processor ({line.partition(':')[2].strip()})"
    return "processor (unknown model)"


def may_have_gpu() -> bool:
    """Tells whether there is an NVIDIA GPU that `CUDA_VISIBLE_DEVICES` does not hide."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
        return False
    return any(path.exists() for path in GPU_FILES)
