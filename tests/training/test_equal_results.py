from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from chatbot.dataset import Batch, BatchPlan
from chatbot.engines.choice import choose_engine
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import TrainingConfig
from chatbot.text import EOS, PAD, SPECIAL_TOKENS
from chatbot.training.adam import Adam
from chatbot.training.distribution import Distribution
from chatbot.training.step import make_train_step
from tests.conftest import ATTENTIONS, make_config, randomise
from tests.oracles import list_variables
from tests.trainings import read_metrics, take_step, tiny_settings, train

ROOT = Path(__file__).parents[2]
STEPS, PAIRS, WORDS, RATE = 20, 9, 37, 1e-3
SCALE, ATTENDING = 0.5, 1.5
"""Deviations of the first weights. With the usual small ones the additive score is nearly linear in
the query, and what is linear falls out of the softmax: the query's weights then have a gradient
that is the small difference of large terms, of which rounding is a part however it is computed."""

Array = npt.NDArray[np.float64]


def draw_batches() -> Iterator[Batch]:
    """Batches of random pairs of different lengths, as training plans them."""
    generator = np.random.default_rng(3)
    queries = generator.integers(1, 9, STEPS * PAIRS, dtype=np.int32)
    replies = generator.integers(1, 8, STEPS * PAIRS, dtype=np.int32)
    plan = BatchPlan(queries, replies, PAIRS, 3)
    for n in range(STEPS):
        lengths = [side[plan.indices(0, n)] for side in (queries, replies)]
        query_ids, reply_ids = (draw_ids(generator, side) for side in lengths)
        reply_ids[np.arange(PAIRS), lengths[1] - 1] = EOS
        yield Batch(query_ids, lengths[0], reply_ids, lengths[1])


def draw_ids(generator: np.random.Generator, lengths: npt.NDArray[np.int32]) -> Any:
    shape = (len(lengths), int(lengths.max()))
    ids = generator.integers(len(SPECIAL_TOKENS), WORDS, shape, dtype=np.int32)
    return np.where(np.arange(shape[1]) < lengths[:, None], ids, PAD)


def start(attention: str) -> Seq2Seq:
    model = Seq2Seq(make_config(attention), WORDS)
    randomise(list_variables(model), 5, SCALE)
    if attention == "bahdanau":
        kept: Any = model.decoder.attention
        for matrix in (kept.memory_layer, kept.query_layer):
            randomise([matrix.kernel], 6, ATTENDING)
    return model


def train_twenty_steps(attention: str, engine: str) -> tuple[Array, list[Array]]:
    """Returns each step's loss, and the weights and Adam's slots after the last."""
    model = start(attention)
    model.engine = choose_engine(engine)
    optimizer = Adam(model.trainable_variables)
    step = make_train_step(model, optimizer, TrainingConfig(), Distribution())
    results = [take_step(step, batch, n, RATE) for n, batch in enumerate(draw_batches())]
    variables = list_variables(model)
    slots = [optimizer.get_slot(x, name) for x in variables for name in ("m", "v")]
    tensors = [x.numpy().astype(np.float64) for x in variables + slots]
    return np.array([loss for loss, _ in results]), tensors


@pytest.mark.needs_addons
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_our_own_loops_train_as_the_libraries_do(attention: str) -> None:
    before = [weights.numpy() for weights in list_variables(start(attention))]
    losses, tensors = train_twenty_steps(attention, "addons")
    own_losses, own_tensors = train_twenty_steps(attention, "own")
    np.testing.assert_allclose(own_losses, losses, rtol=1e-5)
    assert len(own_tensors) == len(tensors) == 3 * len(before)
    for number, (own, plain) in enumerate(zip(own_tensors, tensors)):
        difference = np.linalg.norm(own - plain) / np.linalg.norm(plain)
        assert difference <= 1e-5, f"tensor {number} of shape {plain.shape}"
    # Weights that hardly moved would be equal whatever the gradients were.
    for old, new in zip(before, tensors):
        assert np.linalg.norm(new - old) / np.linalg.norm(old) > 1e-3


@pytest.mark.needs_bfloat16
def test_bfloat16_learns_as_float32_does(tmp_path: Path) -> None:
    perplexities = {}
    for precision in ("float32", "bfloat16"):
        settings = tiny_settings(
            ROOT / "data" / "smalltalk" / "english",
            precision=precision,
            rnn_size=24,
            embedding_size=20,
            dropout=0.0,
            embedding_dropout=0.0,
            batch_size=8,
            max_length=12,
            vocab_size=400,
            validation_share=0.2,
            learning_rate=0.001,
            num_epochs=1,
            max_steps=200,
            steps_per_checkpoint=1_000,
        )
        assert train(tmp_path / precision, **settings) == 0
        (report,) = read_metrics(tmp_path / precision)
        perplexities[precision] = report["validation_perplexity"]
    assert perplexities["float32"] < 100  # of 400 at the start: it has learned
    assert perplexities["bfloat16"] != perplexities["float32"]
    assert perplexities["bfloat16"] == pytest.approx(perplexities["float32"], rel=0.01)
