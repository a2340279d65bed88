from __future__ import annotations

from random import Random

import numpy as np
import tensorflow as tf

from chatbot.addons.decoder import AddonsDecoder, LSTMCellStack
from chatbot.network.seq2seq import Seq2Seq
from chatbot.network.variables import LSTMVariables
from chatbot.text import EOS
from tests.conftest import B, E, L, Pairs, U, W, randomise
from tests.oracles import Layer, layer_step


def test_decoder_starts_from_the_encoders_last_state(model: Seq2Seq, pairs: Pairs) -> None:
    encoded = model.encode(pairs.query_ids, pairs.query_lengths)
    start = AddonsDecoder(model.decoder, tf.float32).start(encoded)
    if model.config.use_attention:
        assert np.all(start.attention == 0)
        start = start.cell_state
    for mine, expected in zip(tf.nest.flatten(start), tf.nest.flatten(encoded.state)):
        np.testing.assert_array_equal(mine, expected)


def test_start_repeats_each_querys_state_for_its_whole_beam(model: Seq2Seq, pairs: Pairs) -> None:
    encoded = model.encode(pairs.query_ids, pairs.query_lengths)
    start = AddonsDecoder(model.decoder, tf.float32).start(encoded, beam_size=W)
    cell_state = start.cell_state if model.config.use_attention else start
    assert len(tf.nest.flatten(cell_state)) == 2 * L
    for mine, expected in zip(tf.nest.flatten(cell_state), tf.nest.flatten(encoded.state)):
        np.testing.assert_array_equal(mine, np.repeat(expected, W, axis=0))


def test_a_tiled_step_gives_each_beam_what_the_query_gives_untiled(
    model: Seq2Seq, pairs: Pairs
) -> None:
    encoded = model.encode(pairs.query_ids, pairs.query_lengths)
    one, several = (AddonsDecoder(model.decoder, tf.float32) for _ in range(2))
    single, _ = one.cell(model.embed(tf.fill([B], EOS)), one.start(encoded))
    start = several.start(encoded, beam_size=W)
    tiled, _ = several.cell(model.embed(tf.fill([B * W], EOS)), start)
    np.testing.assert_allclose(tiled, np.repeat(single, W, axis=0), rtol=1e-5, atol=1e-6)


def test_cells_equal_one_step_by_hand_with_and_without_masks() -> None:
    layers = [LSTMVariables(size, U, Random(0)) for size in [E] + [U] * (L - 1)]
    randomise([x for layer in layers for x in layer.listed()], seed=3)
    cells = LSTMCellStack([layer.weights() for layer in layers], tf.float32)
    generator = np.random.default_rng(2)
    inputs = generator.normal(size=[3, E]).astype(np.float32)
    masks = generator.integers(0, 2, [3, L, U]).astype(np.float32) * 2
    states = tuple(
        tf.unstack(tf.constant(generator.normal(size=[2, 3, U]), tf.float32)) for _ in range(L)
    )
    assert cells.output_size == U
    assert cells.state_size == ([U, U], [U, U])
    for used in (None, masks):
        x = inputs if used is None else np.concatenate([inputs, used.reshape(3, L * U)], axis=1)
        outputs, next_states = cells(x, states)
        expected = inputs.astype(np.float64)
        for layer, variables in enumerate(layers):
            expected, carry = layer_step(Layer.read(variables), expected, *states[layer])
            np.testing.assert_allclose(next_states[layer][0], expected, atol=1e-6)
            np.testing.assert_allclose(next_states[layer][1], carry, atol=1e-6)
            expected = expected if used is None else expected * used[:, layer]
        np.testing.assert_allclose(outputs, expected, atol=1e-6)
