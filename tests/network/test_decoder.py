from __future__ import annotations

from random import Random

import numpy as np
import pytest
import tensorflow as tf

from chatbot.network.decoder import LSTMCellStack
from chatbot.network.seq2seq import Seq2Seq
from chatbot.text import EOS, GO
from tests.conftest import QUERIES, REPLIES, B, E, L, Pairs, T, U, W, make_config, pad, randomise
from tests.oracles import Network, lstm_step


def run_teacher_forced(model: Seq2Seq, pairs: Pairs) -> tf.Tensor:
    starts = tf.fill([len(pairs.reply_ids), 1], GO)
    inputs = model.embed(tf.concat([starts, pairs.reply_ids[:, :-1]], axis=1))
    encoded = model.encode(pairs.query_ids, pairs.query_lengths)
    return model.decoder.teacher_forced(encoded, inputs, pairs.reply_lengths)


@pytest.mark.usefixtures("either_loop")
def test_teacher_forced_outputs_equal_the_oracle(
    model: Seq2Seq, network: Network, pairs: Pairs
) -> None:
    outputs = run_teacher_forced(model, pairs)
    assert outputs.shape == [B, T, U]
    for row, (query, reply) in enumerate(zip(QUERIES, REPLIES)):
        expected, logits = network.decode(query, reply)
        np.testing.assert_allclose(outputs[row, : len(reply)], expected, atol=1e-5)
        projected = model.projection(outputs[row, : len(reply)])
        np.testing.assert_allclose(projected, logits, atol=5e-5)


@pytest.mark.parametrize("time", range(1, T))
@pytest.mark.usefixtures("either_loop")
def test_a_token_changes_what_follows_it_and_nothing_before(
    model: Seq2Seq, pairs: Pairs, time: int
) -> None:
    reply = list(REPLIES[0])
    reply[time - 1] = 4  # the input of step `time`
    changed_ids, _ = pad([reply, *REPLIES[1:]])
    before = run_teacher_forced(model, pairs)
    after = run_teacher_forced(model, pairs._replace(reply_ids=changed_ids))
    np.testing.assert_array_equal(before[0, :time], after[0, :time])
    assert np.abs(before[0, time] - after[0, time]).max() > 1e-3
    np.testing.assert_array_equal(before[1:], after[1:])


def test_decoder_starts_from_the_encoders_last_state(model: Seq2Seq, pairs: Pairs) -> None:
    encoded = model.encode(pairs.query_ids, pairs.query_lengths)
    start = model.decoder.start(encoded)
    if model.config.use_attention:
        assert np.all(start.attention == 0)
        start = start.cell_state
    for mine, expected in zip(tf.nest.flatten(start), tf.nest.flatten(encoded.state)):
        np.testing.assert_array_equal(mine, expected)


def test_start_repeats_each_querys_state_for_its_whole_beam(model: Seq2Seq, pairs: Pairs) -> None:
    encoded = model.encode(pairs.query_ids, pairs.query_lengths)
    start = model.decoder.start(encoded, beam_size=W)
    cell_state = start.cell_state if model.config.use_attention else start
    assert len(tf.nest.flatten(cell_state)) == 2 * L
    for mine, expected in zip(tf.nest.flatten(cell_state), tf.nest.flatten(encoded.state)):
        np.testing.assert_array_equal(mine, np.repeat(expected, W, axis=0))


def test_a_tiled_step_gives_each_beam_what_the_query_gives_untiled(
    model: Seq2Seq, pairs: Pairs
) -> None:
    encoded = model.encode(pairs.query_ids, pairs.query_lengths)
    single, _ = model.decoder.cell(model.embed(tf.fill([B], EOS)), model.decoder.start(encoded))
    start = model.decoder.start(encoded, beam_size=W)
    tiled, _ = model.decoder.cell(model.embed(tf.fill([B * W], EOS)), start)
    np.testing.assert_allclose(tiled, np.repeat(single, W, axis=0), rtol=1e-5, atol=1e-6)


def test_cells_equal_one_step_by_hand_with_and_without_masks() -> None:
    cells = LSTMCellStack(make_config("none"), Random(0))
    generator = np.random.default_rng(2)
    inputs = generator.normal(size=[3, E]).astype(np.float32)
    masks = generator.integers(0, 2, [3, L, U]).astype(np.float32) * 2
    states = tuple(
        tf.unstack(tf.constant(generator.normal(size=[2, 3, U]), tf.float32)) for _ in range(L)
    )
    cells(inputs, states)
    randomise(cells.trainable_variables, seed=3)
    assert cells.output_size == U
    assert cells.state_size == ([U, U], [U, U])
    for used in (None, masks):
        x = inputs if used is None else np.concatenate([inputs, used.reshape(3, L * U)], axis=1)
        outputs, next_states = cells(x, states)
        expected = inputs.astype(np.float64)
        for layer, cell in enumerate(cells.cells):
            weights = [weight.astype(np.float64) for weight in cell.get_weights()]
            expected, carry = lstm_step(weights, expected, *states[layer])
            np.testing.assert_allclose(next_states[layer][0], expected, atol=1e-6)
            np.testing.assert_allclose(next_states[layer][1], carry, atol=1e-6)
            expected = expected if used is None else expected * used[:, layer]
        np.testing.assert_allclose(outputs, expected, atol=1e-6)
