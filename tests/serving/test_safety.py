"""Who is let in, and what of: names, origins, keys, types, sizes, depths and files."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chatbot.errors import ChatbotError
from chatbot.serving.guard import CSP
from chatbot.serving.options import Options, read_keys
from tests.helpers_chat import PaperBot
from tests.serving.servers import CHAT, PaperServer, Running, SlowBot, make_chat, serve_paper

KEY = "a-key-of-24-characters--"


def open_bot() -> SlowBot:
    bot = SlowBot()
    bot.gate.set()
    return bot


@pytest.fixture(scope="module")
def paper() -> Iterator[PaperServer]:
    with serve_paper(
        open_bot(), allow_hosts=("chat.example.org",), allow_origins=("https://friend.example",)
    ) as running:
        yield running


@pytest.fixture(scope="module")
def locked() -> Iterator[PaperServer]:
    with serve_paper(open_bot(), keys=(KEY.encode(), b"another-key-16-characters")) as running:
        yield running


@pytest.mark.parametrize("name", ["127.0.0.1:{}", "localhost:{}", "LocalHost:{}", "[::1]:{}"])
def test_own_names_are_let_in(paper: PaperServer, name: str) -> None:
    assert paper.get("/health/live", host=name.format(paper.port)).status == 200


def test_a_named_host_is_let_in(paper: PaperServer) -> None:
    assert paper.get("/health/live", host="chat.example.org").status == 200
    origin = "https://chat.example.org"
    assert paper.get("/health/live", host="chat.example.org", origin=origin).status == 200


@pytest.mark.parametrize(
    "name",
    [
        *("evil.example:{}", "localhost", "localhost:1", "localhost:{}.evil.example", ""),
        *("127.0.0.1.evil.example:{}", "chat.example.org:{}", "127.0.0.1:{}@evil.example"),
        *("localhost:{}/", "evil.example#@localhost:{}", "0.0.0.0:{}", "[::1]", "::1"),
    ],
)
def test_other_names_are_not(paper: PaperServer, name: str) -> None:
    answer = paper.get("/v1/models", host=name.format(paper.port))
    assert (answer.status, answer.code) == (421, "unknown_host")


def test_two_hosts_or_none_are_not(paper: PaperServer) -> None:
    own = f"Host: 127.0.0.1:{paper.port}\r\n"
    for hosts in (own + "Host: evil.example\r\n", own + own, ""):
        request = f"GET /v1/models HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n"
        assert paper.exchange(request.encode())[9:12] in (b"400", b"421")
    assert paper.exchange(b"GET /v1/models HTTP/1.0\r\n\r\n")[9:12] == b"421"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:{}", 200),
        ("http://localhost:{}", 200),
        ("https://friend.example", 200),
        ("https://friend.example.evil.example", 403),
        ("https://friend.example:443", 403),
        ("http://friend.example", 403),
        ("https://localhost:{}", 403),
        ("http://localhost:{}1", 403),
        ("http://localhost", 403),
        ("http://evil.example:{}", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_an_origin_is_compared_whole(paper: PaperServer, origin: str, status: int) -> None:
    for method, path in (("GET", "/v1/models"), ("POST", CHAT)):
        body = make_chat() if method == "POST" else None
        answer = paper.ask(method, path, body, {"origin": origin.format(paper.port)})
        assert answer.status == status
        allowed = answer.headers.get("access-control-allow-origin")
        assert allowed == (origin if "friend" in origin and status == 200 else None)


def test_an_origin_that_equals_the_host_is_not_its_own(paper: PaperServer) -> None:
    headers = {"host": "evil.example", "origin": "http://evil.example"}
    assert paper.get("/v1/models", **headers).status == 421


def test_a_preflight_is_answered_to_friends_alone(paper: PaperServer) -> None:
    asked = {"access-control-request-method": "POST"}
    answer = paper.ask("OPTIONS", CHAT, None, {"origin": "https://friend.example", **asked})
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "https://friend.example"
    assert "content-type" in answer.headers["access-control-allow-headers"]
    assert answer.headers["vary"] == "origin"
    answer = paper.ask("OPTIONS", CHAT, None, {"origin": "https://evil.example", **asked})
    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers


def test_a_key_is_wanted_for_all_but_the_page_and_health(locked: PaperServer) -> None:
    wrong = ["", "Bearer", "Bearer ", f"Basic {KEY}", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", KEY]
    for given in wrong:
        for path in ("/v1/models", "/api/model", "/metrics", "/v1/models/small", "/nothing"):
            answer = locked.get(path, authorization=given)
            assert (answer.status, answer.code) == (401, "invalid_api_key")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert locked.ask("POST", CHAT, make_chat(), {"authorization": given}).status == 401
    for path in ("/health/live", "/health/ready", "/openapi.json"):
        assert locked.get(path).status == 200
    assert locked.get("/page/../v1/models").status == 404
    for key in (KEY, "another-key-16-characters"):
        right = {"authorization": f"Bearer {key}"}
        assert locked.get("/v1/models", **right).status == 200
        assert locked.ask("POST", CHAT, make_chat(), right).status == 200


def test_keys_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b"\n" + KEY.encode() + b"\r\n  another-key-of-mine \n\n")
    assert read_keys(str(path)) == (KEY.encode(), b"another-key-of-mine")
    for content in (b"", b"\n \n", b"short\n", "schlüssel-der-lang-ist".encode(), b"a b" * 9):
        path.write_bytes(content)
        with pytest.raises(ChatbotError, match="--api_key_file="):
            read_keys(str(path))
    with pytest.raises(ChatbotError, match="cannot be read"):
        read_keys(str(tmp_path))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "chat.example.org", ""])
def test_another_host_needs_a_key(host: str) -> None:
    with pytest.raises(ChatbotError, match="--api_key_file"):
        Options(host=host).check()
    Options(host=host, keys=(KEY.encode(),)).check()


@pytest.mark.parametrize("origin", ["https://a.example/", "a.example", "*", "", "https://a/b"])
def test_what_no_browser_sends_is_no_origin(origin: str) -> None:
    with pytest.raises(ChatbotError, match=r"--allow_origin=.* is no origin; write one as https:"):
        Options(allow_origins=("https://a.example", origin)).check()
    Options(allow_origins=("https://a.example", "http://[::1]:8000", "https://a:8443")).check()


@pytest.mark.parametrize("host", ["https://a.example", "a.example/", "*", "", "a:b", "::1"])
def test_what_no_caller_sends_is_no_host(host: str) -> None:
    with pytest.raises(ChatbotError, match=r"--allow_host=.* is no name of a host; write one as"):
        Options(allow_hosts=("a.example", host)).check()
    Options(allow_hosts=("a.example", "a.example:8080", "[::1]:80", "[::1]")).check()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_this_machine_needs_none(host: str) -> None:
    Options(host=host).check()


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("text/plain", 415),
        ("text/plain; application/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("", 415),
    ],
)
def test_a_body_is_taken_as_json_alone(paper: PaperServer, kind: str, status: int) -> None:
    content = json.dumps(make_chat()).encode()
    assert paper.ask("POST", CHAT, content, {"content-type": kind}).status == status


def test_every_answer_has_the_headers_of_safety(paper: PaperServer) -> None:
    for path in ("/", "/v1/models", "/nothing", "/metrics", "/health/live"):
        headers = paper.get(path).headers
        assert headers["content-security-policy"] == CSP
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
    assert "default-src 'none'" in CSP
    assert "unsafe" not in CSP


@pytest.mark.parametrize(
    "name",
    ["../guard.py", "..%2fguard.py", "%2e%2e/guard.py", "..%5cguard.py", "/etc/passwd", "x%00.js"],
)
def test_no_path_leads_out_of_the_page(paper: PaperServer, name: str) -> None:
    answer = paper.get(f"/page/{name}")
    assert (answer.status, answer.code) == (404, "not_found")


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
    assert "sys." not in answer.json["error"]["message"]  # no advice for whoever runs Python


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
    "seed": [1.5, "1", 1 << 70],
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


def test_no_text_of_a_caller_gets_into_metrics(server: Running) -> None:
    server.get("/secret-path")
    server.get("/v1/models/secret-model")
    server.ask("POST", CHAT, make_chat("secret-text", model="secret-model"))
    server.ask("SECRET", "/page/secret-name")
    written = server.get("/metrics").content.decode()
    assert "secret" not in written.lower()
    assert 'chatbot_requests_total{path="other",status="404"}' in written
    assert 'chatbot_requests_total{path="/v1/chat/completions",status="200"}' in written


def test_a_mistake_of_ours_is_a_500_without_a_word_of_the_callers(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class BrokenBot(PaperBot):
        def warm_up(self) -> None: ...

        def replies(self, queries: Any, *arguments: Any, **settings: Any) -> Any:
            raise KeyError(queries[0][0])

    with serve_paper(BrokenBot()) as running:
        answer = running.chat("secret")
        assert (answer.status, answer.code) == (500, "internal_error")
        assert b"secret" not in answer.content
        assert running.get("/health/ready").status == 200
    said = capfd.readouterr().err
    assert "a request failed: KeyError at " in said
    assert "secret" not in said
    assert "Traceback" not in said


def test_methods_and_paths_that_do_not_exist_are_errors_too(paper: PaperServer) -> None:
    for path in (CHAT, "/api/compare"):
        answer = paper.get(path)
        assert (answer.status, answer.code) == (405, "method_not_allowed")
        assert answer.headers["allow"] == "POST"
    assert paper.ask("DELETE", "/v1/models").status == 405
    assert paper.get("/v1/models/").code in ("model_not_found", "not_found")


@pytest.fixture
def comparing(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stands for what compares; holds what it was asked."""
    asked: list[Any] = []

    def compare(bot: Any, **item: Any) -> dict[str, Any]:
        if item["turns"] == ["unfit"]:
            raise ChatbotError("this does not fit; give something else")
        asked.append(item)
        return {"text": item["turns"][0]}

    module: Any = SimpleNamespace(compare=compare, describe_model=lambda bot: {"engine": "paper"})
    monkeypatch.setitem(sys.modules, "chatbot.serving.compare", module)
    return asked


def test_models_are_described_and_searches_compared(
    paper: PaperServer, comparing: list[Any]
) -> None:
    assert paper.get("/api/model").json == {"models": [{"id": "small", "engine": "paper"}]}
    item = {"turns": ["hello"], "settings": {"beam_size": 2}, "prefix": ["hi"]}
    answer = paper.ask("POST", "/api/compare", {"model": "small", "more": 1, **item})
    assert (answer.status, answer.json) == (200, {"text": "hello"})
    assert comparing == [item]


@pytest.mark.usefixtures("comparing")
def test_what_cannot_be_compared_is_refused(paper: PaperServer) -> None:
    for body, status in (
        ({"model": "small", "turns": ["unfit"]}, 400),
        ({"model": "small"}, 400),
        ({"model": "small", "turns": ["x"], "prefix": ["x"] * 201}, 400),
        ({"model": "large", "turns": ["x"]}, 404),
        ({"turns": ["x"]}, 400),
    ):
        answer = paper.ask("POST", "/api/compare", body)
        assert answer.status == status
        assert answer.code
