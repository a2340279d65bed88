"""Serves trained chatbots over HTTP: chatbot serve --model_dir=DIRECTORY."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence

from absl import flags

from chatbot.errors import ChatbotError
from chatbot.programs.flags import FLAGS, define_path, define_paths, show
from chatbot.system.command import command
from chatbot.system.paths import find_in_project

BUNDLED = "model/smalltalk"
NEEDED = ("starlette", "uvicorn", "prometheus_client")
PURPOSE = (
    "Serves chatbots to browsers and programs. It prints its address once it is ready: there is a "
    "page that shows what the searches do, and under /v1 the interface of OpenAI's chat "
    "completions, in which a model's id is the name of its directory. SIGTERM and Ctrl-C end it "
    "after it has answered what it has accepted."
)


def define_flags() -> None:
    """Defines the program's flags."""
    bundled = [find_in_project(BUNDLED)]
    define_paths(
        "model_dir", bundled, "Model directory, made by train; several, each with its own flag."
    )
    flags.DEFINE_string("host", "127.0.0.1", "Address to listen on; another one needs a key.")
    flags.DEFINE_integer("port", 8000, "Port to listen on; 0 takes a free one.", 0, 65_535)
    what = "What to serve, and where"
    show(what, "model_dir", "host", "port")
    define_path(
        "api_key_file",
        "",
        "File with a key a line. Whoever calls needs one of them, as Authorization: Bearer KEY; "
        "only the page's files, /openapi.json and /health need none.",
    )
    flags.DEFINE_multi_string(
        "allow_host",
        [],
        "Another name under which people reach the server, as behind a proxy, such as "
        "chat.example.org or chat.example.org:8080. May be given several times.",
    )
    flags.DEFINE_multi_string(
        "allow_origin",
        [],
        "Origin of pages elsewhere that may call, such as https://example.org. May be given "
        "several times.",
    )
    show("Who may call", "api_key_file", "allow_host", "allow_origin")
    flags.DEFINE_integer("max_waiting", 256, "Most requests that wait for one search.", 1, 100_000)
    flags.DEFINE_integer("max_connections", 512, "Most connections at once.", 1, 100_000)
    flags.DEFINE_float("read_timeout", 10.0, "Seconds for a request's headers, and body.", 0.1, 600)
    flags.DEFINE_float("reply_timeout", 10.0, "Seconds until a request is given up.", 0.01, 600)
    show("Limits", "max_waiting", "max_connections", "read_timeout", "reply_timeout")


def main(_: Sequence[str]) -> int:
    """Serves until it is stopped.

    Returns:
        The exit status.
    """
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        raise ChatbotError(
            f"serving needs {', '.join(NEEDED)}; pip install -r requirements-serve.txt"
        )
    if not FLAGS["model_dir"].present and not os.path.isdir(FLAGS.model_dir[0]):
        raise ChatbotError(
            f"{FLAGS.model_dir[0]} does not exist yet; train it in a minute or two with "
            f"{command('train')}, or name another with --model_dir"
        )
    # Takes a moment.
    from chatbot.serving.options import Options, read_keys
    from chatbot.serving.server import serve

    options = Options(
        host=FLAGS.host,
        port=FLAGS.port,
        keys=read_keys(FLAGS.api_key_file) if FLAGS.api_key_file else (),
        allow_origins=tuple(name.lower() for name in FLAGS.allow_origin),
        allow_hosts=tuple(name.lower() for name in FLAGS.allow_host),
        max_waiting=FLAGS.max_waiting,
        max_connections=FLAGS.max_connections,
        read_timeout=FLAGS.read_timeout,
        reply_timeout=FLAGS.reply_timeout,
    )
    return serve(FLAGS.model_dir, options)
