"""serve.py among slow, broken, hostile and impatient callers: every request is answered or refused.

The fixtures start real processes, which must end with status 0 and may not have said anything.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import random
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatbot.settings.config import SearchConfig
from tests.helpers_chat import load_bot, make_hostile_lines, read_line
from tests.reliability.conftest import Tally
from tests.serving.servers import CHAT, SECONDS, Running, make_chat, read_all, start_server

SLOW, BROKEN, ENDS = "slow callers", "malformed requests", "requests when a server ends"
RANDOM, VANISHED = "random requests", "requests without the model directory"
COUNT = 10_000


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "small"
    load_bot(path, "onnx")
    return path


@pytest.fixture(scope="module")
def server(model_dir: Path) -> Iterator[Running]:
    with start_server(model_dir) as running:
        yield running


def test_slow_and_half_open_callers_keep_nobody_out(model_dir: Path, tally: Tally) -> None:
    flags = ["--max_connections=50", "--read_timeout=1"]
    with start_server(model_dir, flags=flags) as running, contextlib.ExitStack() as stack:
        whole = running.write_chat()
        parts = [b"", b"GET", whole[:40], whole[:-1], whole[: whole.index(b"\r\n\r\n") + 4]]
        slow = []
        for number in range(200):
            with tally.trying(SLOW):
                connection = stack.enter_context(running.connect())
                with contextlib.suppress(OSError):  # the server may have closed it already
                    connection.sendall(parts[number % len(parts)])
                slow.append(connection)
                if number % 4 == 0:
                    assert running.chat().status == 200
        for connection in slow:
            with tally.trying(SLOW):
                assert read_all(connection)[:12] in (b"", b"HTTP/1.1 408")


def list_malformed(server: Running) -> list[bytes]:
    """Requests that are wrong in themselves, or too large."""
    host = f"Host: 127.0.0.1:{server.port}\r\n".encode()
    post = (
        b"POST " + CHAT.encode() + b" HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
    )
    get = b"GET /v1/models HTTP/1.1\r\n" + host
    bodies = [b"", b"{", b"\xff", b"[" * 60_000, b'{"n":1e999}', b"null", b"x" * 70_000]
    lengths = [b"-1", b"x", b"1, 2", b"1e3", b"9" * 30, b"0x10", b"\xb2"]
    return [
        *(post + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in bodies),
        *(post + b"Content-Length: " + length + b"\r\n\r\n{}" for length in lengths),
        *(line + b"\r\n\r\n" for line in (b"", b"\x00", b"GET", b"GET /", b"GET / HTTP/9.9")),
        post + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        post + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        post + b"Transfer-Encoding: gzip\r\n\r\n{}",
        *(
            get + line + b"\r\n\r\n"
            for line in (b"no colon", b": x", b"a b: c", b"x: \x00", b" y: z")
        ),
        get + b"X: " + b"x" * 300_000 + b"\r\n\r\n",
        get + b"".join(b"X%d: y\r\n" % number for number in range(3000)) + b"\r\n",
        get + b"Host: evil.example\r\n\r\n",
        get + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        get + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + host + b"\r\n",
        b"GET http://evil.example/v1/models HTTP/1.1\r\n" + host + b"\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\n" + host + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,  # TLS
        *(line + b"\n" for line in make_hostile_lines(200)),
    ]


def test_malformed_and_oversized_requests_are_refused(server: Running, tally: Tally) -> None:
    for request in list_malformed(server):
        with tally.trying(BROKEN), server.connect() as connection:
            with contextlib.suppress(OSError):  # the server may close before it has read all
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
            answer = read_all(connection)
            assert answer == b"" or b"200" <= answer[9:12] < b"500", request[:200]
    assert server.chat().status == 200


def test_sigterm_under_load_loses_nothing(model_dir: Path, tally: Tally) -> None:
    for number in range(5):
        with start_server(model_dir) as running, contextlib.ExitStack() as stack:
            assert running.process is not None
            chats = [stack.enter_context(running.begin_chat(f"hello {x}")) for x in range(100)]
            assert chats[10 * number].recv(1, socket.MSG_PEEK) == b"H"  # the first bytes are there
            running.process.send_signal(signal.SIGTERM)
            statuses = []
            for connection in chats:
                with tally.trying(ENDS):
                    answer = read_all(connection)
                    statuses.append(answer[9:12])
                    assert statuses[-1] == b"200" or b'"code":"unavailable"' in answer
            assert statuses.count(b"200") > 10 * number
            assert running.process.wait(SECONDS) == 0


def test_a_model_directory_may_vanish(model_dir: Path, tmp_path: Path, tally: Tally) -> None:
    copy = tmp_path / "small"
    shutil.copytree(model_dir, copy)
    with start_server(copy) as running:
        lines = [read_line(line)[:1000] for line in make_hostile_lines(60)]
        before = [running.chat(line).json["choices"] for line in lines]
        shutil.rmtree(copy)
        for line, choices in zip(lines, before):
            with tally.trying(VANISHED):
                assert running.chat(line).json["choices"] == choices
        assert running.get("/health/ready").status == 200


def draw_request(generator: random.Random, server: Running) -> tuple[str, bytes]:
    """A method, and a request that HTTP takes, and the server perhaps."""
    choose = generator.choice
    values: list[Any] = [None, 0, -1, 1, 3, 2.5, 1e300, True, "", "x", [], {}, [None], "你" * 99]
    paths = [*PATHS, "/" + "".join(chr(generator.randrange(33, 127)) for _ in range(9))]
    body = make_chat(choose(["hello", "你好", "\ud800", "hi " * 99]))
    body.update(turns=["hello", choose(["", "\ud800", "你好"])], settings={}, prefix=[])
    for _ in range(generator.randrange(3)):
        body[choose(FIELDS)] = choose(values)
    if generator.random() < 0.2:
        body["settings"] = {choose(SETTINGS): choose(values)}
        body["prefix"] = [choose(["hi", "zzz", "", "<eos>"])]
        body["messages"] = [choose([*values, {"role": "user", "content": choose(values)}])]
    content = json.dumps(body).encode()
    if generator.random() < 0.1:
        content = content[: generator.randrange(len(content))]
    method = choose(["POST"] * 6 + ["GET"] * 4 + ["HEAD", "PUT", "OPTIONS", "PATCH", "X-Y"])
    path = choose([CHAT, CHAT, "/api/compare"] if method == "POST" else paths)
    path = path if generator.random() < 0.8 else choose(paths)
    kind = "application/json" if generator.random() < 0.9 else choose(["text/plain", "", "json"])
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(content)}",
        *(["Origin: http://evil.example"] if generator.random() < 0.05 else []),
        *(["Authorization: Bearer x"] if generator.random() < 0.1 else []),
    ]
    return method, "\r\n".join([*lines, "", ""]).encode() + content


PATHS = (
    *("/", "/page/index.html", "/page/..%2f..", "/v1/models", "/v1//models", "/v1/models/small"),
    *("/v1/models/%00", "/v1", "//", "/health/live", "/health/ready", "/metrics", "/openapi.json"),
    *("/api/model", "/api/compare"),
    *("/v1/completions", "/v1/chat/completions?x=%ff", "/%ff%fe", "/?a=b#c", "/v1/models/%2e%2e"),
)
SETTINGS = [item.name for item in dataclasses.fields(SearchConfig)] + ["no_such"]
FIELDS = (
    *("model", "messages", "temperature", "top_p", "n", "seed", "max_tokens", "stop", "stream"),
    *("stream_options", "user", "max_completion_tokens", "turns", "settings", "prefix"),
)


def test_random_requests_are_all_answered(server: Running, tally: Tally) -> None:
    generator = random.Random(16)
    connection, statuses = server.connect(), set()
    for _ in range(COUNT):
        method, request = draw_request(generator, server)
        with tally.trying(RANDOM):
            connection.sendall(request)
            answer = http.client.HTTPResponse(connection, method=method)
            answer.begin()
            content = answer.read()
            statuses.add(answer.status)
            assert answer.status < 500, (request, content)
            if answer.status >= 400 and method != "HEAD":
                assert json.loads(content)["error"]["code"], request
        if answer.will_close:
            connection.close()
            connection = server.connect()
    connection.close()
    assert {200, 400, 403, 404, 405, 415} <= statuses
