"""Time and number: slow and absent callers, full queues, deadlines, and the end."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatbot.serving.options import Options
from chatbot.serving.page_files import PageFile
from chatbot.serving.server import listen
from tests.serving.servers import (
    CHAT,
    SECONDS,
    PaperServer,
    Running,
    SlowBot,
    read_all,
    serve_paper,
    start_process,
    start_server,
)


@pytest.fixture(scope="module")
def hasty() -> Iterator[PaperServer]:
    """A server that loses its patience soon."""
    with serve_paper(read_timeout=0.3) as running:
        yield running


def head(server: Running, length: int) -> bytes:
    return (
        f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("request_part", [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\nA: b"])
def test_half_a_header_is_not_waited_for(hasty: PaperServer, request_part: bytes) -> None:
    assert hasty.exchange(request_part) == b""


def test_a_header_that_trickles_is_not_waited_for_either(hasty: PaperServer) -> None:
    with hasty.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        connection.settimeout(0.05)
        begin = time.monotonic()
        while time.monotonic() < begin + SECONDS:
            try:
                connection.sendall(b"a: b\r\n")
                if connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:  # reset by the server
                break
        assert time.monotonic() < begin + SECONDS


def test_half_a_body_is_a_408(hasty: PaperServer) -> None:
    answer = hasty.exchange(head(hasty, 100) + b'{"model"')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"request_timeout"' in answer


def test_half_a_body_of_a_refused_request_is_not_waited_for(hasty: PaperServer) -> None:
    refused = head(hasty, 100).replace(b"application/json", b"text/plain")
    assert hasty.exchange(refused + b"x").startswith(b"HTTP/1.1 415 ")


def test_a_reader_that_does_not_read_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = {"big.js": PageFile(b"x" * (32 << 20), "text/javascript")}
    monkeypatch.setattr("chatbot.serving.routes.read_page", lambda: page)
    with (
        serve_paper(read_timeout=0.3) as running,
        running.connect() as connection,
    ):
        request = f"GET /page/big.js HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n\r\n"
        connection.sendall(request.encode())
        running.wait_for('chatbot_requests_total{path="/page/",status="200"} 1.0')
        limit = time.monotonic() + SECONDS
        while connection.getsockname() in running.list_callers():
            assert time.monotonic() < limit


def test_half_open_connections_do_not_keep_others_out() -> None:
    with (
        serve_paper(max_connections=8) as running,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(40):
            stack.enter_context(running.connect()).sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(5):
            assert running.chat().status == 200


def test_a_reply_that_takes_too_long_is_a_504() -> None:
    bot = SlowBot()
    with serve_paper(bot, reply_timeout=0.1) as running:
        answer = running.chat()
        assert (answer.status, answer.code) == (504, "timeout")
        bot.gate.set()
        assert running.chat().status == 200


def test_who_has_gone_is_dropped() -> None:
    bot = SlowBot()
    with serve_paper(bot) as running, running.begin_chat("first"):
        assert bot.started.acquire(timeout=SECONDS)
        gone = running.begin_chat("gone")
        with running.begin_chat("third") as third:
            running.wait_for("chatbot_waiting_requests 2.0")
            # Closed with a reset, as by a process that was killed.
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            gone.close()
            running.wait_for('chatbot_requests_total{path="/v1/chat/completions",status="499"} 1.0')
            bot.gate.set()
            assert read_all(third).startswith(b"HTTP/1.1 200 OK\r\n")
    assert bot.asked == [1, 1]  # queries of each search


def test_those_who_wait_are_answered_together_each_with_its_own_reply() -> None:
    bot = SlowBot()
    with serve_paper(bot) as running, contextlib.ExitStack() as stack:
        first = stack.enter_context(running.begin_chat("first"))
        assert bot.started.acquire(timeout=SECONDS)
        texts = [f"number {number}" for number in range(20)]
        others = [stack.enter_context(running.begin_chat(text)) for text in texts]
        running.wait_for("chatbot_waiting_requests 20.0")
        bot.gate.set()
        for connection, text in zip([first, *others], ["first", *texts]):
            content = read_all(connection).partition(b"\r\n\r\n")[2]
            assert json.loads(content)["choices"][0]["message"]["content"] == text[::-1]
    assert bot.asked == [1, 20]


def test_each_search_has_its_turn() -> None:
    bot = SlowBot()
    with serve_paper(bot) as running, contextlib.ExitStack() as stack:
        stack.enter_context(running.begin_chat())
        assert bot.started.acquire(timeout=SECONDS)
        for count, waiting in ((2, 100), (4, 1)):
            for _ in range(waiting):
                stack.enter_context(running.begin_chat(n=count, temperature=1, seed=1))
            running.wait_for(f"chatbot_waiting_requests {100 + (count == 4)}.0")
        bot.gate.set()
        running.wait_for("chatbot_waiting_requests 0.0")
        running.wait_for('chatbot_requests_total{path="/v1/chat/completions",status="200"} 102.0')
    assert bot.asked == [1, 64, 1, 36]


def test_equal_queries_without_a_seed_do_not_share_one() -> None:
    bot = SlowBot()
    with serve_paper(bot) as running, contextlib.ExitStack() as stack:
        stack.enter_context(running.begin_chat())
        assert bot.started.acquire(timeout=SECONDS)
        for _ in range(3):
            stack.enter_context(running.begin_chat(temperature=1))
        running.wait_for("chatbot_waiting_requests 3.0")
        bot.gate.set()
        running.wait_for('chatbot_requests_total{path="/v1/chat/completions",status="200"} 4.0')
    seeds = {settings["sampling_seed"] for settings in bot.settings[1:]}
    assert (bot.asked, len(seeds)) == ([1, 1, 1, 1], 3)


def test_while_models_are_loaded_there_is_a_503() -> None:
    gate = threading.Event()
    with serve_paper(load_gate=gate) as running:
        ready = running.get("/health/ready")
        assert (ready.status, ready.json) == (503, {"status": "loading"})
        assert running.get("/health/live").status == 200
        for answer in (running.chat(), running.get("/v1/models"), running.get("/api/model")):
            assert (answer.status, answer.code) == (503, "unavailable")
            assert answer.headers["retry-after"] == "1"
        gate.set()
        running.wait_for("chatbot_ready 1.0")
        assert running.chat().status == 200


def test_the_end_answers_what_was_accepted_and_refuses_what_comes() -> None:
    bot = SlowBot()
    with serve_paper(bot) as running, running.begin_chat("first") as first:
        assert bot.started.acquire(timeout=SECONDS)
        with running.begin_chat("second") as second:
            running.wait_for("chatbot_waiting_requests 1.0")
            running.stop()
            while running.get("/health/ready").status == 200:
                pass
            late = running.chat("late")
            assert (late.status, late.code) == (503, "unavailable")
            assert late.headers["connection"] == "close"
            assert running.get("/health/live").status == 200
            bot.gate.set()
            for connection in (first, second):
                assert read_all(connection).startswith(b"HTTP/1.1 200 OK\r\n")
    assert bot.asked == [1, 1]


def test_a_process_ends_well_by_either_signal(model_dirs: list[Path]) -> None:
    with start_server(model_dirs[0]) as running:  # looks at the exit status itself
        assert running.chat().status == 200
        assert running.process is not None
        running.process.send_signal(2)
        running.process.wait(SECONDS)


def test_what_a_person_can_mend_is_one_line_and_status_2(
    model_dirs: list[Path], tmp_path: Path
) -> None:
    model = f"--model_dir={model_dirs[0]}"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for arguments, said in (
            ([model, f"--port={taken.getsockname()[1]}"], "cannot be listened on"),
            ([model, "--host=192.0.2.1"], "--api_key_file"),
            ([model, "--host=no.such.host.invalid", f"--api_key_file={tmp_path}/no"], "cannot be"),
            ([model, model], "would both be called small"),
            ([f"--model_dir={tmp_path}"], str(tmp_path)),
            ([model, "--port=x"], "--port"),
        ):
            with start_process(*arguments) as process:
                output, errors = process.communicate(timeout=SECONDS)
            assert (process.returncode, output) == (2, "")
            assert errors.startswith("serve.py: ")
            assert said in errors
            assert "while attempting" not in errors
            assert errors.count("\n") == 1


def test_no_request_imports_tensorflow(model_dirs: list[Path]) -> None:
    program = (
        "import sys\n"
        "from chatbot.serving import server, models\n"
        "bots = models.load_models({'small': sys.argv[1]})\n"
        "models.ReplyWork(bots['small']).run([('hello',)])\n"
        "print('tensorflow' in sys.modules)\n"
    )
    command = [sys.executable, "-c", program, str(model_dirs[0])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    assert done.stdout == "False\n"


def test_a_client_may_keep_its_connection_and_send_ahead(server: Running) -> None:
    request = server.write_chat()
    with server.connect() as connection:
        connection.sendall(request * 3)
        received = b""
        while received.count(b"HTTP/1.1 200 OK\r\n") < 3 or not received.endswith(b"}}"):
            received += connection.recv(1 << 16)


def test_no_part_of_an_answer_waits_for_the_receipt_of_another() -> None:
    with listen(Options(port=0)) as listener:
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
