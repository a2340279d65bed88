"""The description of the interface, in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from chatbot import __version__
from chatbot.serving.chat_request import MOST_CHOICES, MOST_STOPS, OTHERS, SPEAKERS

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}


def describe_interface() -> Schema:
    """Returns the description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "chatbot",
            "version": __version__,
            "description": "OpenAI's chat interface, and comparisons of searches.",
        },
        "security": [{}, {"key": []}],
        "paths": _describe_paths(),
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _describe_paths() -> Schema:
    chat = _post("Replies to a dialogue.", "ChatRequest", "ChatCompletion")
    answer = chat["responses"]["200"]["content"]
    answer["text/event-stream"] = {"schema": {**TEXT, "description": "with stream"}}
    named = {"name": "id", "in": "path", "required": True, "schema": TEXT}
    return {
        "/v1/models": {"get": _get("Lists the models.", "ModelList")},
        "/v1/models/{id}": {"get": {**_get("Names a model.", "Model"), "parameters": [named]}},
        "/v1/chat/completions": {"post": chat},
        "/api/model": {"get": _get("Describes the models and their settings.", "Object")},
        "/api/compare": {
            "post": _post("Replies with every search, in one tree.", "ComparisonRequest", "Object")
        },
        "/health/live": {"get": _get("Says that the process lives.", "Health")},
        "/health/ready": {"get": _get("Says whether requests are taken; 503 if not.", "Health")},
        "/metrics": {"get": _send("Prometheus' figures.", "text/plain")},
        "/openapi.json": {"get": _get("This description.", "Object")},
        "/": {"get": _send("The page.", "text/html")},
        "/page/{name}": {
            "get": {
                **_send("A file of the page.", "text/javascript"),
                "parameters": [{**named, "name": "name"}],
            }
        },
    }


def _refer(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _get(summary: str, answer: str) -> Schema:
    return {
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": _json(answer)},
            "default": {"description": "an error", "content": _json("Error")},
        },
    }


def _post(summary: str, asked: str, answer: str) -> Schema:
    body = {"required": True, "content": _json(asked)}
    return {**_get(summary, answer), "requestBody": body}


def _send(summary: str, kind: str) -> Schema:
    content = {kind: {"schema": TEXT}}
    return {"summary": summary, "responses": {"200": {"description": summary, "content": content}}}


def _json(name: str) -> Schema:
    return {"application/json": {"schema": _refer(name)}}


def _object(required: dict[str, Any], **optional: Any) -> Schema:
    return {"type": "object", "required": [*required], "properties": {**required, **optional}}


def _list(of: Schema, **limits: int) -> Schema:
    return {"type": "array", "items": of, **limits}


def _maybe(kind: str, **limits: Any) -> Schema:
    return {"type": [kind, "null"], **limits}


_USAGE = _object(dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), COUNT))
_CONTENT: Schema = {
    "anyOf": [
        {"type": ["string", "null"]},
        _list(_object({"text": TEXT}, type={"const": "text"})),
    ]
}
_CHOICE = _object(
    {
        "index": COUNT,
        "message": _object({"role": {"const": "assistant"}, "content": TEXT}),
        "finish_reason": {"enum": ["stop", "length"]},
    },
    logprobs={"type": "null"},
)
_CHAT_REQUEST = _object(
    {
        "model": TEXT,
        "messages": _list(
            _object({"role": {"enum": [*SPEAKERS, *OTHERS]}}, content=_CONTENT), minItems=1
        ),
    },
    temperature=_maybe("number", minimum=0, maximum=2),
    top_p=_maybe("number", minimum=0, maximum=1),
    n=_maybe("integer", minimum=1, maximum=MOST_CHOICES),
    seed=_maybe("integer"),
    max_tokens=_maybe("integer", minimum=1),
    max_completion_tokens=_maybe("integer", minimum=1),
    stop={"anyOf": [_maybe("string", minLength=1), _list(TEXT, maxItems=MOST_STOPS)]},
    stream=_maybe("boolean"),
    stream_options=_maybe("object", properties={"include_usage": _maybe("boolean")}),
    user=_maybe("string"),
)
_MODEL = _object({"id": TEXT, "object": {"const": "model"}, "created": COUNT, "owned_by": TEXT})
_SCHEMAS: Schema = {
    "ChatRequest": _CHAT_REQUEST,
    "ChatCompletion": _object(
        {
            "id": TEXT,
            "object": {"const": "chat.completion"},
            "created": COUNT,
            "model": TEXT,
            "choices": _list(_CHOICE, minItems=1),
            "usage": _USAGE,
        }
    ),
    "Model": _MODEL,
    "ModelList": _object({"object": {"const": "list"}, "data": _list(_refer("Model"))}),
    "ComparisonRequest": _object(
        {"model": TEXT, "turns": _list(TEXT)}, settings={"type": "object"}, prefix=_list(TEXT)
    ),
    "Health": _object({"status": {"enum": ["live", "loading", "ready", "stopping"]}}),
    "Error": _object(
        {"error": _object({"message": TEXT, "type": TEXT, "param": _maybe("string"), "code": TEXT})}
    ),
    "Object": {"type": "object"},
}
