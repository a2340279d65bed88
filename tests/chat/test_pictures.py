from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatbot.beam_tree import Branch, find_path
from chatbot.bot import Chatbot, Reply
from chatbot.chat.answer import answer
from chatbot.chat.pictures import Pictures
from chatbot.errors import ChatbotError
from chatbot.text import SPECIAL_TOKENS, Vocabulary
from tests.helpers_chat import (
    CONFIG,
    WORDS,
    make_directory,
    make_model,
    run_predict,
    wrap_model,
)

PNG = b"\x89PNG\r\n\x1a\n"
QUERY = "hello you are pip"


def test_attention_adds_up_for_every_token_of_the_reply(bot: Chatbot) -> None:
    for reply in [bot.greedy(QUERY), *bot.reply(QUERY)]:
        found = bot.attend(QUERY, reply)
        assert found.query_tokens == QUERY.split()
        assert found.reply_tokens == [*reply.tokens, "<eos>"]
        assert found.weights.shape == (len(found.reply_tokens), 4)
        np.testing.assert_allclose(found.weights.sum(axis=1), 1.0, atol=1e-5)


def walk(tree: list[list[Branch]]) -> Iterator[tuple[tuple[str, ...], float]]:
    """The kept replies of a tree, with their log probabilities."""
    beam: list[tuple[str, ...]] = [()]
    for step, branches in enumerate(tree):
        following = []
        for branch in branches:
            words = beam[branch.parent]
            if branch.kept:
                ended = words[-1:] == (SPECIAL_TOKENS[2],)
                following.append(words if ended else (*words, branch.text))
                if step == len(tree) - 1:
                    yield following[-1][:-1], branch.log_prob
        beam = following


@pytest.mark.parametrize("settings", [{}, {"beam_size": 5, "no_repeat_ngram": 1, "ban_unk": False}])
def test_the_tree_ends_in_the_beams_replies(bot: Chatbot, settings: dict[str, Any]) -> None:
    tree = bot.trace_beam(QUERY, **settings)
    replies = bot.reply(QUERY, **settings)
    found = dict(walk(tree))
    assert set(found) == {reply.tokens for reply in replies}
    if settings:  # nothing is forbidden, so the log probabilities are the model's own
        return
    plain = bot.trace_beam(QUERY, ban_unk=False)
    for words, log_prob in walk(plain):
        (reply,) = [r for r in bot.reply(QUERY, ban_unk=False) if r.tokens == words]
        assert log_prob == pytest.approx(reply.log_prob, abs=1e-4)
    for branches in tree:
        dropped = [b.log_prob for b in branches if not b.kept]
        kept = [b.log_prob for b in branches if b.kept]
        assert kept == sorted(kept, reverse=True)
        assert max(dropped, default=-np.inf) <= min(kept)
    for reply in replies:
        step, place = find_path(tree, reply.tokens) or (-1, -1)
        assert tree[step][place].ended


def test_a_path_that_is_not_there_is_none() -> None:
    tree = [
        [Branch(0, "I", -1.0, True, False), Branch(0, "<eos>", -2.0, True, True)],
        [Branch(0, "<eos>", -1.5, True, True), Branch(1, "<eos>", -2.0, True, True)],
    ]
    assert find_path(tree, ["I"]) == (1, 0)
    assert find_path(tree, []) == (0, 1)
    assert find_path(tree, ["I", "am"]) is None
    assert find_path([], ["I"]) is None


def test_pictures_are_numbered_on_and_none_is_overwritten(bot: Chatbot, tmp_path: Path) -> None:
    found = answer(bot, [QUERY])[0]
    for first in (1, 3):
        pictures = Pictures(str(tmp_path / "a"), str(tmp_path / "b"))
        for _ in range(2):
            assert pictures.draw(bot, QUERY, found) == []
        names = {path.name for path in (tmp_path / "a").iterdir()}
        assert f"{first:04}-greedy.png" in names
        assert f"{first + 1:04}-beam-1.png" in names
    assert len(names) == 8
    assert all((tmp_path / "a" / name).read_bytes().startswith(PNG) for name in names)
    trees = sorted(path.name for path in (tmp_path / "b").iterdir())
    assert trees == [f"{number:04}-beam_tree.svg" for number in range(1, 5)]
    assert found.best.tokens[0] in (tmp_path / "b" / trees[0]).read_text(encoding="utf-8")


def test_a_missing_font_is_said_once(
    bot: Chatbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(path: str, *_: object) -> str:
        return f"{path} shows boxes"

    monkeypatch.setattr("chatbot.chat.pictures.draw_attention", draw)
    found = answer(bot, ["你好"])[0]
    pictures = Pictures(str(tmp_path))
    assert pictures.draw(bot, "你好", found) == [f"{tmp_path}/0001-greedy.png shows boxes"]
    assert pictures.draw(bot, "你好", found) == []


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for flag in ("attention_dir", "beam_tree_dir"):
        with pytest.raises(ChatbotError, match=rf"--{flag}=.*cannot be made or read.*name another"):
            Pictures(**{flag: str(tmp_path / "file" / "x")})


def test_a_model_without_attention_says_so() -> None:
    model = make_model()
    own = wrap_model(CONFIG.replace({"use_attention": False}), Vocabulary(WORDS), model)
    with pytest.raises(ChatbotError, match="no attention; train one with --use_attention"):
        own.attend("hello", Reply("hi", -1.0, -1.0, ("hi",)))


def test_predict_draws_samples_and_takes_a_seed(tmp_path: Path) -> None:
    make_directory(tmp_path / "model")
    (tmp_path / "in").write_text("hello\nyou\n", encoding="utf-8")
    done = run_predict(
        f"--model_dir={tmp_path / 'model'}",
        f"--input={tmp_path / 'in'}",
        "--sample",
        "--seed=4",
        "--temperature=2",
        "--beam_size=4",
        f"--attention_dir={tmp_path / '0'}",
    )
    assert done.returncode == 0, done.stderr
    written = [json.loads(line) for line in done.stdout.splitlines()]
    assert list(written[0]) == ["query", "greedy", "sample"]
    settings = {"sample": True, "temperature": 2.0, "beam_size": 4}
    bot = Chatbot.load(tmp_path / "model", settings)
    same, other, cold = (
        answer(bot, ["hello", "you"], changes)
        for changes in (
            {"sampling_seed": 4},
            {"sampling_seed": 5},
            {"sampling_seed": 4, "temperature": 1.0},
        )
    )
    for line, *found in zip(written, same, other, cold):
        assert all(each.greedy.text == line["greedy"]["reply"] for each in found)
    drawn = [[reply["reply"] for reply in line["sample"]] for line in written]
    assert drawn == [[reply.text for reply in each.others] for each in same]
    for changed in (other, cold):
        assert drawn != [[reply.text for reply in each.others] for each in changed]
    names = sorted(path.name for path in (tmp_path / "0").iterdir())
    assert names == [f"000{n}-{label}.png" for n in (1, 2) for label in ("greedy", "sample-1")]
