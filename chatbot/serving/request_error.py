"""Requests that are refused, in the form of OpenAI's errors."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from chatbot.serving.bodies import write_json

CLOSE = {"connection": "close"}


class RequestError(Exception):
    """A request that gets an error instead of what it asked for.

    Attributes:
        status: The HTTP status.
        code: What went wrong, for programs.
        param: The field that is wrong, or None.
        headers: Headers besides the usual ones.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str = "invalid_value",
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.headers = dict(headers or {})

    def respond(self) -> Response:
        """Writes `{"error": {"message", "type", "param", "code"}}`."""
        error = {
            "message": str(self),
            "type": _name_type(self.status),
            "param": self.param,
            "code": self.code,
        }
        return answer_json({"error": error}, self.status, self.headers)


def answer_json(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Makes a response of a value."""
    return Response(write_json(value), status, headers, "application/json")


def _name_type(status: int) -> str:
    if status >= 500:
        return "server_error"
    return "rate_limit_error" if status == 429 else "invalid_request_error"
