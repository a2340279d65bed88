"""Connections that lose patience: with half a request, and with a reader that does not read.

uvicorn has a limit on idle connections alone. Without one on the others, a few hundred clients that
send half a header each would keep everybody else out.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

GRACE = 1.0
"""Seconds that the application gets to answer 408 before the connection is closed."""


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 with limits on the time that a request, and the reading of its answer, may take.

    The time for the headers, and then that for the body, runs from their first moment, however
    steadily bytes trickle in. Where too many connections are open, the one that has waited longest
    for a request is closed.
    """

    def __init__(
        self, *arguments: Any, read_timeout: float, max_connections: int, **named: Any
    ) -> None:
        """Takes the seconds, and the most open connections."""
        super().__init__(*arguments, **named)
        self._read_timeout = read_timeout
        self._max_connections = max_connections
        self._phase: tuple[Any, Any] | None = None
        self._since = 0.0
        self._clock: asyncio.TimerHandle | None = None
        self._write_clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the clock of the headers."""
        super().connection_made(_JoiningTransport(transport, self.loop))  # type: ignore[arg-type]
        self._watch()
        if len(self.connections) > self._max_connections:
            connections: Any = self.connections
            idle = [each for each in connections if each.conn.their_state is h11.IDLE]
            min(idle, key=lambda each: each._since).transport.abort()  # itself, if need be

    def data_received(self, data: bytes) -> None:
        """Takes bytes, and goes on to the clock of the next part."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Waits for the next request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clocks."""
        super().connection_lost(exc)
        for clock in (self._clock, self._write_clock):
            if clock is not None:
                clock.cancel()

    def pause_writing(self) -> None:
        """Starts the clock of a reader that does not read."""
        super().pause_writing()
        self._write_clock = self.loop.call_later(self._read_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """Stops it."""
        super().resume_writing()
        if self._write_clock is not None:
            self._write_clock.cancel()

    def _watch(self) -> None:
        phase = (self.conn.their_state, self.cycle)
        if phase == self._phase:
            return
        self._phase, self._since = phase, self.loop.time()
        if self._clock is not None:
            self._clock.cancel()
        if phase[0] in (h11.IDLE, h11.SEND_BODY):
            seconds = self._read_timeout + GRACE * (phase[0] is h11.SEND_BODY)
            self._clock = self.loop.call_later(seconds, self.transport.abort)


class _JoiningTransport:
    """A transport that sends what is written in one turn of the loop at once.

    uvicorn writes an answer's head and body apart. Every system call gives up Python's lock, which
    the thread that computes then holds for milliseconds.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> None:
        """Keeps a part until the loop's turn ends."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(part)

    def close(self) -> None:
        """Sends what is left, and closes."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._parts:
            self._transport.write(b"".join(self._parts))
            self._parts.clear()
