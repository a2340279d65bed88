from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chatbot.settings.config import TrainingConfig
from chatbot.training.learning_rate import count_steps, describe_jump, scheduled_learning_rate


def test_schedules_by_hand() -> None:
    def rates(schedule: str, warmup: int, total: int) -> list[float]:
        config = TrainingConfig(
            learning_rate=0.8, learning_rate_schedule=schedule, warmup_steps=warmup
        )
        return [scheduled_learning_rate(config, step, total) for step in range(total)]

    assert rates("constant", 0, 3) == [0.8, 0.8, 0.8]
    assert rates("linear", 0, 4) == pytest.approx([0.8, 0.6, 0.4, 0.2])
    assert rates("linear", 2, 4) == pytest.approx([0.4, 0.6, 0.4, 0.2])
    assert rates("cosine", 0, 3) == pytest.approx([0.8, 0.6, 0.2])


@pytest.mark.parametrize(
    ("changes", "step", "expected"),
    [
        # 2 epochs of 5 steps: 0.8 * 1 / 10 at the last; then 0.8 * 10 / 20, or 0.8 * 2 / 12.
        ({"num_epochs": 4}, 10, "was 0.08 at step 10 and is 0.4 at the next"),
        ({"num_epochs": 4}, 10, "ends at step 20 now, not at 10"),
        ({"num_epochs": 3, "max_steps": 12}, 10, "is 0.133 at the next"),
        ({"max_steps": 8}, 6, "was 0.4 at step 6 and is 0.2 at the next"),
        ({"max_steps": 6}, 6, ""),
        ({"num_epochs": 4}, 0, ""),
        ({"max_steps": 10}, 5, ""),
        ({"num_epochs": 4, "learning_rate_schedule": "constant"}, 10, ""),
    ],
)
def test_a_jump_of_the_step_size_is_described(
    changes: dict[str, Any], step: int, expected: str
) -> None:
    schedule = changes.get("learning_rate_schedule", "linear")
    before = TrainingConfig(
        learning_rate=0.8, learning_rate_schedule=schedule, num_epochs=2, warmup_steps=0
    )
    said = describe_jump(before, replace(before, **changes), step, steps_per_epoch=5)
    assert expected in said
    assert bool(said) == bool(expected)


@pytest.mark.parametrize(
    ("num_epochs", "max_steps", "steps_per_epoch", "steps"),
    [
        (3, 0, 7, 21),
        (3, 20, 7, 20),
        (3, 22, 7, 21),
        (0, 22, 7, 22),  # nobody says how many passes, somebody how many steps
        (0, 0, 26, 40 * 26),  # 1,609 pairs in batches of 64
        (0, 0, 156, 31 * 156),  # 10,000 pairs
        (0, 0, 1_189, 4 * 1_189),  # DailyDialog
        (0, 0, 3, 333 * 3),
        (0, 0, 1, 1_000),
    ],
)
def test_the_size_of_the_corpus_decides_where_nobody_does(
    num_epochs: int, max_steps: int, steps_per_epoch: int, steps: int
) -> None:
    config = TrainingConfig(num_epochs=num_epochs, max_steps=max_steps)
    assert count_steps(config, steps_per_epoch) == steps
