"""A server of the page and its two calls, as small as can be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from threading import Thread
from typing import Any

from chatbot.bot import Chatbot
from chatbot.errors import ChatbotError
from chatbot.serving.compare import compare, describe_model

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TYPES = {"js": "text/javascript", "css": "text/css", "html": "text/html", "svg": "image/svg+xml"}


@contextmanager
def serve(bots: Mapping[str, Chatbot], key: str = "") -> Iterator[str]:
    """Serves the page until the block ends; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            name = self.path.removeprefix("/page/").strip("/") or "index.html"
            if self.path == "/api/model":
                models = [{**describe_model(bot), "id": id} for id, bot in bots.items()]
                self._answer_json(200, {"models": models})
            else:
                content = (resources.files("chatbot.serving") / "page" / name).read_bytes()
                self._answer(200, content, TYPES[name.rpartition(".")[2]])

        def do_POST(self) -> None:  # noqa: N802
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            bot = bots[asked.pop("model")]
            try:
                self._answer_json(200, compare(bot, **asked))
            except ChatbotError as error:
                self._answer_json(400, {"error": {"message": str(error)}})

        def _answer_json(self, status: int, content: Any) -> None:
            if key and self.headers["authorization"] != f"Bearer {key}":
                status, content = 401, {"error": {"message": "a key is wanted"}}
            self._answer(status, json.dumps(content).encode(), "application/json")

        def _answer(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.send_header("content-security-policy", POLICY)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
