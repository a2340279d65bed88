"""Who is let in, and what of: names, origins, keys, types, sizes, depths and files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatbot.errors import ChatbotError
from chatbot.serving.guard import CSP
from chatbot.serving.options import Options, read_keys
from tests.helpers_chat import ROOT, PaperBot
from tests.serving.servers import CHAT, PaperServer, Running, make_chat, serve_paper

KEY = "a-key-of-24-characters--"


@pytest.fixture(scope="module")
def locked() -> Iterator[PaperServer]:
    with serve_paper(keys=(KEY.encode(), b"another-key-16-characters")) as running:
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("allow_origins", value) for value in ("*", "https://a.example/", "a.example", "null")),
        *(("allow_hosts", value) for value in ("", "*", "http://a.example", "*.example", "a b")),
    ],
)
def test_names_and_origins_that_could_never_match_are_refused(name: str, value: str) -> None:
    with pytest.raises(ChatbotError, match=f"--{name.removesuffix('s')}="):
        Options(**{name: (value,)}).check()  # type: ignore[arg-type]


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


def test_the_page_is_its_files_and_no_others(paper: PaperServer) -> None:
    folder = ROOT / "chatbot" / "serving" / "page"
    kinds = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/"}
    for path in folder.iterdir():
        answer = paper.get(f"/page/{path.name}")
        assert (answer.status, answer.content) == (200, path.read_bytes())
        assert answer.headers["content-type"].startswith(kinds[path.suffix])
    home = paper.get("/")
    assert (home.status, home.content) == (200, (folder / "index.html").read_bytes())
    assert home.headers["content-type"] == "text/html; charset=utf-8"
    used = re.findall(r'(?:src|href)="(.*?)"', home.content.decode())
    assert used
    assert [paper.get(path).status for path in used] == [200] * len(used)


@pytest.mark.parametrize(
    "name",
    ["../guard.py", "..%2fguard.py", "%2e%2e/guard.py", "..%5cguard.py", "/etc/passwd", "x%00.js"],
)
def test_no_path_leads_out_of_the_page(paper: PaperServer, name: str) -> None:
    answer = paper.get(f"/page/{name}")
    assert (answer.status, answer.code) == (404, "not_found")


def test_no_text_of_a_caller_gets_into_metrics(server: Running) -> None:
    assert server.chat("secret-text").status == 200
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
        running.wait_for('chatbot_requests_total{path="/v1/chat/completions",status="500"} 1.0')
    said = capfd.readouterr().err
    assert "a request failed: KeyError at " in said
    assert "secret" not in said
    assert "Traceback" not in said
