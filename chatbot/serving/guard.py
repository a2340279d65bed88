"""Who may call: the checks that come before any page or reply.

The server trusts no page of another origin. A request's Host must be one of the server's own names,
which keeps out a foreign name that was made to point here (DNS rebinding); its Origin, where a
browser sends one, must be the server's own or one that was allowed, compared whole.
"""

from __future__ import annotations

import hmac
import time
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatbot.serving.metrics import Metrics
from chatbot.serving.options import Options, is_loopback
from chatbot.serving.request_error import CLOSE, RequestError

MOST_HEADERS = 16 << 10
"""Bytes of a request's headers, at most."""
PATHS = frozenset(
    (
        *("/", "/openapi.json", "/metrics", "/health/live", "/health/ready"),
        *("/api/model", "/api/compare", "/v1/models", "/v1/chat/completions"),
    )
)
PREFIXES = ("/v1/models/", "/page/")
OPEN = ("/page/", "/health/")
"""What needs no key: the page, which asks for one, and what a supervisor asks."""
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Lets through to an application what may come."""

    def __init__(self, app: ASGIApp, options: Options, port: int, metrics: Metrics) -> None:
        self._app = app
        self._keys = options.keys
        self._metrics = metrics
        self._hosts = list_hosts(options, port)
        self._allowed = frozenset(options.allow_origins)
        self._origins = self._allowed.union(
            (f"http://{host}" for host in self._hosts),
            (f"https://{host}" for host in options.allow_hosts),  # a proxy's
        )
        self.closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        begin = time.perf_counter()
        if scope["path"].startswith("/v1//"):  # of a base address that ends with a slash
            scope["path"] = "/v1/" + scope["path"][4:].lstrip("/")
        headers = dict(scope["headers"])
        status = 500

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._complete(message["headers"], headers)
            await send(message)

        try:
            app = self._check(scope, headers) or self._app
        except RequestError as refusal:
            app = refusal.respond()
        try:
            await app(scope, receive, send_guarded)
        finally:
            self._metrics.count_request(_label(scope["path"]), status, time.perf_counter() - begin)

    def _check(self, scope: Scope, headers: dict[bytes, bytes]) -> Response | None:
        """Refuses what may not come in; returns the answer to a browser's preflight."""
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADERS:
            raise RequestError(431, "the headers are too large", "headers_too_large", headers=CLOSE)
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not self._is_own(hosts[0], scope):
            raise RequestError(
                421, "this name is not one of the server's; see --allow_host", "unknown_host"
            )
        origin = headers.get(b"origin")
        if origin is not None and not self._is_allowed(origin, scope):
            raise RequestError(403, "pages of this origin may not call", "unknown_origin")
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            return Response(status_code=204, headers=_PREFLIGHT)
        path = scope["path"]
        if path not in ("/", "/openapi.json") and not path.startswith(OPEN):
            self._check_key(headers.get(b"authorization", b""))
        if scope["method"] == "POST":
            kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
            if kind != b"application/json":
                raise RequestError(415, "the content type must be application/json", "not_json")
        return None

    def _is_own(self, host: bytes, scope: Scope) -> bool:
        name = host.decode("latin-1").lower()
        return name in self._hosts or name == _local_address(scope)

    def _is_allowed(self, origin: bytes, scope: Scope) -> bool:
        name = origin.decode("latin-1")
        return name in self._origins or name == f"http://{_local_address(scope)}"

    def _check_key(self, authorization: bytes) -> None:
        scheme, _, key = authorization.partition(b" ")
        found = [hmac.compare_digest(key.strip(), each) for each in self._keys]
        if self._keys and (scheme.lower() != b"bearer" or not any(found)):
            raise RequestError(
                401,
                "give the server's key as Authorization: Bearer KEY",
                "invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )

    def _complete(self, given: Any, headers: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        """Adds the headers that every answer has."""
        names = {name for name, _ in given}
        added = {name: value for name, value in HEADERS.items() if name.encode() not in names}
        if self.closing:
            added.update(CLOSE)
        if (origin := headers.get(b"origin", b"").decode("latin-1")) in self._allowed:
            added["access-control-allow-origin"] = origin
            added["cross-origin-resource-policy"] = "cross-origin"
        if self._allowed:
            added["vary"] = "origin"
        return [
            *given,
            *((name.encode(), value.encode("latin-1")) for name, value in added.items()),
        ]


_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "authorization, content-type",
    "access-control-max-age": "600",
}


def list_hosts(options: Options, port: int) -> frozenset[str]:
    """Lists the Host headers under which the server may be reached, all in small letters."""
    names = [options.host]
    if is_loopback(options.host):
        names += ["127.0.0.1", "localhost", "[::1]"]
    hosts = {f"[{name}]" if ":" in name and name[0] != "[" else name for name in names}
    own = {f"{host}:{port}" for host in hosts} | (hosts if port == 80 else set())
    return frozenset(host.lower() for host in own.union(options.allow_hosts))


def _local_address(scope: Scope) -> str:
    """Writes the address that the caller's packets came to, which no foreign name can be."""
    host, port = scope.get("server") or ("", 0)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _label(path: str) -> str:
    """Names a path for the metrics, by one of a few fixed words."""
    found = next((prefix for prefix in PREFIXES if path.startswith(prefix)), "other")
    return path if path in PATHS else found
