"""What callers send: sizes, depths, fields, texts, and what is compared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatbot.bot import Chatbot
from chatbot.serving.compare import compare, describe_model
from tests.serving.servers import CHAT, PaperServer, Running, make_chat


def test_a_body_of_64_kib_is_taken_and_more_is_not(server: Running) -> None:
    empty = len(json.dumps(make_chat("")).encode())
    assert server.chat("x" * ((64 << 10) - empty)).status == 200
    for size in ((64 << 10) - empty + 1, 1 << 20, 5 << 20):
        answer = server.chat("x" * size)
        assert (answer.status, answer.code) == (413, "request_too_large")


def test_a_chunked_body_is_counted_while_it_comes(server: Running) -> None:
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    answer = server.exchange(head.encode() + 3 * chunk + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"request_too_large"' in answer


@pytest.mark.parametrize("size", [17 << 10, 60 << 10, 200 << 10])
def test_headers_of_16_kib_are_refused(server: Running, size: int) -> None:
    with server.connect() as connection:
        host = f"Host: 127.0.0.1:{server.port}\r\n"
        connection.sendall(f"GET /v1/models HTTP/1.1\r\n{host}X: {'x' * size}\r\n\r\n".encode())
        assert connection.recv(12) in (b"HTTP/1.1 400", b"HTTP/1.1 431")


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"null", b'"x"', b"1", b"\xff", b"\xef\xbb\xbf{}", b"{}{}"),
        *(b'{"n": NaN}', b'{"n": Infinity}', b'{"n": -Infinity}', b'{"n": 1e999}'),
        *(b'{"n": 1' + b"0" * 60_000 + b"}", b"[" * 60_000, b'{"a":' * 10_000, b'{"a": 1,}'),
    ],
)
def test_what_is_no_json_object_is_a_400(server: Running, content: bytes) -> None:
    answer = server.ask("POST", CHAT, content)
    assert (answer.status, answer.code) == (400, "invalid_json")
    assert "sys." not in str(answer.json)  # Python's advice on long numbers is not for callers


WRONG: dict[str, list[Any]] = {
    "model": [None, 1, [], {}],
    "messages": [
        *(None, [], {}, "hello", [1], [None], [{}], [{"role": "robot", "content": "x"}]),
        [{"role": "user", "content": 1}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
        [{"role": "user", "content": ["x"]}],
        [{"role": "system", "content": "x"}],
        [{"role": ["user"], "content": "x"}],
    ],
    "temperature": [-1, 2.5, "1", True, []],
    "top_p": [-0.1, 1.1, "1", False],
    "n": [0, 21, 1.5, "1", True, -1],
    "seed": [1.5, "1", 1 << 63],
    "max_tokens": [0, -1, 1.5, "1"],
    "max_completion_tokens": [0, True],
    "stop": [1, [1], [""], "", ["a"] * 5, {}],
    "stream": [1, "true", []],
    "stream_options": [1, [], "x"],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_field_that_does_not_fit_is_named(paper: PaperServer, name: str) -> None:
    for value in WRONG[name]:
        answer = paper.chat(**{name: value})
        assert (answer.status, answer.code) == (400, "invalid_value"), value
        assert answer.json["error"]["param"] == name


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [1], "unknown": {"a": []}, "user": 5, "response_format": "x"},
        {"temperature": None, "stop": None, "seed": None, "stream_options": None, "n": None},
        {"temperature": 0, "top_p": 0, "seed": -(1 << 63), "max_tokens": 1 << 31},
        {"temperature": 1e-300, "top_p": 1e-300, "n": 20},
    ],
)
def test_unknown_fields_and_nulls_are_ignored(paper: PaperServer, fields: dict[str, Any]) -> None:
    assert paper.chat(**fields).status == 200


def test_any_text_is_answered(server: Running) -> None:
    texts = ["", " ", "\ud800", "\x00", "\u202e", "<script>", "<eos>", "x" * 60_000, "你" * 9000]
    for text in texts:
        for fields in ({}, {"stream": True}, {"temperature": 1.0}):
            answer = server.chat(text, **fields)
            assert answer.status == 200
            answer.content.decode()


def test_methods_and_paths_that_do_not_exist_are_errors_too(paper: PaperServer) -> None:
    for path in (CHAT, "/api/compare"):
        answer = paper.get(path)
        assert (answer.status, answer.code) == (405, "method_not_allowed")
        assert answer.headers["allow"] == "POST"
    assert paper.ask("DELETE", "/v1/models").status == 405
    assert paper.get("/v1/models/").code in ("model_not_found", "not_found")


def test_models_are_described_and_searches_compared(server: Running, bot: Chatbot) -> None:
    described = server.get("/api/model").json["models"]
    assert [model["id"] for model in described] == ["small", "小"]
    assert described[0] == {"id": "small", **describe_model(bot)}
    item: dict[str, Any] = {
        "turns": ["hello", "hi", "你好"],
        "settings": {"beam_size": 2, "sampling_seed": 5},
        "prefix": ["hi"],
    }
    answer = server.ask("POST", "/api/compare", {"model": "small", "more": 1, **item})
    assert (answer.status, answer.json) == (200, compare(bot, **item))
    assert server.ask("POST", "/api/compare", {"model": "小", "turns": [""]}).status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"turns": ["x"]}, 400),
        ({"model": "small"}, 400),
        ({"model": "large", "turns": ["x"]}, 404),
        ({"model": "small", "turns": "x"}, 400),
        ({"model": "small", "turns": [1]}, 400),
        ({"model": "small", "turns": ["x"], "prefix": ["x"] * 201}, 400),
        ({"model": "small", "turns": ["x"], "prefix": ["no such word"]}, 400),
        ({"model": "small", "turns": ["x"], "prefix": {}}, 400),
        ({"model": "small", "turns": ["x"], "settings": {"beam_size": 1000}}, 400),
        ({"model": "small", "turns": ["x"], "settings": {"beam_size": "2"}}, 400),
        ({"model": "small", "turns": ["x"], "settings": {"no_such": 2}}, 400),
        ({"model": "small", "turns": ["x"], "settings": [1]}, 400),
    ],
)
def test_what_cannot_be_compared_is_refused(
    server: Running, body: dict[str, Any], status: int
) -> None:
    answer = server.ask("POST", "/api/compare", body)
    assert answer.status == status
    assert answer.code
