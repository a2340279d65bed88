"""What the server is told when it starts."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from chatbot.errors import ChatbotError

SHORTEST_KEY = 16
"""Characters of the shortest key that is accepted."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s/?#@:*]+)(:[0-9]+)?")
_ORIGIN = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*://{_HOST.pattern}")


@dataclass(frozen=True)
class Options:
    """How to serve.

    Attributes:
        host: The address to listen on.
        port: The port; 0 takes a free one.
        keys: Whoever calls needs one of them; none lets all in.
        allow_origins: Origins of pages elsewhere that may call, as `https://example.org`.
        allow_hosts: Names under which people reach the server, as `chat.example.org`.
        max_waiting: Most requests that wait for one kind of search.
        max_connections: Most connections that are open at once.
        read_timeout: Seconds that the headers of a request, and then its body, may take.
        reply_timeout: Seconds after which a request is given up.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    keys: tuple[bytes, ...] = ()
    allow_origins: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    max_waiting: int = 256
    max_connections: int = 512
    read_timeout: float = 10.0
    reply_timeout: float = 10.0

    def check(self) -> None:
        """Raises `ChatbotError`: open to the network without a key, or no origin or host."""
        if not self.keys and not is_loopback(self.host):
            raise ChatbotError(
                f"--host={self.host} is open to other machines; say who may call with "
                "--api_key_file, or take --host=127.0.0.1"
            )
        for origin in self.allow_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ChatbotError(
                    f"--allow_origin={origin} is no origin; write one as https://example.org, "
                    "without a path or a slash at its end"
                )
        for host in self.allow_hosts:
            if not _HOST.fullmatch(host):
                raise ChatbotError(
                    f"--allow_host={host} is no name of a host; write one as chat.example.org or "
                    "chat.example.org:8080"
                )


def is_loopback(host: str) -> bool:
    """Tells whether only this machine reaches a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_keys(path: str) -> tuple[bytes, ...]:
    """Reads the keys of callers from a file, one a line.

    Raises:
        ChatbotError: The file cannot be read or has no key, or a key is short or not printable
            ASCII.
    """
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise ChatbotError(
            f"--api_key_file={path} cannot be read ({error.strerror}); give a file of keys"
        ) from None
    keys = tuple(line.strip() for line in lines if line.strip())
    for number, key in enumerate(keys, start=1):
        if len(key) < SHORTEST_KEY or not all(32 < byte < 127 for byte in key):
            raise ChatbotError(
                f"--api_key_file={path}: key {number} must be {SHORTEST_KEY} or more ASCII "
                "characters without blanks; make one with: openssl rand -hex 24"
            )
    if not keys:
        raise ChatbotError(f"--api_key_file={path} has no key; write one a line")
    return keys
