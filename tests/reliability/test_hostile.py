"""Hostile lines through real processes: an answer each, nothing else, in bounded memory and time.

**The bounds**, for lines of up to 1 MB: `MEMORY` besides what a plain line takes, `SLOWEST` for any
line, `MEAN` for one on average.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from chatbot.bot import Chatbot
from chatbot.dataset import EncodingConfig, encode_corpus
from chatbot.network.seq2seq import Seq2Seq
from chatbot.storage.model_directory import ModelDirectory
from chatbot.system.terminal import UNSAFE
from chatbot.text import EOS, GO, PAD, SEP, SPECIAL_TOKENS, Vocabulary, tokenize
from tests.helpers_chat import CONFIG, ROOT, read_line, run_predict
from tests.reliability.conftest import Tally
from tests.reliability.hostile_lines import ESCAPES, list_hostile_lines, list_special_lines
from tests.terminals import Terminal

ROW = "hostile lines"
MEMORY = 256 << 20  # bytes
SLOWEST, MEAN = 5.0, 0.1  # seconds
# Every piece of a typed special token is a word of this model, so that nothing hides in <unk>.
WORDS = (*SPECIAL_TOKENS, *"hello hi you are . , ? < > pad go eos unk sep 你 好".split())


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "model"
    directory = ModelDirectory(path)
    directory.create(CONFIG, Vocabulary(WORDS))
    model = Seq2Seq(CONFIG.model, len(WORDS))
    generator = np.random.default_rng(4)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0.0, 0.7, variable.shape))
    directory.save(tf.train.Checkpoint(model=model), "ckpt", 1, {})
    Chatbot.load(path)  # writes the graphs that replies are read from
    return path


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    listed = list_hostile_lines()
    assert len(listed) >= 1000
    assert sum(len(line) >= 1_000_000 for line in listed) >= 8
    return listed


class Talk(NamedTuple):
    """What came of a conversation through pipes.

    Attributes:
        answers: What was written for each line.
        status: The exit status.
        complaints: Everything on standard error.
        growth: Bytes of memory that the lines took besides what the first, a plain one, took.
        pauses: Seconds before each answer, the first left out.
    """

    answers: list[bytes]
    status: int
    complaints: bytes
    growth: int
    pauses: list[float]


def read_peak(process: int) -> int:
    """The most memory that a process has ever had, in bytes."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) << 10


class Talker:
    """predict.py with pipes on all sides."""

    def __init__(self, process: subprocess.Popen[bytes], end: bytes) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.input, self.output, self.errors = process.stdin, process.stdout, process.stderr
        self.process = process
        self._end = end
        self._rest = b""

    def send(self, lines: Sequence[bytes]) -> None:
        self.input.write(b"".join(line + b"\n" for line in lines))
        self.input.flush()

    def read_answers(self, count: int) -> Iterator[tuple[bytes, float]]:
        """Yields answers and when they came."""
        pieces = [self._rest]
        while count:
            piece = os.read(self.output.fileno(), 1 << 20)
            if not piece:
                return
            now = time.monotonic()
            # The end of an answer may stand across two pieces.
            *whole, rest = (pieces.pop() + piece).split(self._end)
            if whole:
                whole[0] = b"".join(pieces) + whole[0]
                pieces = []
            pieces.append(rest)
            for answer in whole[:count]:
                yield answer, now
            count -= min(count, len(whole))
        self._rest = b"".join(pieces)


def talk(model_dir: Path, lines: Sequence[bytes], end: bytes, *flags: str) -> Talk:
    """Says a plain line, then all lines at once; reads an answer each, then ends the input."""
    pipe = subprocess.PIPE
    arguments = [sys.executable, "predict.py", f"--model_dir={model_dir}", *flags]
    with subprocess.Popen(arguments, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        guard = threading.Timer(150, process.kill)
        guard.start()
        talker = Talker(process, end)
        talker.send([b"hello"])
        ((_, begin),) = talker.read_answers(1)
        before = read_peak(process.pid)
        sender = threading.Thread(target=talker.send, args=(lines,))
        sender.start()
        came = list(talker.read_answers(len(lines)))
        sender.join()
        growth = read_peak(process.pid) - before
        rest, complaints = process.communicate()
        guard.cancel()
    assert rest == b""
    times = [begin, *(when for _, when in came)]
    pauses = [after - before for before, after in itertools.pairwise(times)]
    return Talk([text for text, _ in came], process.returncode, complaints, growth, pauses)


def assert_bounded(outcome: Talk, tally: Tally) -> None:
    tally.read(outcome.complaints)
    assert (outcome.status, outcome.complaints) == (0, b"")
    assert outcome.growth < MEMORY
    assert max(outcome.pauses) < SLOWEST
    assert sum(outcome.pauses) < MEAN * len(outcome.pauses)


def count_answered(
    tally: Tally, lines: Sequence[bytes], answers: Sequence[bytes], fits: Callable[..., bool]
) -> None:
    """Counts each line whose answer is the one that is due; all must be."""
    answered = [fits(line, answer) for line, answer in zip(lines, answers)]
    tally.add(ROW, len(lines), sum(answered))
    assert len(answers) == len(lines)
    assert all(answered), [line[:60] for line, good in zip(lines, answered) if not good]


def is_object_of(line: bytes, answer: bytes) -> bool:
    """Tells whether an answer in JSON is the promised object of this very line."""
    found = json.loads(answer)
    return (
        list(found) == ["query", "greedy", "beam"]
        and found["query"] == read_line(line)
        and isinstance(found["greedy"]["log_prob"], float)
        and 1 <= len(found["beam"]) <= 3
        and UNSAFE.search(answer.decode()) is None
    )


def is_shown_safely(line: bytes, answer: bytes) -> bool:
    """Tells whether an answer of the chat is one of its kinds and nothing in it is obeyed."""
    text = answer.decode()
    begins = text.startswith(("greedy", "that was long: only", "say something, or /help", "/"))
    return begins and bool(text) and UNSAFE.search(text.replace("\n", "")) is None


def test_every_line_through_a_pipe_has_its_object_in_order(
    model_dir: Path, lines: list[bytes], tally: Tally
) -> None:
    outcome = talk(model_dir, lines, b"\n", "--input=-")
    count_answered(tally, lines, outcome.answers, is_object_of)
    assert_bounded(outcome, tally)


def test_every_line_of_a_chat_has_its_answer(
    model_dir: Path, lines: list[bytes], tally: Tally
) -> None:
    outcome = talk(model_dir, lines, b"\n\n")
    count_answered(tally, lines, outcome.answers, is_shown_safely)
    assert_bounded(outcome, tally)


def test_every_line_of_a_file_has_its_object_in_a_file(
    model_dir: Path, lines: list[bytes], tmp_path: Path, tally: Tally
) -> None:
    short = [line for line in lines if len(line) < 100_000]
    (tmp_path / "in").write_bytes(b"\n".join(short))
    done = run_predict(
        f"--model_dir={model_dir}", f"--input={tmp_path / 'in'}", f"--output={tmp_path / 'out'}"
    )
    tally.read(done.stderr)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    answers = (tmp_path / "out").read_bytes().split(b"\n")
    assert answers.pop() == b""
    count_answered(tally, short, answers, is_object_of)


def test_lines_pasted_on_a_terminal_are_answered_and_not_obeyed(
    model_dir: Path, lines: list[bytes], tmp_path: Path, tally: Tally
) -> None:
    sample = [line[:500] for line in lines if 0 < len(line) < 2000]
    sample = [*ESCAPES[:-1], *list_special_lines()[::7], *sample[::41]]
    terminal = Terminal(model_dir, tmp_path)
    try:
        terminal.wait_for(b"> ")
        shown = b""
        for number, line in enumerate(sample):
            # As terminals hand over what is pasted: between brackets, not as keys.
            terminal.type(b"\x1b[200~%d? " % number + line + b"\x1b[201~\r")
            shown += terminal.wait_for(b"beam 3") + terminal.wait_for(b"\x1b[?2004h")
        terminal.type(b"\x04")
        assert terminal.wait() == 0
    finally:
        os.close(terminal.keyboard)
    shown += terminal.shown
    tally.read(shown)
    obeyed = rb"\x1b\[(?:6n|2J|31m|\?1049h)|\x1b[\]P_^c(#]|\x9b31|\xc2[\x80-\x9f]"
    assert re.search(obeyed, shown) is None
    tally.add(ROW, len(sample), shown.count(b"greedy "))
    assert shown.count(b"greedy ") == len(sample)


def test_a_typed_special_token_is_answered_as_its_signs(
    model_dir: Path, tmp_path: Path, tally: Tally
) -> None:
    queries = [[f"<{name}>", f"< {name} >", f"<{name.upper()}>"] for name in ("pad", "go", "eos")]
    lines = [query.encode() for group in queries for query in group]
    outcome = talk(model_dir, [*lines, b""], b"\n", "--input=-")
    replies = [json.loads(answer)["greedy"] for answer in outcome.answers]
    tally.add(ROW, len(lines) + 1, len(replies))
    for first in range(0, len(lines), 3):
        assert len({reply["reply"] for reply in replies[first : first + 3]}) == 1
        log_probs = [reply["log_prob"] for reply in replies[first : first + 3]]
        assert log_probs == pytest.approx([log_probs[0]] * 3, abs=1e-4)
    assert len({round(reply["log_prob"], 3) for reply in replies[::3]}) == 4


TYPED = st.sampled_from(
    [*SPECIAL_TOKENS, "<", ">", "eos", "\u200b", " ", "\uff1c", "\uff1e", "PAD"]
)


@given(st.text() | st.lists(TYPED).map("".join))
def test_no_text_becomes_a_special_token(text: str) -> None:
    ids = Vocabulary(WORDS).encode(tokenize(text))
    assert not {PAD, GO, EOS, SEP} & set(ids)


def test_special_tokens_in_a_corpus_are_learned_as_their_signs(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("<go> hello\t<eos> <pad>\n", encoding="utf-8")
    corpus, _, words = encode_corpus(tmp_path / "a.tsv", "tsv", tmp_path, EncodingConfig())
    batch = corpus.batch(np.array([0]))
    assert words.decode(batch.query_ids[0]) == ["<", "go", ">", "hello"]
    assert words.decode(batch.reply_ids[0]) == ["<", "eos", ">", "<", "pad", ">", "<eos>"]


@pytest.fixture(scope="module")
def bot(model_dir: Path) -> Chatbot:
    return Chatbot.load(model_dir)


@given(st.text(max_size=60) | st.lists(TYPED).map("".join))
def test_any_text_is_read_as_known_ids_of_no_special_token(bot: Chatbot, text: str) -> None:
    read = bot.read(text)
    assert 1 <= len(read.ids) <= 8
    assert all(token < len(WORDS) and token not in (PAD, GO, EOS, SEP) for token in read.ids)
