from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from chatbot.bot import Chatbot
from chatbot.corpus import Pair
from chatbot.evaluation import comparison
from chatbot.evaluation.differences import subtract_models
from chatbot.evaluation.intervals import Chosen, find_difference
from chatbot.evaluation.material import Material
from chatbot.evaluation.perplexity import PairLosses, estimate_perplexity
from chatbot.evaluation.replies import Replies, count_overlaps, take_replies
from chatbot.evaluation.tasks import TASKS

COUNT = 48
PEOPLE = take_replies([f"yes i know that {n % 7} well" for n in range(COUNT)])
METRICS = TASKS["chat"].make_metrics([[text] for text in PEOPLE.spelled])
NUMBERS = np.arange(COUNT) // 3  # 16 dialogues of three pairs


def make_replies(texts: Sequence[str]) -> Replies:
    log_probs = np.linspace(-9.0, -2.0, COUNT)
    found = Replies(list(texts), list(texts), log_probs, log_probs, 1.0)
    return count_overlaps(found, METRICS, is_talk=True)


def make_material(
    seed: int, seen: Chosen | None, unknown_words: Sequence[str] = (), cut: int = 99
) -> Material:
    generator = np.random.default_rng(seed)
    tokens = np.minimum(np.full(COUNT, 7), cut)
    losses = generator.normal(3.0, 0.5, COUNT) * tokens
    greedy = [f"yes i know {word}" for word in generator.integers(0, 7, COUNT)]
    beam = [f"yes {word}" if word else "" for word in generator.integers(0, 3, COUNT)]
    return Material(
        [f"query {n}" for n in range(COUNT)],
        PairLosses(
            losses,
            tokens,
            tokens * 0,
            tokens,
            tokens > 99,
            NUMBERS,
            np.ones(COUNT, np.int64),
            frozenset(unknown_words),
        ),
        {"greedy": make_replies(greedy), f"beam {seed}": make_replies(beam)},
        PEOPLE,
        f"beam {seed}",
        seen,
    )


def take_first(count: int) -> Chosen:
    return np.arange(COUNT) < count


def test_a_difference_is_over_the_same_pairs_with_the_same_dialogues_left_out() -> None:
    first, other = make_material(1, take_first(0)), make_material(2, take_first(6))
    found = subtract_models(other, first)
    json.dumps(found, allow_nan=False)
    assert (found["pairs"], found["unseen"]["pairs"]) == (COUNT, COUNT - 6)
    assert list(found["searches"]) == ["greedy"]  # the beams have different names
    for chosen, part in ((take_first(COUNT), found), (~take_first(6), found["unseen"])):
        ours, theirs = (material.measure(chosen)[0] for material in (other, first))
        row, greedy = (material.measure(chosen)[1]["greedy"] or {} for material in (other, first))
        difference = ours["perplexity"] - theirs["perplexity"]
        assert part["perplexity"]["difference"] == pytest.approx(difference)
        bleu = part["searches"]["greedy"]["bleu"]
        assert bleu["difference"] == pytest.approx(row["bleu"] - greedy["bleu"])
        assert bleu["interval"][0] < bleu["difference"] < bleu["interval"][1]
    expected = find_difference(
        *(estimate_perplexity(material.losses, ~take_first(6)) for material in (other, first))
    )
    assert found["unseen"]["perplexity"] == expected


def test_unseen_are_the_pairs_that_neither_model_has_learned_from() -> None:
    first, other = make_material(1, take_first(12)), make_material(2, ~take_first(42))
    assert subtract_models(other, first)["unseen"]["pairs"] == 30
    for seen in (None, take_first(COUNT), ~take_first(12)):
        assert subtract_models(make_material(2, seen), first)["unseen"] is None


def test_perplexities_of_other_tokens_are_not_compared() -> None:
    first = make_material(1, None, ["rare", "words"])
    assert subtract_models(make_material(2, None, ["words", "rare"]), first)["perplexity"]
    for other in (make_material(2, None, ["rare"]), make_material(2, None, ["rare", "words"], 5)):
        assert subtract_models(other, first)["perplexity"] is None
        assert subtract_models(other, first)["searches"]["greedy"]["bleu"]["interval"]


def test_models_of_other_tokens_are_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    materials = iter([make_material(1, None), make_material(1, None), make_material(2, None, "x")])
    monkeypatch.setattr(Chatbot, "load", lambda *_: None)
    monkeypatch.setattr(comparison, "evaluate", lambda *_: ({"notes": []}, next(materials)))
    names = [str(tmp_path / name) for name in ("first", "same", "other")]
    first, same, other = comparison.evaluate_directories(names, [Pair("hello", "no", 0)], [])
    assert "from_first" not in first.figures
    assert same.figures["from_first"]["perplexity"] == {"difference": 0.0, "interval": None}
    assert first.figures["notes"] == same.figures["notes"] == []
    assert other.figures["from_first"]["perplexity"] is None
    (note,) = other.figures["notes"]
    assert note.startswith(f"its perplexity cannot be compared with that of {names[0]}: ")
    assert list(other.replies) == ["greedy", "beam 2"]


def test_each_search_is_beside_greedy_search() -> None:
    _, rows = make_material(1, None).measure(take_first(COUNT))
    greedy, beam = rows["greedy"] or {}, rows["beam 1"] or {}
    found = beam["from_greedy"]["mean_length"]
    assert found["difference"] == pytest.approx(beam["mean_length"] - greedy["mean_length"])
    assert found["interval"][1] < 0  # surely shorter
    assert all(value["difference"] == 0.0 for value in greedy["from_greedy"].values())
    assert all(value["interval"] is None for value in greedy["from_greedy"].values())
    # Every figure of a search has an interval, and none where all dialogues agree.
    low, high = beam["intervals"]["chrf"]
    assert 0 < low < beam["chrf"] < high < 100
    assert greedy["intervals"]["same_as_greedy_share"] is None
    assert beam["intervals"]["mean_log_prob"][1] <= 0


def test_replies_that_say_nothing_have_figures_and_no_intervals() -> None:
    material = make_material(1, None)._replace(found={"greedy": make_replies([""] * COUNT)})
    row = material.measure(take_first(COUNT))[1]["greedy"] or {}
    for name in ("bleu", "chrf", "distinct_1", "distinct_2", "mean_length"):
        assert (row[name], row["intervals"][name]) == (0.0, None)
    assert row["commonest_share"] == 1.0


def test_notes_say_of_which_pairs_there_are_no_intervals() -> None:
    assert make_material(1, take_first(0)).list_notes() == []
    (note,) = make_material(1, take_first(30)).list_notes()
    assert note.startswith("the unseen pairs come from 6 dialogues, and intervals need 10 at least")
    alone = make_material(1, take_first(0))
    losses = alone.losses._replace(dialogues=NUMBERS * 0)
    notes = alone._replace(losses=losses).list_notes()
    assert [note.partition(",")[0] for note in notes] == [
        "the pairs come from 1 dialogue",
        "the unseen pairs come from 1 dialogue",
    ]


@pytest.mark.parametrize(("count", "dialogues"), [(0, 0), (1, 1), (29, 10), (46, 16)])
def test_any_number_of_pairs_is_measured_and_a_cut_dialogue_is_one(
    count: int, dialogues: int
) -> None:
    figures, rows = make_material(1, None).measure(take_first(count))
    assert (figures["pairs"], figures["dialogues"]) == (count, dialogues)
    assert (figures["perplexity"] is None) == (count == 0)
    assert (figures["perplexity_interval"] is None) == (dialogues < 10)
    assert all((row is None) == (count == 0) for row in rows.values())
    json.dumps([figures, rows], allow_nan=False)
