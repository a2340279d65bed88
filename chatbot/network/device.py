"""What the network runs on: GPU or processor, and the type of its matrix products."""

from __future__ import annotations

import contextlib
import os

import tensorflow as tf

from chatbot.errors import ChatbotError
from chatbot.system.forking import refuse_fork
from chatbot.system.processor import describe_processor, processor_lines

BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")
WITHOUT_BFLOAT16 = {"sse41", "avx", "avx2", "avx2_vnni", "avx2_vnni_2"}
WITHOUT_BFLOAT16 |= {"avx512_core", "avx512_core_vnni"}
"""Values of ONEDNN_MAX_CPU_ISA that keep oneDNN from bfloat16 instructions."""
SMALL, FEW = 128, 4096
"""Most units and words of a network whose products one core computes alone."""


def prepare_device() -> str:
    """Lets every GPU's memory grow as needed, and names the GPUs or the processor.

    Call it before anything is computed.

    Raises:
        RuntimeError: As `refuse_fork`.
    """
    refuse_fork()
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with contextlib.suppress(RuntimeError):  # in use already, so its memory is settled
            tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:
        return describe_processor()
    names = [tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus]
    return ", ".join(f"GPU ({name or gpu.name})" for name, gpu in zip(names, gpus))


def leave_products_whole(rnn_size: int, words: int) -> None:
    """Lets this process compute each product of a small network on one core, others beside it.

    The cores wait for each other longer than they gain by sharing products as small as those of
    `SMALL` units and `FEW` words; docs/speed.md has the measurement. Without effect on a GPU, where
    somebody has chosen the number of threads, and once something has been computed, as several
    workers have.

    Args:
        rnn_size: The network's units.
        words: Those that it projects onto.
    """
    threading, chosen = tf.config.threading, os.environ.get("TF_NUM_INTRAOP_THREADS")
    chosen = chosen or threading.get_intra_op_parallelism_threads()
    if chosen or rnn_size > SMALL or words > FEW or has_gpu():
        return
    with contextlib.suppress(RuntimeError):
        threading.set_intra_op_parallelism_threads(1)


def has_gpu() -> bool:
    """Tells whether the network runs on a GPU: there is one, and it is not hidden."""
    return bool(tf.config.get_visible_devices("GPU"))


def resolve_precision(precision: str) -> str:
    """Turns "auto" into a type's name, and returns any other as it is.

    "auto" is "bfloat16" on a processor with such instructions and "float32" elsewhere, including a
    GPU, where bfloat16 has not been measured.

    Raises:
        ChatbotError: "bfloat16" on a processor without the instructions, where TensorFlow would
            also add up the products in bfloat16: several times as far from float32, and slower.
    """
    if precision == "bfloat16" and not has_gpu() and not has_bfloat16():
        raise ChatbotError(
            "TensorFlow has no bfloat16 instructions to use on this processor; take "
            "--precision=auto or --precision=float32"
        )
    if precision != "auto":
        return precision
    return "bfloat16" if has_bfloat16() and not has_gpu() else "float32"


def has_bfloat16() -> bool:
    """Tells whether TensorFlow multiplies with bfloat16 instructions of the processor.

    Only oneDNN does so, and environment variables can switch it off or limit it.
    """
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS", "").lower() in ("0", "false"):
        return False
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").lower() in WITHOUT_BFLOAT16:
        return False
    for line in processor_lines():
        if line.startswith("flags"):
            return any(flag in line.split() for flag in BFLOAT16_FLAGS)
    return False
