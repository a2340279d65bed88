"""Runs the server: listens, loads the models, answers until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import uvicorn

from chatbot.errors import ChatbotError
from chatbot.serving.batcher import Batcher
from chatbot.serving.connections import ImpatientProtocol
from chatbot.serving.guard import Guard
from chatbot.serving.metrics import Metrics
from chatbot.serving.models import Served, load_models, name_directories
from chatbot.serving.options import Options
from chatbot.serving.routes import Interface
from chatbot.system.terminal import write_output

END_SECONDS = 10.0
"""What has been accepted is finished within these seconds after a signal."""
BACKLOG = 1024
TURNS = 10
"""Turns of the loop in which a request that has arrived is accepted and read; five would do."""


def serve(model_dirs: Iterable[str], options: Options) -> int:
    """Serves model directories until SIGTERM or Ctrl-C, and prints the address once it is ready.

    Returns:
        The exit status, 0.

    Raises:
        ChatbotError: A model cannot be loaded, or the address is not free.
    """
    options.check()
    directories = name_directories(model_dirs)
    with listen(options) as listener:
        server = Server(options, functools.partial(load_models, directories), listener)
        asyncio.run(server.run(_announce))
    return 0


def _announce(address: str) -> None:
    write_output(f"{address}\n")


def listen(options: Options) -> socket.socket:
    """Opens the socket that the server listens on.

    Raises:
        ChatbotError: The address is in use, or is none of this machine's.
    """
    where = f"--host={options.host} --port={options.port}"
    try:
        family, *_, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).partition(" (while")[0]
        raise ChatbotError(
            f"{where} cannot be listened on ({reason}); name another host or port"
        ) from None
    # Every connection has it from here: else an answer's body waits 40 ms for the head's receipt.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class Server:
    """One server.

    Attributes:
        address: Where it listens, `http://HOST:PORT/`.
    """

    def __init__(
        self,
        options: Options,
        load: Callable[[], Mapping[str, Served]],
        listener: socket.socket,
    ) -> None:
        """Takes how to serve, what loads the models {id: model}, and where to listen."""
        host, port = listener.getsockname()[:2]
        self.address = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
        self._listener = listener
        self._load = load
        metrics = Metrics()
        self._batcher = Batcher(options.max_waiting, metrics)
        self._interface = Interface(self._batcher, options, metrics)
        self._guard = Guard(self._interface.make_app(), options, port, metrics)
        self._uvicorn = _Uvicorn(_configure(self._guard, options))
        self._ending: asyncio.Task[None] | None = None

    async def run(self, announce: Callable[[str], Any]) -> None:
        """Serves until it is stopped.

        Args:
            announce: Takes the address as soon as the models are loaded.

        Raises:
            ChatbotError: A model cannot be loaded.
        """

        def note_loaded() -> None:
            if self._batcher.error is not None:
                self._uvicorn.should_exit = True
            else:
                announce(self.address)

        self._take_signals()
        self._batcher.start(self._fill, note_loaded)
        await self._uvicorn.serve([self._listener])
        self._batcher.stop()
        if self._batcher.error is not None:
            raise self._batcher.error

    def stop(self) -> None:
        """Takes no more requests and ends when those that were accepted are answered."""
        if self._ending is not None:
            self._uvicorn.should_exit = self._uvicorn.force_exit = True
            return
        self._guard.closing = True
        self._batcher.stop()
        self._ending = asyncio.get_running_loop().create_task(self._end())

    async def _end(self) -> None:
        limit = time.monotonic() + END_SECONDS
        while not self._batcher.is_done() and time.monotonic() < limit:
            await asyncio.sleep(0.01)
        self._uvicorn.should_exit = True

    def _fill(self) -> None:
        self._interface.models = self._load()

    def _take_signals(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self.stop)


class _Uvicorn(uvicorn.Server):
    """uvicorn without handlers of signals, which the server has itself."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes what has arrived so far, which uvicorn would drop, and then ends."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals alone."""
        yield


def _configure(app: Any, options: Options) -> uvicorn.Config:
    protocol: Any = functools.partial(
        ImpatientProtocol,
        read_timeout=options.read_timeout,
        max_connections=options.max_connections,
    )
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # mistakes of callers; those of the server `routes` reports
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=16 << 10,
        timeout_keep_alive=options.read_timeout,  # type: ignore[arg-type]
        timeout_graceful_shutdown=round(END_SECONDS),
    )
