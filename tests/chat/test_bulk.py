from __future__ import annotations

import io
import json
import os
import threading
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chatbot.bot import Chatbot, Reply
from chatbot.chat import bulk, loading
from chatbot.chat.answer import Answer
from chatbot.chat.bulk import answer_lines, answer_windows, write_answer
from chatbot.errors import ChatbotError
from chatbot.system import lines as streams
from chatbot.system.lines import LineReader, open_lines
from chatbot.system.terminal import UNSAFE
from tests.helpers_chat import PaperBot, make_directory, make_hostile_lines, read_line

HI = Reply("hi", -1.5, -1.25)


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> PaperBot:
    """In place of a loaded model."""
    bot = PaperBot()
    monkeypatch.setattr(bulk, "load_and_trace", lambda *_: bot)
    return bot


def answer(bot: Any, content: bytes, directory: Path) -> list[Any]:
    """Answers a file's lines and reads the objects back, a line each."""
    path = directory / "in"
    path.write_bytes(content)
    output = io.BytesIO()
    with open_lines(str(path)) as reader:
        answer_windows(bot, reader, output.write, len_of)
    written = output.getvalue()
    assert written == b"" or written.endswith(b"\n")
    return [json.loads(line) for line in written.split(b"\n")[:-1]]


def len_of(_: int) -> None:
    return None


def test_the_object_is_exactly_the_promised_one() -> None:
    assert (
        write_answer("hello", Answer(HI, [HI, Reply("你好", -2.0, -1.5)], "beam"))
        == (
            '{"query": "hello", "greedy": {"reply": "hi", "log_prob": -1.5}, "beam": ['
            '{"reply": "hi", "log_prob": -1.5, "score": -1.25}, '
            '{"reply": "你好", "log_prob": -2.0, "score": -1.5}]}\n'
        ).encode()
    )


@given(
    st.text() | st.text(st.sampled_from('\ud800\udfff\x1b\x9b\u202e\u2028\x7f\x00\U000e0041"\\a'))
)
def test_any_text_comes_back_and_nothing_unsafe_is_written(query: str) -> None:
    written = write_answer(query, Answer(HI, [], "beam")).decode()
    assert written.count("\n") == 1
    assert UNSAFE.search(written[:-1]) is None
    # JSON has no way to keep two lone surrogates apart from the character that they are halves of.
    together = query.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert json.loads(written)["query"] == together


@given(
    content=st.binary(max_size=80)
    | st.lists(st.sampled_from([b"\n", b"a", b"\r", b"\xe4"])).map(b"".join)
)
def test_every_line_has_its_object_in_order(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assume(not content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")))
    expected = [read_line(line) for line in content.split(b"\n")]
    if content.endswith(b"\n") or not content:
        expected.pop()
    answers = answer(PaperBot(), content, tmp_path_factory.getbasetemp())
    assert [found["query"] for found in answers] == expected
    for found in answers:
        assert list(found) == ["query", "greedy", "beam"]
        assert found["greedy"] == {"reply": found["query"][::-1], "log_prob": -0.125}
        assert [reply["log_prob"] for reply in found["beam"]] == [-0.125, -1.125, -2.125]


def test_a_thousand_hostile_lines(bot: Chatbot, tmp_path: Path) -> None:
    hostile = make_hostile_lines(1000)
    answers = answer(bot, b"\n".join(hostile), tmp_path)
    assert [found["query"] for found in answers] == [read_line(line) for line in hostile]
    for found in answers:
        assert isinstance(found["greedy"]["log_prob"], float)
        assert 1 <= len(found["beam"]) <= 3
        scores = [reply["score"] for reply in found["beam"]]
        assert scores == sorted(scores, reverse=True)


def test_without_beam_search_the_beam_is_empty(tmp_path: Path) -> None:
    assert answer(PaperBot(beam_search=False), b"hello\n", tmp_path)[0]["beam"] == []


def test_memory_is_bounded_by_the_window(bot: Chatbot, tmp_path: Path) -> None:
    worst = b"\x00" * (1 << 20) + "👍".encode()  # each byte six characters of four bytes each
    answer(bot, b"hello\n", tmp_path)
    peaks = []
    for content in (worst, (worst + b"\n") * 4):
        (tmp_path / "in").write_bytes(content)
        tracemalloc.start()
        with open_lines(str(tmp_path / "in")) as reader:
            answer_windows(bot, reader, len, len_of)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < 64 << 20
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize(
    "line", [b"\xef\xb7\xba" * 350_000, b"hello " * 175_000, b"x" * (1 << 20)], ids=len
)
def test_a_line_of_a_megabyte_takes_bounded_time(bot: Chatbot, tmp_path: Path, line: bytes) -> None:
    answer(bot, b"hello\n", tmp_path)
    begin = time.process_time()
    (found,) = answer(bot, line, tmp_path)
    assert found["query"] == line.decode()
    assert time.process_time() - begin < 5.0


def test_a_line_that_is_too_long_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_LINE", 10)
    with pytest.raises(ChatbotError, match=r"in:2 has more than"):
        answer(PaperBot(), b"short\n" + b"x" * 11 + b"\n", tmp_path)


def test_an_answer_does_not_wait_for_the_next_line() -> None:
    (source, sink), (answers, out) = os.pipe(), os.pipe()
    reader = LineReader(source, "pipe")
    arguments = (PaperBot(), reader, lambda content: os.write(out, content), len_of)
    talker = threading.Thread(target=answer_windows, args=arguments)
    talker.start()
    for query in ("one", "two", "three"):
        os.write(sink, f"{query}\n".encode())
        assert json.loads(os.read(answers, 10_000))["query"] == query
    os.close(sink)
    talker.join()
    for descriptor in (source, answers, out):
        os.close(descriptor)


def test_windows_are_batches(tmp_path: Path) -> None:
    bot = PaperBot()
    answer(bot, b"hello\n" * 1200, tmp_path)
    assert bot.asked == [512, 512, 512, 512, 176, 176]


def test_files_are_answered_whole(paper: PaperBot, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes("hello\n你好".encode())
    assert answer_lines(str(source), str(target), "model") == 0
    found = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [item["greedy"]["reply"] for item in found] == ["olleh", "好你"]
    answer_lines(str(source), str(source), "model")  # onto itself
    assert source.read_bytes() == target.read_bytes()


def test_a_failure_leaves_the_old_answers(
    paper: PaperBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(queries: Sequence[str], **settings: object) -> None:
        raise ChatbotError("no more")

    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(b"hello\n")
    target.write_bytes(b"old")
    monkeypatch.setattr(paper, "replies", fail)
    with pytest.raises(ChatbotError, match="no more"):
        answer_lines(str(source), str(target), "model")
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


@pytest.mark.parametrize(("source", "target"), [("missing", "out"), ("in", "missing/out")])
def test_files_are_refused_before_the_model_is_loaded(
    source: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").touch()
    monkeypatch.setattr(bulk, "load_and_trace", lambda *_: pytest.fail("it was loaded"))
    with pytest.raises(ChatbotError, match="missing"):
        answer_lines(str(tmp_path / source), str(tmp_path / target), "model")


def test_a_bad_directory_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        loading, "_leave_graphs_alone", lambda: None
    )  # other tests share TensorFlow
    make_directory(tmp_path / "model")
    (tmp_path / "model" / "ckpt-1.index").unlink()
    (tmp_path / "in").touch()
    with pytest.raises(ChatbotError, match="every checkpoint in"):
        answer_lines(str(tmp_path / "in"), str(tmp_path / "out"), str(tmp_path / "model"))
    assert not (tmp_path / "out").exists()
