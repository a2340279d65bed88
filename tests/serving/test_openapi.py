"""The description of the interface beside the interface."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from starlette.routing import Route

from chatbot.serving.batcher import Batcher
from chatbot.serving.metrics import Metrics
from chatbot.serving.openapi import describe_interface
from chatbot.serving.options import Options
from chatbot.serving.routes import Interface
from tests.serving.servers import CHAT, Running, make_chat
from tests.serving.test_bodies import WRONG

DESCRIPTION = describe_interface()


def check(value: Any, name: str) -> None:
    """Raises where a value does not fit a schema of the description."""
    schema = {**DESCRIPTION, "$ref": f"#/components/schemas/{name}"}
    jsonschema.Draft202012Validator(schema).validate(value)


def test_every_path_and_method_is_described_and_no_other() -> None:
    metrics = Metrics()
    app = Interface(Batcher(1, metrics), Options(), metrics).make_app()
    there = {
        (route.path.replace(":path", ""), method.lower())
        for route in app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    }
    described = {(path, method) for path, found in DESCRIPTION["paths"].items() for method in found}
    assert there == described


def test_every_schema_is_one() -> None:
    for schema in DESCRIPTION["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_answers_are_as_described(server: Running) -> None:
    assert server.get("/openapi.json").json == DESCRIPTION
    check(server.get("/v1/models").json, "ModelList")
    check(server.get("/v1/models/small").json, "Model")
    check(server.get("/health/ready").json, "Health")
    check(server.get("/health/live").json, "Health")
    samples: list[dict[str, Any]] = [{}, {"n": 3}, {"temperature": 1}]
    for fields in samples:
        check(server.chat(**fields).json, "ChatCompletion")
    for answer in (server.get("/nothing"), server.chat(n=0), server.get(CHAT)):
        check(answer.json, "Error")


def test_requests_are_as_described() -> None:
    check(make_chat(n=2, temperature=0.5, stop=["a"], stream=True, user="x"), "ChatRequest")
    check(make_chat(stop=None, seed=None, stream_options=None), "ChatRequest")
    for name, values in WRONG.items():
        for value in values:
            # Two mistakes have no words in a schema.
            if name in ("stop", "seed", "messages") and value in ([""], 1 << 63, SYSTEM_ALONE):
                continue
            with pytest.raises(jsonschema.ValidationError):
                check({**make_chat(), name: value}, "ChatRequest")


SYSTEM_ALONE = [{"role": "system", "content": "x"}]
