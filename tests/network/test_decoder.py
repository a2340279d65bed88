from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from chatbot.network.seq2seq import Seq2Seq
from chatbot.text import GO
from tests.conftest import QUERIES, REPLIES, B, Pairs, T, U, pad
from tests.oracles import Network


def run_teacher_forced(model: Seq2Seq, pairs: Pairs) -> tf.Tensor:
    starts = tf.fill([len(pairs.reply_ids), 1], GO)
    inputs = model.embed(tf.concat([starts, pairs.reply_ids[:, :-1]], axis=1))
    encoded = model.encode(pairs.query_ids, pairs.query_lengths)
    return model.decoder.teacher_forced(encoded, inputs, pairs.reply_lengths, model.engine)


@pytest.mark.usefixtures("each_engine")
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
@pytest.mark.usefixtures("each_engine")
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
