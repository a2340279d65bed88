"""What the server answers, path by path."""

from __future__ import annotations

import asyncio
import functools
import traceback
from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chatbot.serving.batcher import Batcher, Work
from chatbot.serving.chat_answer import choose, write_completion, write_events
from chatbot.serving.chat_request import parse_chat
from chatbot.serving.metrics import Metrics
from chatbot.serving.models import ComparingWork, DescribingWork, ReplyWork, Served
from chatbot.serving.openapi import describe_interface
from chatbot.serving.options import Options
from chatbot.serving.page_files import read_page
from chatbot.serving.request_error import CLOSE, RequestError, answer_json
from chatbot.serving.requests import read_object
from chatbot.system.notices import say

MOST_PREFIX = 200
"""Tokens with which a compared reply may be told to begin."""


class Interface:
    """Answers requests by the models that it is given.

    Attributes:
        models: {id: model}, filled once they are loaded.
    """

    def __init__(self, batcher: Batcher, options: Options, metrics: Metrics) -> None:
        self.models: Mapping[str, Served] = {}
        self._batcher = batcher
        self._options = options
        self._metrics = metrics
        self._page = read_page()

    def make_app(self) -> Starlette:
        """Makes the ASGI application."""
        return Starlette(
            routes=[
                Route("/", functools.partial(self._send_page, name="index.html")),
                Route("/page/{name}", self._send_page),
                Route("/v1/models", self._list_models),
                Route("/v1/models/{id:path}", self._retrieve_model),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/api/model", self._describe_models),
                Route("/api/compare", self._compare, methods=["POST"]),
                Route("/health/live", self._say_live),
                Route("/health/ready", self._say_ready),
                Route("/metrics", self._write_metrics),
                Route("/openapi.json", self._describe),
            ],
            exception_handlers={
                RequestError: _refuse,
                HTTPException: _refuse_path,
                Exception: _report,
            },
        )

    async def _chat(self, request: Request) -> Response:
        body = await read_object(request, self._options.read_timeout)
        model = self._find_model(body.get("model"))
        asked = parse_chat(body)
        changes = asked.change_search(model.bot.config.search)
        work = ReplyWork(model, changes, asked.draws_seed)
        answered = await self._do(request, work, asked.turns)
        choices = choose(asked, answered)
        if not asked.stream:
            return answer_json(write_completion(model.name, choices, answered.prompt_tokens))
        counted = answered.prompt_tokens, asked.include_usage
        return Response(write_events(model.name, choices, *counted), media_type="text/event-stream")

    async def _compare(self, request: Request) -> Response:
        body = await read_object(request, self._options.read_timeout)
        model = self._find_model(body.get("model"))
        item = {name: body[name] for name in ("turns", "settings", "prefix") if name in body}
        prefix = item.get("prefix")
        if isinstance(prefix, list) and len(prefix) > MOST_PREFIX:
            raise RequestError(400, f"prefix has more than {MOST_PREFIX} tokens", param="prefix")
        if "turns" not in item:
            raise RequestError(400, "turns must be a list of texts", param="turns")
        return answer_json(await self._do(request, ComparingWork(model), item))

    async def _describe_models(self, request: Request) -> Response:
        self._check_ready()
        work = [DescribingWork(model) for model in self.models.values()]
        found = [await self._do(request, each, None) for each in work]
        return answer_json({"models": found})

    async def _list_models(self, request: Request) -> Response:
        self._check_ready()
        data = [_describe_served(model) for model in self.models.values()]
        return answer_json({"object": "list", "data": data})

    async def _retrieve_model(self, request: Request) -> Response:
        return answer_json(_describe_served(self._find_model(request.path_params["id"])))

    async def _say_live(self, request: Request) -> Response:
        return answer_json({"status": "live"})

    async def _say_ready(self, request: Request) -> Response:
        state = self._batcher.state
        return answer_json({"status": state}, 200 if state == "ready" else 503)

    async def _write_metrics(self, request: Request) -> Response:
        self._metrics.ready.set(self._batcher.state == "ready")
        return Response(self._metrics.write(), media_type="text/plain; version=0.0.4")

    async def _describe(self, request: Request) -> Response:
        return answer_json(describe_interface())

    async def _send_page(self, request: Request, name: str = "") -> Response:
        file = self._page.get(name or request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        headers = {"content-type": file.content_type, "cache-control": "no-cache"}
        return Response(file.content, headers=headers)

    def _check_ready(self) -> None:
        if not self.models:
            raise RequestError(
                503, "the models are being loaded", "unavailable", headers={"retry-after": "1"}
            )

    def _find_model(self, name: Any) -> Served:
        self._check_ready()
        if not isinstance(name, str):
            raise RequestError(
                400, "model must be the id of a model; see /v1/models", param="model"
            )
        if name not in self.models:
            raise RequestError(
                404, "there is no such model; see /v1/models", "model_not_found", "model"
            )
        return self.models[name]

    async def _do(self, request: Request, work: Work, item: Any) -> Any:
        """Has work done, unless it takes too long or the caller goes away."""
        answer = self._batcher.submit(work, item)
        gone = asyncio.ensure_future(_wait_until_gone(request))
        try:
            await asyncio.wait(
                {answer, gone},
                timeout=self._options.reply_timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if answer.done():
                return answer.result()
            if gone.done():
                raise RequestError(499, "the caller has gone", "gone")
            raise RequestError(504, "the reply took too long", "timeout")
        finally:
            answer.cancel()
            gone.cancel()


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _describe_served(model: Served) -> dict[str, Any]:
    return {"id": model.name, "object": "model", "created": model.created, "owned_by": "chatbot"}


async def _refuse(request: Request, error: Any) -> Response:
    response: Response = error.respond()
    return response


async def _refuse_path(request: Request, error: Any) -> Response:
    message = "there is nothing here" if error.status_code == 404 else error.detail
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    return RequestError(error.status_code, message, code, headers=error.headers).respond()


async def _report(request: Request, error: Exception) -> Response:
    """Says where a request failed, without a word of the caller's."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    say(f"a request failed: {type(error).__name__} at {place.filename}:{place.lineno}")
    return RequestError(500, "the server made a mistake", "internal_error", headers=CLOSE).respond()
