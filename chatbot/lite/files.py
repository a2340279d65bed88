"""The graphs on disk: whole files with an index that says what each must be.

    MODEL_DIR/onnx/PRECISION/encoder.onnx    reads the query
    MODEL_DIR/onnx/PRECISION/step.onnx       takes a step of the reply
    MODEL_DIR/onnx/PRECISION/best.onnx       finds the likeliest words
    MODEL_DIR/onnx/PRECISION/graphs.json     the network they are of, sizes and hashes

The index is replaced last. Graphs that are not what it says are never run.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chatbot.errors import ChatbotError
from chatbot.system.files import remove_remains, write_json, write_whole

FORMAT = 1
"""Changes with what the graphs take and give."""
NAMES = ("encoder.onnx", "step.onnx", "best.onnx")
LARGEST = 1 << 31
"""Bytes that protobuf takes in a file, at most."""


class DamagedGraphsError(ChatbotError):
    """Graphs are not what their index says; the message names the file and no cure."""


def find_graphs(model_dir: Path, precision: str) -> Path:
    """Returns the directory of a model's graphs in a precision."""
    return model_dir / "onnx" / precision


def read_graphs(place: Path, network: str, source: str | None = None) -> dict[str, bytes] | None:
    """Reads graphs.

    Args:
        place: Their directory.
        network: Names the sizes and words of the network that they must be of.
        source: Names the weights that they must have; None takes any.

    Returns:
        {name: bytes}, or None where there are none or they are of another network.

    Raises:
        DamagedGraphsError: They are damaged or cannot be read.
    """
    index = place / "graphs.json"
    try:
        described = _parse(index, _read(index))
    except (FileNotFoundError, NotADirectoryError):
        return None
    if [described.get("format"), described.get("network")] != [FORMAT, network]:
        return None
    if source not in (None, described.get("source")):
        return None
    graphs = {}
    for name in NAMES:
        try:
            graphs[name] = _read(place / name)
        except FileNotFoundError:
            raise DamagedGraphsError(f"{place / name} is missing") from None
        if described["files"].get(name) != _describe(graphs[name]):
            raise DamagedGraphsError(f"{place / name} is not what graphs.json says")
    return graphs


def _read(path: Path) -> bytes:
    """Reads a file.

    Raises:
        FileNotFoundError: There is none; NotADirectoryError: nor a directory for it.
        DamagedGraphsError: It cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            raise DamagedGraphsError(f"{path} is no file of at most 2 GB")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise DamagedGraphsError(f"{path} cannot be read ({error.strerror})") from None


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError, RecursionError):
        described = json.loads(content)
        if isinstance(described, dict) and isinstance(described.get("files"), dict):
            return described
    raise DamagedGraphsError(f"{path} is damaged")


def save_graphs(place: Path, graphs: Mapping[str, bytes], network: str, source: str) -> None:
    """Writes graphs, each file whole and the index last, unless another process is at it.

    Args:
        place: Their directory, which need not exist.
        graphs: {name: bytes} for all of `NAMES`.
        network: Names the sizes and words of the network.
        source: Names its weights.

    Raises:
        OSError: They cannot be written.
    """
    place.mkdir(parents=True, exist_ok=True)
    with _alone(place) as is_alone:
        if not is_alone:
            return
        remove_remains(place)
        for name in NAMES:
            if not (place / name).is_file():
                (place / name).unlink(missing_ok=True)  # a pipe would wait for a reader for ever
            with write_whole(place / name) as file:
                file.write(graphs[name])
        files = {name: _describe(graphs[name]) for name in NAMES}
        described = {"format": FORMAT, "network": network, "source": source, "files": files}
        write_json(place / "graphs.json", described)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[bool]:
    """Keeps other writers out of a directory, and tells whether there was none."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    is_alone = True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        is_alone = False
    except OSError:  # not every file system has locks
        pass
    try:
        yield is_alone
    finally:
        os.close(handle)


def _describe(graph: bytes) -> list[int | str]:
    return [len(graph), hashlib.sha256(graph).hexdigest()]
