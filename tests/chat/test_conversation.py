from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatbot.bot import Chatbot, Reply
from chatbot.chat.conversation import COMMANDS, Conversation
from chatbot.chat.rows import MIN_WIDTH, lay_out
from chatbot.errors import ChatbotError
from chatbot.system.terminal import UNSAFE, count_columns
from tests.helpers_chat import CONFIG, PaperBot


def make_chat(**search: Any) -> Conversation:
    bot: Any = PaperBot(**search)
    return Conversation(lambda: bot)


def say(chat: Conversation, line: str) -> list[str]:
    return ["".join(part.text for part in row) for row in chat.answer(line)]


def test_a_line_is_answered_greedily_and_by_the_beam(chat: Conversation) -> None:
    assert say(chat, "hello") == [
        "greedy  olleh                                 log_prob -0.12",
        "beam 1  olleh                                 log_prob -0.12  score -0.10",
        "beam 2  olleh                                 log_prob -1.12  score -1.10",
        "beam 3  olleh                                 log_prob -2.12  score -2.10",
    ]


def test_without_beam_search_there_is_the_greedy_reply() -> None:
    assert len(say(make_chat(beam_search=False), "hello")) == 1


def test_wide_characters_line_up() -> None:
    texts = ["hi", "你好，我是皮皮。", "e\u0301a", "👍"]
    rows = lay_out(Reply("hi", -1.0, -1.0), [Reply(text, -1.0, -10.5) for text in texts])
    starts = {count_columns(row[0].text + row[1].text) for row in rows}
    assert starts == {8 + MIN_WIDTH}


def test_labels_and_numbers_line_up() -> None:
    beam = [Reply("x", -1.0 * 10**place, -0.001) for place in range(12)]
    rows = ["".join(part.text for part in row) for row in lay_out(Reply("x", 0.0, 0.0), beam)]
    assert len({row.index("x ") for row in rows}) == 1
    assert len({row.index("  score") for row in rows[1:]}) == 1
    assert "-0.00" not in "".join(rows)


def test_a_long_reply_is_shown_whole() -> None:
    (row,) = lay_out(Reply("word " * 40, -1.0, -1.0), [])
    assert row[1].text == "word " * 40


def test_a_reply_of_control_characters_is_harmless() -> None:
    (row,) = lay_out(Reply("\x1b[2J\u202e\x07", -1.0, -1.0), [])
    assert UNSAFE.search("".join(part.text for part in row)) is None


@pytest.mark.parametrize("line", ["", " ", "\t \r", "\u3000"])
def test_an_empty_line_is_one_hint(chat: Conversation, line: str) -> None:
    assert say(chat, line) == ["say something, or /help"]


def test_a_cut_line_is_answered_with_one_note(chat: Conversation) -> None:
    rows = say(chat, "word " * 10_000)
    assert rows[0] == "that was long: only its first 8 tokens were read"
    assert [row[:6] for row in rows[1:]] == ["greedy", "beam 1", "beam 2", "beam 3"]


def test_commands_change_the_search(chat: Conversation) -> None:
    assert say(chat, "/beam 7") == ["from now on the 7 best replies"]
    assert len(say(chat, "hello")) == 8
    assert len(say(chat, "/greedy")) == 1
    assert len(say(chat, "hello")) == 1
    assert len(say(chat, " /beam 2")) == 1, "a blank in front makes it a query"
    assert say(chat, "/BEAM  2") == ["from now on the 2 best replies"]
    assert len(say(chat, "hello")) == 3


def test_plain_goes_back_to_the_tutorials_searches(bot: Chatbot) -> None:
    changes = {"sample": True, "no_repeat_ngram": 1, "min_reply_length": 3, "mmi_weight": 1.0}
    changes |= {"coverage_penalty": 1.0, "beam_size": 4, "diverse_groups": 2}
    other = Chatbot(bot.config.replace(changes), bot.vocabulary, bot.searcher)
    chat, usual = Conversation(lambda: other), Conversation(lambda: bot)
    assert {row.split()[0] for row in say(chat, "hello")} == {"greedy", "sample"}
    say(chat, "/greedy")
    say(chat, "/plain")
    say(usual, "/beam 4")
    assert say(chat, "hello") == say(usual, "hello")
    say(chat, "/beam 2")
    assert len(say(chat, "hello")) == 3


@pytest.mark.parametrize("argument", ["", "0", "1001", "-1", "x", "1.5", "٣", "9" * 5000, "5 6"])
def test_a_bad_width_is_one_line_and_changes_nothing(chat: Conversation, argument: str) -> None:
    assert say(chat, f"/beam {argument}") == [
        "/beam takes a number between 1 and 1000, as in /beam 5"
    ]
    assert len(say(chat, "hello")) == 4


def ask_settings(chat: Conversation, line: str = "hello") -> dict[str, Any]:
    """Says something and returns what the last search was asked with."""
    say(chat, line)
    bot: Any = chat._find_bot()
    settings: dict[str, Any] = bot.settings[-1]
    return settings


def test_every_setting_of_the_search_is_a_command(chat: Conversation) -> None:
    lines = {
        "/set no_repeat_ngram 3": ("no_repeat_ngram", 3),
        "/set ban_unk=off": ("ban_unk", False),
        "/mmi_weight 0.5": ("mmi_weight", 0.5),
        "/Top_K 40": ("top_k", 40),
        "/ban_unk": ("ban_unk", True),
        "/length_penalty 0": ("length_penalty", 0.0),
    }
    for line, (name, value) in lines.items():
        assert say(chat, line) == [f"{name} is now {value}"]
        assert ask_settings(chat)[name] == value
    listed = dict(row.split() for row in say(chat, "/set"))
    assert listed["mmi_weight"] == "0.5"
    assert listed["top_k"] == "40"
    assert listed["beam_size"] == "3"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/set nothing 3", "nothing is no setting of the search; /set lists them"),
        ("/set top_k x", "top_k=x is not a whole number; give one"),
        ("/top_p 1.5", "--top_p=1.5 is out of range; it must lie between 1e-06 and 1.0"),
        ("/temperature", "temperature=on is not a number; give one"),
        ("/sample -3", "--beam_size=-3 is out of range; it must lie between 1 and 1000"),
        ("/set ban_unk \x1b[2J", "ban_unk=\ufffd[2J is not true or false; give one"),
    ],
)
def test_a_bad_setting_is_one_line_and_changes_nothing(
    chat: Conversation, line: str, message: str
) -> None:
    assert say(chat, line) == [message]
    assert chat.search == {}


def test_settings_that_contradict_each_other_are_said_when_they_matter(chat: Conversation) -> None:
    say(chat, "/min_reply_length 50")
    (row,) = say(chat, "hello")
    assert row.startswith("--min_reply_length=50 is above --max_reply_length=4; lower")
    say(chat, "/max_reply_length 60")
    assert len(say(chat, "hello")) == 4


def test_samples_take_the_beams_place_and_differ_from_line_to_line(chat: Conversation) -> None:
    assert say(chat, "/sample 2") == ["from now on replies drawn at random; /beam N goes back"]
    assert [row.split("  ")[0] for row in say(chat, "hello")] == ["greedy", "sample 1", "sample 2"]
    first, second = (ask_settings(chat) for _ in range(2))
    assert first["sample"] is second["sample"] is True
    assert first["beam_size"] == 2
    assert second["sampling_seed"] == first["sampling_seed"] + 1
    bot: Any = chat._find_bot()
    assert bot.settings[-2]["sample"] is False  # the greedy reply's
    say(chat, "/beam 3")
    assert say(chat, "hello")[1].startswith("beam 1")


@pytest.mark.parametrize("line", ["/attention", "/attention greedy", "/beam_tree"])
def test_what_looks_back_needs_an_answer(chat: Conversation, line: str) -> None:
    assert say(chat, line) == ["there is no answer yet; say something first"]


def test_attention_and_beam_are_shown_in_the_terminal(bot: Chatbot, tmp_path: Path) -> None:
    chat = Conversation(lambda: bot)
    rows = say(chat, "hello you")
    assert len(rows) == 4
    for name in ("", "greedy", "2"):
        shaded = say(chat, f"/attention {name}")
        assert shaded[0].split() == ["hello", "you"]
        replies = bot.reply("hello you")
        reply = bot.greedy("hello you") if name == "greedy" else replies[int(name or 1) - 1]
        said = [row.split()[0] for row in shaded[1 : 2 + len(reply.tokens)]]
        assert said == [*reply.tokens, "(end)"]
    assert say(chat, "/attention 9")[0].startswith("/attention takes greedy or a number")
    tree = say(chat, "/beam_tree")
    assert sum("*" in row for row in tree) >= 1
    assert any("dropped" in row for row in tree)
    for command, name in (("attention 2", "a.png"), ("beam_tree", "tree.svg")):
        path = tmp_path / name
        assert f"drawn: {path}" in say(chat, f"/{command} {path}")
        assert path.stat().st_size > 1000
    (row,) = say(chat, f"/attention {tmp_path}/nowhere/x.png")
    assert "cannot be written" in row


def test_contradicting_settings_are_one_line_to_every_command(bot: Chatbot) -> None:
    chat = Conversation(lambda: bot)
    say(chat, "hello")
    for setting in ("/diverse_groups 2", "/min_reply_length 50"):
        say(chat, setting)
        for line in ("hello", "/beam_tree"):
            (row,) = say(chat, line)
            assert row.startswith("--")
        say(chat, f"{setting.split()[0]} {1 if 'groups' in setting else 0}")
    assert len(say(chat, "hello")) == 4
    say(chat, "/diverse_groups 2")
    assert len(say(chat, "/greedy")) == len(say(chat, "hello")) == 1  # one hypothesis, no groups
    say(chat, "/sample 3")
    assert len(say(chat, "hello")) > 1


def test_the_tree_is_that_of_the_beam_though_none_is_shown(bot: Chatbot) -> None:
    greedy = Chatbot(bot.config.replace({"beam_search": False}), bot.vocabulary, bot.searcher)
    rows = []
    for own in (bot, greedy):
        chat = Conversation(lambda own=own: own)  # type: ignore[misc]
        say(chat, "hello")
        rows.append(say(chat, "/beam_tree"))
    assert [row.rstrip(" *") for row in rows[0]] == [row.rstrip(" *") for row in rows[1]]


def test_a_seed_begins_anew(chat: Conversation) -> None:
    say(chat, "/sample")
    seeds = [ask_settings(chat)["sampling_seed"] for _ in range(2)]
    assert say(chat, "/seed 9") == ["sampling_seed is now 9"]
    assert [ask_settings(chat)["sampling_seed"] for _ in range(2)] == [9, 10]
    assert seeds == [1, 2]


def test_a_model_that_cannot_be_loaded_ends_the_chat_whatever_was_set() -> None:
    def fail() -> Any:
        raise ChatbotError("no model")

    chat = Conversation(fail)
    assert say(chat, "/beam 3") == ["from now on the 3 best replies"]
    with pytest.raises(ChatbotError, match="no model"):
        chat.answer("hello")


def test_without_attention_that_is_one_line() -> None:
    chat = make_chat()
    bot: Any = chat._find_bot()
    bot.attend = Chatbot.attend.__get__(bot)
    bot.config = CONFIG.replace({"use_attention": False})
    say(chat, "hello")
    assert say(chat, "/attention") == [
        "this model has no attention; train one with --use_attention"
    ]


@pytest.mark.parametrize("line", ["/", "/nothing", "/\x1b[2J", "//", "/" + "x" * 100_000])
def test_an_unknown_command_is_one_short_line(chat: Conversation, line: str) -> None:
    (row,) = say(chat, line)
    assert row.endswith("is no command; /help lists them")
    assert len(row) < 300
    assert UNSAFE.search(row) is None
    assert not chat.is_over


def test_help_lists_every_command(chat: Conversation) -> None:
    rows = say(chat, "/help")
    assert [row.split()[0] for row in rows] == [f"/{command.name}" for command in COMMANDS]


def test_commands_do_not_wait_for_the_model() -> None:
    chat = Conversation(lambda: pytest.fail("it waited"))
    for line in ("", "/help", "/beam 3", "/greedy", "/x", "/quit"):
        assert say(chat, line)
    assert chat.is_over
