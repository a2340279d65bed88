"""Reads the bodies of requests, within limits of size and time."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request

from chatbot.serving.bodies import parse_json
from chatbot.serving.request_error import CLOSE, RequestError

MOST_BYTES = 64 << 10
"""Bytes of a body, at most."""
MOST_DROPPED = 4 << 20
"""Bytes of a body too large that are read and dropped, so that its sender reads the answer."""


async def read_object(request: Request, seconds: float) -> dict[str, Any]:
    """Reads a body that is a JSON object.

    Args:
        request: The request.
        seconds: How long the body may take.

    Raises:
        RequestError: 400, it is no such object; 408, it came too slowly; 413, it is too large.
    """
    try:
        content = await asyncio.wait_for(_read(request), seconds)
    except asyncio.TimeoutError:
        message = f"the body did not come within {seconds:g} s"
        raise RequestError(408, message, "request_timeout", headers=CLOSE) from None
    try:
        value = parse_json(content)
    except ValueError as error:
        raise RequestError(400, f"the body is not JSON: {error}", "invalid_json") from None
    if not isinstance(value, dict):
        raise RequestError(400, "the body must be a JSON object", "invalid_json")
    return value


async def _read(request: Request) -> bytes:
    size, parts = 0, []
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise RequestError(499, "the caller has gone", "gone")
        part = message.get("body", b"")
        size, more = size + len(part), message.get("more_body", False)
        if size <= MOST_BYTES:
            parts.append(part)
        elif size > MOST_DROPPED:
            break
    if size > MOST_BYTES:
        raise RequestError(
            413, f"the body has more than {MOST_BYTES:,} bytes", "request_too_large", headers=CLOSE
        )
    return b"".join(parts)
