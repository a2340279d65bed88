"""A chatbot as ONNX graphs, with the part of this program that chats with them."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import chatbot
from chatbot.bot import Chatbot
from chatbot.engines.conversion import take_weights
from chatbot.engines.graphs import identify_network
from chatbot.engines.tensorflow import find_model
from chatbot.errors import ChatbotError
from chatbot.lite.files import find_graphs, save_graphs
from chatbot.lite.forms import find_missing_form
from chatbot.lite.writing import write_graphs
from chatbot.settings.config import Config, SearchConfig
from chatbot.storage.model_directory import ModelDirectory
from chatbot.system.files import copy_whole

PACKAGES = {"numpy": "1.26", "onnxruntime": "1.23"}
"""What chatting with the graphs needs, and from which version on it was tried."""
LOADED = """\
import sys, chatbot.bot, chatbot.lite.network
names = [name for name in sys.modules if name.partition(".")[0] == "chatbot"]
print(*(sys.modules[name].__file__ for name in names), sep="\\n")
"""
"""Lists what of this program chats with graphs."""
_USAGE = """\
Chat with it; no TensorFlow is needed, only Python 3.10 to 3.13 with {count} packages:

```sh
pip install {packages}
python .
```

- It is a model directory: from Python, here, `from chatbot import Chatbot` and
  `Chatbot.load(".").reply("hello")`; `predict` and `evaluate` take it as `--model_dir`.
- For other runtimes `onnx/{precision}/` has the encoder, one step of the decoder and the choice of
  the likeliest words; docs/export.md of the project says what they take and give."""


def settle(config: Config, given: Mapping[str, Any]) -> SearchConfig:
    """Returns the search of a model with given changes; every search can be written.

    Raises:
        ChatbotError: The graphs have no form for the network.
    """
    missing = find_missing_form(config.model)
    if missing is not None:
        raise ChatbotError(f"--format=onnx has no {missing}; take --format=saved_model or tflite")
    return config.search.resolve(given)


def write(bot: Chatbot, place: Path, quantize: str = "") -> list[str]:
    """Writes graphs, settings, vocabulary and the program; as in `formats`."""
    precision = quantize or "float32"
    directory = ModelDirectory(place)
    training = dataclasses.replace(bot.config.training, reply_precision=precision)
    config = dataclasses.replace(bot.config, training=training)
    bot.vocabulary.save(place / "vocab.txt")
    directory.write_config(config, bot.vocabulary)
    graphs = write_graphs(take_weights(find_model(bot.searcher)), precision)
    network = identify_network(directory, config, precision)
    save_graphs(find_graphs(place, precision), graphs, network, "")
    _copy_program(place)
    needed = {**PACKAGES, **bot.vocabulary.segmenter.needs}
    packages = " ".join(f'"{name}>={version}"' for name, version in needed.items())
    count = ("no", "one", "two", "three")[len(needed)]
    return _USAGE.format(packages=packages, precision=precision, count=count).split("\n")


def compare(bot: Chatbot, place: Path, queries: Iterable[str]) -> str:
    """Compares the best replies to queries with the chatbot's in float32."""
    other = Chatbot.load(place)
    texts = list(queries)
    pairs = zip(bot.replies(texts), other.replies(texts))
    same = sum(one[0].text == other[0].text for one, other in pairs)
    return f"{same:,} of {len(texts):,} best replies are the chatbot's in float32"


def _copy_program(place: Path) -> None:
    """Copies the modules that chatting with graphs loads, and the program that does it."""
    root = Path(chatbot.__file__).parent
    environment = {**os.environ, "PYTHONPATH": str(root.parent)}
    command = [sys.executable, "-c", LOADED]
    listed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        target = place / "chatbot" / Path(name).relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        copy_whole(Path(name), target)
    copy_whole(root / "export" / "onnx_main.py", place / "__main__.py")
