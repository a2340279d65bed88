"""The graphs on disk: whole files with an index that says what each must be.

    MODEL_DIR/onnx/PRECISION/encoder.onnx    reads the query
    MODEL_DIR/onnx/PRECISION/step.onnx       takes a step of the reply
    MODEL_DIR/onnx/PRECISION/best.onnx       finds the likeliest words
    MODEL_DIR/onnx/PRECISION/graphs.json     the network they are of, sizes and hashes

The index is replaced last. Graphs that are not what it says are never run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from chatbot.errors import ChatbotError
from chatbot.system.files import read_json, write_json, write_whole

FORMAT = 1
"""Changes with what the graphs take and give."""
NAMES = ("encoder.onnx", "step.onnx", "best.onnx")


def find_graphs(model_dir: Path, precision: str) -> Path:
    """Returns the directory of a model's graphs in a precision."""
    return model_dir / "onnx" / precision


def read_graphs(place: Path, source: str | None = None) -> dict[str, bytes] | None:
    """Reads graphs.

    Args:
        place: Their directory.
        source: What they must have been made from; None takes any.

    Returns:
        {name: bytes}, or None where there are none or they are of another network.

    Raises:
        ChatbotError: They are damaged or cannot be read.
    """
    index = place / "graphs.json"
    if not index.exists():
        return None
    described = read_json(index)
    if described.get("format") != FORMAT or source not in (None, described.get("source")):
        return None
    graphs = {}
    for name in NAMES:
        path = place / name
        try:
            graphs[name] = path.read_bytes()
        except FileNotFoundError:
            raise ChatbotError(f"{path} is missing") from None
        except OSError as error:
            raise ChatbotError(f"{path} cannot be read ({error.strerror})") from None
        if described.get("files", {}).get(name) != _describe(graphs[name]):
            raise ChatbotError(f"{path} is damaged")
    return graphs


def save_graphs(place: Path, graphs: Mapping[str, bytes], source: str) -> None:
    """Writes graphs, each file whole and the index last.

    Args:
        place: Their directory, which need not exist.
        graphs: {name: bytes} for all of `NAMES`.
        source: Names the network they are of.

    Raises:
        OSError: They cannot be written.
    """
    place.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        with write_whole(place / name) as file:
            file.write(graphs[name])
    files = {name: _describe(graphs[name]) for name in NAMES}
    write_json(place / "graphs.json", {"format": FORMAT, "source": source, "files": files})


def _describe(graph: bytes) -> list[int | str]:
    return [len(graph), hashlib.sha256(graph).hexdigest()]
