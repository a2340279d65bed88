"""Which engines a benchmark measures: one, or both in turns."""

from __future__ import annotations

from absl import flags

from chatbot.engines.choice import choose_engine
from chatbot.network.engine import Engine
from chatbot.programs.flags import FLAGS, show
from chatbot.settings.choices import ENGINES


def define_engine() -> None:
    """Defines the flag `--engine`."""
    flags.DEFINE_enum(
        "engine",
        "auto",
        [*ENGINES, "both"],
        "Who runs the network's loops, as in train.py; both measures our own and the library's in "
        "turns.",
    )
    show("What to measure", "engine")


def list_engines() -> dict[str, Engine]:
    """Makes the engines to measure, each under what the names of its figures begin with."""
    if FLAGS.engine == "both":
        return {f"{name}_": choose_engine(name) for name in ("own", "addons")}
    return {"": choose_engine(FLAGS.engine)}
