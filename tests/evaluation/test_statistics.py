from __future__ import annotations

import math

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from chatbot.evaluation.intervals import LEAST_DIALOGUES, Dialogues, Estimate
from chatbot.evaluation.replies import count_overlaps, estimate_overlaps, spell, take_replies
from chatbot.evaluation.statistics import estimate_commonest_share, estimate_distinct
from chatbot.evaluation.tasks import TASKS, Metric

WORDS = "a b c d e f".split()


def take_as_one(count: int) -> Dialogues:
    """All replies of one dialogue."""
    return Dialogues(np.zeros(count, np.int64))


def make_metrics(people: list[str]) -> dict[str, Metric]:
    return TASKS["chat"].make_metrics([[text] for text in people])


def estimate_talk(
    spelled: list[str], people: list[str], dialogues: Dialogues
) -> dict[str, Estimate]:
    found = count_overlaps(take_replies(spelled), make_metrics(people), is_talk=True)
    return estimate_overlaps(found, np.ones(len(spelled), np.bool_), dialogues)


def draw_replies(count: int, seed: int) -> tuple[list[list[str]], Dialogues]:
    """Short replies of few words, some empty, of 14 dialogues whose pairs lie apart."""
    generator = np.random.default_rng(seed)
    replies = [list(generator.choice(WORDS, generator.integers(0, 4))) for _ in range(count)]
    replies[3] = ["alone", "alone"]
    return replies, Dialogues(np.arange(count) * 5 % 14)


def test_distinct_divides_by_n_grams_and_counts_them_within_replies_only() -> None:
    replies = ["a b a b".split(), "b a".split(), ["c"], []]
    dialogues = take_as_one(4)
    assert estimate_distinct(replies, 1, dialogues).value == 3 / 7
    # Different are ab and ba, of ab, ba, ab and ba; Li et al. 2016 would divide by 7 tokens.
    assert estimate_distinct(replies, 2, dialogues).value == 2 / 4
    assert estimate_distinct(replies, 4, dialogues).value == 1.0
    assert estimate_distinct(replies, 5, dialogues).value == 0.0


def test_the_ten_commonest_are_counted_as_often_as_they_occur() -> None:
    replies = [str(number) for number in range(12)] + ["0", "0", "1"]
    assert estimate_commonest_share(replies, take_as_one(15)).value == (3 + 2 + 8) / 15
    assert estimate_commonest_share(["x", "y", "x"], take_as_one(3)).value == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_what_is_left_out_is_the_figure_of_the_other_dialogues(seed: int) -> None:
    replies, dialogues = draw_replies(70, seed)
    spelled, people = [" ".join(reply) for reply in replies], ["a b c d e"] * 70
    found = {
        "1": estimate_distinct(replies, 1, dialogues),
        "2": estimate_distinct(replies, 2, dialogues),
        "share": estimate_commonest_share(spelled, dialogues),
        **estimate_talk(spelled, people, dialogues),
    }
    for place in range(dialogues.count):
        rest = [reply for reply, own in zip(replies, dialogues.places) if own != place]
        texts, one = [" ".join(reply) for reply in rest], take_as_one(len(rest))
        expected = {
            "1": estimate_distinct(rest, 1, one).value,
            "2": estimate_distinct(rest, 2, one).value,
            "share": estimate_commonest_share(texts, one).value,
            "bleu": BLEU(tokenize="none", force=True).corpus_score(texts, [people[5:]]).score,
            "chrf": CHRF().corpus_score(texts, [people[5:]]).score,
        }
        left_out = {name: estimate.left_out[place] for name, estimate in found.items()}
        assert left_out == pytest.approx(expected, rel=1e-12), place


def test_dialogues_without_any_word_are_left_out_as_well() -> None:
    replies = [["a", "b"], *([] for _ in range(LEAST_DIALOGUES))]
    dialogues = Dialogues(np.arange(len(replies)))
    found = estimate_distinct(replies, 2, dialogues)
    assert found.value == 1.0
    assert found.left_out.tolist() == [0.0] + [1.0] * LEAST_DIALOGUES


def count_grams(tokens: list[str], size: int) -> dict[tuple[str, ...], int]:
    grams: dict[tuple[str, ...], int] = {}
    for start in range(len(tokens) - size + 1):
        gram = tuple(tokens[start : start + size])
        grams[gram] = grams.get(gram, 0) + 1
    return grams


def compute_bleu(replies: list[str], expected: list[str]) -> float:
    """Papineni et al. 2002, of the whole corpus."""
    logs = 0.0
    for size in range(1, 5):
        right = every = 0
        for reply, own in zip(replies, expected):
            said, known = count_grams(reply.split(), size), count_grams(own.split(), size)
            right += sum(min(count, known.get(gram, 0)) for gram, count in said.items())
            every += sum(said.values())
        logs += math.log(right / every) / 4
    said_length = sum(len(reply.split()) for reply in replies)
    own_length = sum(len(own.split()) for own in expected)
    return 100 * math.exp(logs + min(0.0, 1 - own_length / said_length))


def score_overlap(spelled: list[str], expected: list[str]) -> dict[str, float]:
    found = estimate_talk(spelled, expected, take_as_one(len(spelled)))
    return {name: estimate.value for name, estimate in found.items()}


def test_bleu_is_that_of_the_whole_corpus_over_our_tokens() -> None:
    replies = ["I don't know what you mean.", "你好，我是皮皮。", "Yes"]
    expected = ["i DON’T know what that is .", "你好，我是皮皮！", "no , thank you"]
    spelled, own = [spell(text) for text in replies], [spell(text) for text in expected]
    assert spelled[1] == "你 好 , 我 是 皮 皮 。"
    found = score_overlap(spelled, own)
    assert found["bleu"] == pytest.approx(compute_bleu(spelled, own), rel=1e-9)
    assert 0 < found["chrf"] < 100
    assert score_overlap(own, own) == {"bleu": pytest.approx(100), "chrf": pytest.approx(100)}


def test_nothing_said_scores_nothing() -> None:
    assert score_overlap(["", ""], ["a b c d", "e"]) == {"bleu": 0.0, "chrf": 0.0}


def test_signatures_tell_how_the_scores_were_made() -> None:
    signatures = {name: metric.signature for name, metric in make_metrics(["one"]).items()}
    assert "tok:none" in signatures["bleu"]
    assert "nrefs:1" in signatures["bleu"]
    assert "nc:6" in signatures["chrf"]
    assert all("version:2.6.0" in signature for signature in signatures.values())
