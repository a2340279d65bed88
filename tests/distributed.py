"""A training as a process of its own, on several logical processors or as one of two workers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def start(
    directory: Path, settings: Mapping[str, Any], tf_config: str = "", **manner: Any
) -> subprocess.Popen[str]:
    """Starts a training; see `main` for its manner."""
    return subprocess.Popen(
        [sys.executable, __file__, str(directory), json.dumps(settings), json.dumps(manner)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CONFIG": tf_config},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def make_configs(workers: int) -> list[str]:
    """TF_CONFIG of each worker, on ports that are free."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(workers)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return [
        json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
        for index in range(workers)
    ]


def watch_writing(directory: Path, written: list[str]) -> None:
    """Notes every name beneath a directory that Python opens for writing, makes or renames."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event in ("os.mkdir", "os.rename", "os.remove", "os.truncate")
        if event == "open" and isinstance(arguments[2], int):
            writes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        named = str(arguments[1 if event == "os.rename" else 0])
        if writes and named.startswith(str(directory)):
            written.append(named)

    sys.addaudithook(hook)


def signal_before(step: int, number: int) -> None:
    """Makes this process send itself a signal before it takes a step."""
    from chatbot.training.trainer import Trainer

    advance = Trainer._advance

    def signal_and_advance(self: Any, *arguments: Any) -> None:
        if self.step == step:
            os.kill(os.getpid(), number)
        advance(self, *arguments)

    pytest.MonkeyPatch().setattr(Trainer, "_advance", signal_and_advance)


def try_bad_step() -> dict[str, Any]:
    """Puts a step whose numbers are not finite before the first, and says what came of it."""
    from chatbot.training.computation import Computation

    seen: dict[str, Any] = {}

    def read(variables: Any) -> list[Any]:
        return [[copy.numpy().tolist() for copy in variable.values] for variable in variables]

    def make_and_spoil(model: Any, *rest: Any) -> Any:
        computation: Any = Computation(model, *rest)
        advance = computation.advance
        bias = model.projection.bias
        others = [variable for variable in model.trainable_variables if variable is not bias]
        others += rest[3].model.trainable_variables  # the averages

        def spoil_once(*arguments: Any) -> Any:
            computation.advance = advance
            values, before = read(others), bias.numpy()
            bias.assign(before * float("nan"))
            seen["numbers"] = [str(number) for number in advance(*arguments)]
            bias.assign(before)
            seen["unchanged"] = read(others) == values
            seen["copies"] = len(values[0])
            return advance(*arguments)

        computation.advance = spoil_once
        return computation

    pytest.MonkeyPatch().setattr("chatbot.training.trainer.Computation", make_and_spoil)
    return seen


def main(directory: Path, settings: dict[str, Any], manner: dict[str, Any]) -> int:
    """Trains.

    Args:
        directory: The model directory.
        settings: {setting: value}.
        manner: `processors`, how many logical ones; `signal_at` and `signal`, the step before
            which the process sends itself one; `bad_step`, whether to try a step without numbers.
    """
    from chatbot.system.notices import hushed

    with hushed():
        import tensorflow as tf

    from chatbot.errors import ChatbotError
    from tests.trainings import train

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    processors = [tf.config.LogicalDeviceConfiguration()] * manner.get("processors", 1)
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], processors
    )
    if "signal_at" in manner:
        signal_before(manner["signal_at"], signal.Signals[manner["signal"]])
    written: list[str] = []
    watch_writing(directory, written)
    said: dict[str, Any] = {"written": written}
    if manner.get("bad_step"):
        said["bad_step"] = try_bad_step()
    try:
        status = train(directory, **settings)
    except ChatbotError as error:
        sys.stderr.write(f"{error}\n")
        status = 2
    sys.stdout.write(json.dumps(said))
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])))
