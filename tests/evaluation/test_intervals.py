from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from chatbot.evaluation.intervals import (
    LEAST_DIALOGUES,
    Dialogues,
    Estimate,
    find_difference,
    find_interval,
)
from chatbot.evaluation.statistics import estimate_distinct

TRIALS = 300
SHARED, OWN = 0.6, 0.8  # deviations (nats) that the pairs of a dialogue share, and their own


def is_inside(interval: list[float] | None, truth: float) -> bool:
    assert interval is not None
    return interval[0] < truth < interval[1]


def draw_losses(
    generator: np.random.Generator,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Mean losses around 3 nats and tokens of 40 dialogues of 3 to 11 pairs each."""
    numbers = np.repeat(np.arange(40), generator.integers(3, 12, 40))
    tokens = generator.integers(1, 9, len(numbers))
    shared = generator.normal(0.0, SHARED, 40)[numbers]
    means = 3.0 + shared + generator.normal(0.0, OWN, len(numbers))
    return means * tokens, tokens, numbers


def test_intervals_by_dialogues_cover_the_truth_and_those_by_pairs_do_not() -> None:
    generator = np.random.default_rng(5)
    by_dialogues = by_pairs = 0
    for _ in range(TRIALS):
        losses, tokens, numbers = draw_losses(generator)
        for_dialogues = Dialogues(numbers).estimate_mean(losses, tokens)
        for_pairs = Dialogues(np.arange(len(numbers))).estimate_mean(losses, tokens)
        by_dialogues += is_inside(find_interval(for_dialogues), 3.0)
        by_pairs += is_inside(find_interval(for_pairs), 3.0)
    # The deviation of a share of 95 % in 300 trials is 1.3 %.
    assert 0.92 <= by_dialogues / TRIALS <= 0.98
    assert by_pairs / TRIALS < 0.85


def test_a_difference_covers_the_truth_and_is_shorter_than_the_figures_intervals() -> None:
    generator = np.random.default_rng(6)
    covered = 0
    for _ in range(TRIALS):
        losses, tokens, numbers = draw_losses(generator)
        other = losses - tokens * generator.normal(0.1, 0.2, 40)[numbers]
        ours, theirs = (
            Dialogues(numbers).estimate_mean(found, tokens) for found in (losses, other)
        )
        found = find_difference(ours, theirs)
        covered += is_inside(found["interval"], 0.1)
    assert 0.92 <= covered / TRIALS <= 0.98
    ends = find_interval(ours)
    assert ends is not None
    assert found["interval"][1] - found["interval"][0] < (ends[1] - ends[0]) / 2
    assert found["difference"] == ours.value - theirs.value


def draw_topics(generator: np.random.Generator) -> tuple[list[list[str]], Dialogues]:
    """Replies of 30 dialogues; each has words of its own topic, rare ones and common ones."""
    numbers = np.repeat(np.arange(30), generator.integers(2, 8, 30))
    topics = generator.integers(0, 50, 30)[numbers]
    words = generator.zipf(1.4, (len(numbers), 5)) % 400
    common = generator.random((len(numbers), 5)) < 0.5
    spelled = [
        [str(word) if is_common else f"{topic} {word % 60}" for word, is_common in zip(*row)]
        for topic, *row in zip(topics, words, common)
    ]
    return spelled, Dialogues(numbers)


def test_distinct_is_covered_though_a_dialogue_drawn_twice_would_lower_it() -> None:
    generator = np.random.default_rng(7)
    draws = [draw_topics(generator) for _ in range(TRIALS // 2)]
    for size in (1, 2):
        found = [estimate_distinct(replies, size, dialogues) for replies, dialogues in draws]
        truth = float(np.mean([estimate.value for estimate in found]))
        covered = np.mean([is_inside(find_interval(estimate, 1.0), truth) for estimate in found])
        assert 0.91 <= covered <= 0.99, size  # in 150 trials the deviation is 1.8 %
    # The percentile bootstrap, drawn ten times over one corpus, never reaches the figure itself.
    replies, dialogues = draws[0]
    own = [[reply for reply, at in zip(replies, dialogues.places) if at == n] for n in range(30)]
    for _ in range(10):
        drawn = [reply for n in generator.integers(0, 30, 30) for reply in own[n]]
        one = Dialogues(np.zeros(len(drawn), np.int64))
        assert estimate_distinct(drawn, 2, one).value < found[0].value


def test_pairs_of_their_own_have_the_interval_of_textbooks() -> None:
    values = np.array([3.0, 5.0, 4.0, 8.0, 1.0, 9.0, 2.0, 6.0, 7.0, 5.0, 4.0, 6.0])
    found = Dialogues(np.arange(12)).estimate_mean(-values, np.ones(12))
    error = values.std(ddof=1) / math.sqrt(12)
    # Student's t at 97.5 % with 11 degrees of freedom, from tables: 2.2010.
    assert find_interval(found) == pytest.approx(
        [-5.0 - 2.2010 * error, -5.0 + 2.2010 * error], rel=1e-4
    )


def test_a_positive_figure_has_an_interval_around_its_logarithm() -> None:
    points = np.tile([0.4, 0.6], 6)
    logs = np.log(points)
    half = 2.2010 * math.sqrt(11 * logs.var())
    ends = [math.exp(math.log(0.5) - half), math.exp(math.log(0.5) + half)]
    assert find_interval(Estimate(0.5, points)) == pytest.approx(ends, rel=1e-4)
    low, high = find_interval(Estimate(0.5, points), 1.0) or []
    assert [low, high] == pytest.approx([ends[0], 1.0], rel=1e-4)
    # One that is 0 somewhere has no logarithm there, and no end below 0.
    assert (find_interval(Estimate(0.5, np.tile([0.0, 0.6], 6))) or [])[0] == 0.0


def test_a_figure_without_bounds_stays_a_number_that_json_holds() -> None:
    points = np.exp(np.tile([1.0, 700.0], 6))
    assert math.isfinite((find_interval(Estimate(math.exp(700.0), points)) or [math.inf] * 2)[1])


@pytest.mark.parametrize("count", [1, 2, LEAST_DIALOGUES - 1])
def test_too_few_dialogues_have_no_interval(count: int) -> None:
    numbers = np.arange(60) % count
    values = np.random.default_rng(8).normal(3.0, 1.0, 60)
    found = Dialogues(numbers).estimate_mean(values, np.ones(60))
    assert found.value == pytest.approx(values.mean())
    assert find_interval(found) is None
    assert find_difference(found, Estimate(1.0, found.left_out))["interval"] is None
    total = Dialogues(numbers).estimate(np.ones((60, 1), np.int64), sum)
    assert (total.value, total.left_out.tolist()) == (60, [])


def test_dialogues_that_all_agree_do_not_tell_how_sure_a_figure_is() -> None:
    for value in (0.0, 0.1, 1.0, -7.3):
        found = Dialogues(np.arange(30) % 15).estimate_mean(np.full(30, value * 3), np.full(30, 3))
        assert found.value == pytest.approx(value)
        assert find_interval(found) is None
        assert find_difference(found, found) == {"difference": 0.0, "interval": None}


def test_a_figure_of_sums_is_computed_without_each_dialogue() -> None:
    numbers = np.array([7, 7, 100, *range(8, 17), 100])
    counts = np.stack([np.arange(13), np.ones(13, np.int64)], axis=1)
    found = Dialogues(numbers).estimate(counts, lambda sums: sums[0] / sums[1])
    assert found.value == 6.0
    # The dialogues lie in the order of their numbers: first 7, with 0 and 1, and last 100.
    assert found.left_out[0] == (78 - 1) / 11
    assert found.left_out[1] == (78 - 3) / 12
    assert found.left_out[-1] == (78 - 2 - 12) / 11
    mean = Dialogues(numbers).estimate_mean(counts[:, 0], counts[:, 1])
    assert mean.left_out.tolist() == found.left_out.tolist()
