"""ConvoKit: replies find what they answer, in any order and however far away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chatbot.corpus import ReadReport, convokit, read_dialogues, read_pairs
from tests.corpus_samples import write_text as write


def utterance(number: int, reply_to: int | None, conversation: str = "c", **more: object) -> str:
    entry = {"id": f"u{number}", "conversation_id": conversation, "text": f"text {number}"}
    reply = None if reply_to is None else f"u{reply_to}"
    return json.dumps({**entry, "reply_to": reply, **more}) + "\n"


def test_convokit_follows_replies_whatever_their_order(tmp_path: Path) -> None:
    #  u1 - u2 - u3        each reply makes one pair
    #    \ u4 - u5
    edges = {1: None, 2: 1, 3: 2, 4: 1, 5: 4}
    write(tmp_path / "speakers.json", "{}")
    for order in ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [3, 5, 1, 4, 2]):
        lines = "".join(utterance(number, edges[number]) for number in order)
        write(tmp_path / "utterances.jsonl", lines)
        pairs = {(pair.query, pair.reply) for pair in read_pairs(tmp_path)}
        assert pairs == {(f"text {edges[reply]}", f"text {reply}") for reply in (2, 3, 4, 5)}
        assert sum(map(len, read_dialogues(tmp_path))) == 3 + 3


def test_convokit_reads_interleaved_conversations_and_old_names(tmp_path: Path) -> None:
    old = {"id": "o2", "root": "o", "reply-to": "o1", "text": "old reply", "user": "x"}
    lines = [
        utterance(1, None, "a"),
        utterance(1, None, "b"),
        utterance(2, 1, "a"),
        json.dumps(old) + "\n",
        utterance(2, 1, "b", text="other"),
        json.dumps({**old, "id": "o1", "reply-to": None, "text": "old"}) + "\n",
        json.dumps({"id": 7, "conversation_id": 7, "text": "no reply_to"}) + "\n",
        json.dumps({"id": 8, "conversation_id": 7, "text": "follows"}) + "\n",
    ]
    path = write(tmp_path / "utterances.jsonl", "".join(lines))
    expected = [
        ["text 1", "text 2"],
        ["text 1", "other"],
        ["old", "old reply"],
        ["no reply_to", "follows"],
    ]
    assert list(read_dialogues(tmp_path)) == expected
    assert list(read_dialogues(path)) == expected


def test_convokit_waits_for_replies_that_are_far_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openings = [utterance(1, None, f"c{number}") for number in range(4)]
    replies = [utterance(2, 1, f"c{number}") for number in range(4)]
    write(tmp_path / "utterances.jsonl", "".join(openings + replies))
    monkeypatch.setattr(convokit, "_MAX_UTTERANCES", 4)
    report = ReadReport()
    assert list(read_dialogues(tmp_path, report=report)) == [["text 1", "text 2"]] * 4
    assert report.dropped == {}
    # Conversations of one utterance are over at once, and take no room.
    write(tmp_path / "utterances.jsonl", openings[0] + "".join(openings[2:] * 3) + replies[0])
    assert ["text 1", "text 2"] in list(read_dialogues(tmp_path))


@pytest.mark.parametrize(("limit", "value"), [("_MAX_UTTERANCES", 3), ("_MAX_CHARACTERS", 20)])
def test_convokit_names_the_limit_that_cuts_a_conversation_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    lines = [utterance(1, None, f"c{number}") for number in range(4)]
    lines += [utterance(2, 1, f"c{number}") for number in range(4)]
    path = write(tmp_path / "utterances.jsonl", "".join(lines))
    monkeypatch.setattr(convokit, limit, value)
    monkeypatch.setattr(convokit, "_MAX_ENDS", 3)  # the last one's end is not known
    report = ReadReport()
    assert list(read_dialogues(tmp_path, report=report)) == [["text 1", "text 2"]] * 3
    cut, single, lost = report.dropped
    assert (cut[:24], single) == ("conversation cut off bec", "dialogue of a single turn")
    assert lost == "reply to an utterance that is not there"
    assert report.dropped == {cut: 1, single: 2, lost: 1}
    assert (report.first[cut], report.first[lost]) == (f"{path}:1", f"{path}:5")


def test_convokit_takes_a_reply_to_itself_for_an_opening(tmp_path: Path) -> None:
    content = utterance(1, 1) + utterance(2, 1) + utterance(3, 2)
    report = ReadReport()
    path = write(tmp_path / "utterances.jsonl", content)
    assert list(read_dialogues(path, report=report)) == [["text 1", "text 2", "text 3"]]
    assert report.dropped == {}


def test_convokit_takes_ids_as_they_are_written(tmp_path: Path) -> None:
    large, next_to_it = 1158001112223334401, 1158001112223334402
    entries: list[dict[str, object]] = [
        {"id": large, "conversation_id": large, "reply_to": None, "text": "a"},
        {"id": next_to_it, "conversation_id": large, "reply_to": large, "text": "b"},
        {"id": "0", "conversation_id": 0, "reply_to": None, "text": "c"},
        {"id": 1, "conversation_id": "0", "reply_to": 0, "text": "d"},
        {"id": 1.5, "conversation_id": 1, "reply_to": None, "text": "e"},
        {"id": "1", "conversation_id": 1, "reply_to": 1.5, "text": "f"},
    ]
    content = "".join(f"{json.dumps(entry)}\n" for entry in entries)
    million = "9" * 900_000
    content += f'{{"id": {million}, "conversation_id": 9, "reply_to": null, "text": "g"}}\n'
    content += f'{{"id": 1, "conversation_id": 9, "reply_to": {million}, "text": "h"}}\n'
    report = ReadReport()
    path = write(tmp_path / "utterances.jsonl", content)
    expected = [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]]
    assert list(read_dialogues(path, report=report)) == expected
    assert report.dropped == {}
