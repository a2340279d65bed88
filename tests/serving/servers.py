"""Servers to test: real processes, and servers over bots of paper in threads of this one."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chatbot.serving.models import Served
from chatbot.serving.options import Options
from chatbot.serving.server import Server, listen
from tests.helpers_chat import ROOT, PaperBot

CHAT = "/v1/chat/completions"
SECONDS = 60.0
"""After which a test gives up; none waits that long."""


class Answer(NamedTuple):
    """An HTTP answer; header names in small letters."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str:
        """The code of an error."""
        error = self.json["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert isinstance(error["code"], str)
        return str(error["code"])


class Running:
    """A server's address, and requests to it."""

    def __init__(self, address: str, process: subprocess.Popen[str] | None = None) -> None:
        self.address = address
        self.process = process
        self.host, _, port = address.removeprefix("http://").rstrip("/").rpartition(":")
        self.port = int(port)

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Makes a request; a body that is not bytes goes as JSON."""
        given = {} if body is None else {"content-type": "application/json"}
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, content, {**given, **(headers or {})})
            found = connection.getresponse()
            named = {name.lower(): value for name, value in found.getheaders()}
            return Answer(found.status, named, found.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, None, headers)

    def chat(self, text: str = "hello", **fields: Any) -> Answer:
        return self.ask("POST", CHAT, make_chat(text, **fields))

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), SECONDS)

    def exchange(self, request: bytes) -> bytes:
        """Sends bytes, and returns all that comes until the server closes the connection."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)

    def begin_chat(self, text: str = "hello", **fields: Any) -> socket.socket:
        """Sends a chat, after which the server shall close the connection, and does not wait."""
        connection = self.connect()
        connection.sendall(self.write_chat(text, "Connection: close\r\n", **fields))
        return connection

    def write_chat(self, text: str = "hello", more: str = "", **fields: Any) -> bytes:
        """A chat as bytes, with more headers."""
        content = json.dumps(make_chat(text, **fields)).encode()
        head = (
            f"POST {CHAT} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n{more}\r\n"
        )
        return head.encode() + content

    def wait_for(self, line: str) -> None:
        """Returns once the metrics have a line."""
        limit = time.monotonic() + SECONDS
        while f"\n{line}\n" not in self.get("/metrics").content.decode():
            assert time.monotonic() < limit


def make_chat(text: str = "hello", **fields: Any) -> dict[str, Any]:
    message = {"role": "user", "content": text}
    return {"model": "small", "messages": [message], **fields}


def read_all(connection: socket.socket) -> bytes:
    """Reads until the other side has closed."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def start_process(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "serve.py", "--port=0", *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def start_server(*model_dirs: Path, flags: Sequence[str] = ()) -> Iterator[Running]:
    """Starts serve.py, and ends it by SIGTERM: it must end well and have said nothing."""
    directories = [f"--model_dir={path}" for path in model_dirs]
    with start_process(*directories, *flags) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, process.communicate()
            yield Running(address, process)
            process.terminate()
            _, said = process.communicate(timeout=SECONDS)
            assert (process.returncode, said) == (0, "")
        finally:
            process.kill()


class SlowBot(PaperBot):
    """Replies once the gate is open."""

    def __init__(self, is_open: bool = False) -> None:
        super().__init__()
        self.gate = threading.Event()
        if is_open:
            self.gate.set()
        self.started = threading.Semaphore(0)

    def warm_up(self) -> None:
        pass

    def replies(self, queries: Any, *arguments: Any, **settings: Any) -> Any:
        self.started.release()
        assert self.gate.wait(SECONDS)
        return super().replies([query[-1] for query in queries], *arguments, **settings)

    def read(self, query: Any) -> Any:
        return super().read(query[-1])


class PaperServer(Running):
    """A server in a thread of this process, over a bot of paper."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(server.address)
        self.server = server
        self.loop = loop

    def list_callers(self) -> set[Any]:
        """The addresses of those who are connected."""
        connections: Any = self.server._uvicorn.server_state.connections
        return {each.client for each in [*connections]}

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.server.stop)


@contextlib.contextmanager
def serve_paper(
    bot: Any = None, load_gate: threading.Event | None = None, **options: Any
) -> Iterator[PaperServer]:
    """Serves a bot as "small"; with a gate, loading waits for it, and the body does not."""
    bot = bot or SlowBot(is_open=True)
    ready: queue.Queue[Any] = queue.Queue()
    given = Options(port=0, **options)

    def load() -> dict[str, Served]:
        assert load_gate is None or load_gate.wait(SECONDS)
        return {"small": Served("small", bot, 1)}

    async def run() -> None:
        server = Server(given, load, listener)
        running = PaperServer(server, asyncio.get_running_loop())
        if load_gate is not None:
            ready.put(running)
        await server.run(lambda address: ready.put(running))

    with listen(given) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()
        running = ready.get(timeout=SECONDS)
        try:
            yield running
        finally:
            if load_gate is not None:
                load_gate.set()
            if thread.is_alive():
                with contextlib.suppress(RuntimeError):
                    running.stop()
            thread.join(SECONDS)
            assert not thread.is_alive()
