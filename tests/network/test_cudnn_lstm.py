"""cuDNN's LSTM as far as it can be tested without a GPU: what it is given, and when."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.network import cudnn_lstm, device, engine
from chatbot.network.cudnn_lstm import has_cudnn, pack_weights, run_cudnn_lstm
from chatbot.network.fast_layer import run_layer
from chatbot.network.seq2seq import Seq2Seq
from chatbot.network.variables import LayerWeights
from tests import oracles
from tests.conftest import B, E, L, Pairs, S, U
from tests.network.test_fast_lstm import LENGTHS, differentiate, make_variables


def lay_out(kernel: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor) -> LayerWeights:
    return LayerWeights("lstm", kernel, recurrent, bias, gain=None)


def read_packed(params: Any, inputs: int, units: int) -> Iterator[Any]:
    """Yields the parts of a buffer and their shapes, in the order of cuDNN's `linLayerID`.

    0 to 3 are the input, forget, new memory and output gate's matrices for the inputs, 4 to 7 the
    same for the hidden state, each with a row for each unit. The biases follow, numbered alike.
    """
    shapes = [*[[units, inputs]] * 4, *[[units, units]] * 4, *[[units]] * 8]
    sizes = [int(np.prod(shape)) for shape in shapes]
    assert sum(sizes) == params.shape[0]
    for end, size, shape in zip(itertools.accumulate(sizes), sizes, shapes):
        yield params[end - size : end], shape


def run_packed(params: Any, row: Any) -> tuple[Any, Any, Any]:
    """cuDNN's LSTM over one sequence `[S, X]`, gate by gate, in NumPy."""
    parts = [np.reshape(*part) for part in read_packed(params, row.shape[1], U)]
    of_input, of_hidden, input_bias, hidden_bias = (parts[n : n + 4] for n in range(0, 16, 4))
    hidden = carry = np.zeros(U)
    hiddens = []
    for x in row:
        i, f, g, o = (
            of_input[n] @ x + of_hidden[n] @ hidden + input_bias[n] + hidden_bias[n]
            for n in range(4)
        )
        carry = oracles.sigmoid(f) * carry + oracles.sigmoid(i) * np.tanh(g)
        hidden = oracles.sigmoid(o) * np.tanh(carry)
        hiddens.append(hidden)
    return np.array(hiddens), hidden, carry


def imitate(
    input: tf.Tensor,  # noqa: A002
    input_h: tf.Tensor,
    input_c: tf.Tensor,
    params: tf.Tensor,
    sequence_lengths: tf.Tensor,
) -> Any:
    """Does what the operation does, in operations that have gradients and run anywhere."""
    units = input_h.shape[-1]
    parts = [tf.reshape(*part) for part in read_packed(params, input.shape[-1], units)]
    stacked = [tf.concat(parts[n : n + 4], axis=0) for n in range(0, 16, 4)]
    hidden, carry, hiddens = input_h[0], input_c[0], []
    for time in range(S):
        products = [
            tf.matmul(x, w, transpose_b=True) for x, w in zip((input[time], hidden), stacked)
        ]
        i, f, g, o = tf.split(products[0] + products[1] + stacked[2] + stacked[3], 4, axis=-1)
        following = tf.sigmoid(f) * carry + tf.sigmoid(i) * tf.tanh(g)
        real = (time < sequence_lengths)[:, tf.newaxis]
        carry = tf.where(real, following, carry)
        output = tf.sigmoid(o) * tf.tanh(carry)
        hidden = tf.where(real, output, hidden)
        hiddens.append(tf.where(real, output, 0))
    nothing = tf.zeros([0], input.dtype), tf.zeros([0], tf.int8)
    return tf.stack(hiddens), hidden[tf.newaxis], carry[tf.newaxis], *nothing


@pytest.fixture
def with_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "has_cudnn", lambda: True)


def test_an_lstm_that_reads_the_packed_weights_in_cudnns_order_equals_our_own() -> None:
    inputs, *weights = make_variables()
    packed = pack_weights(*weights).numpy()
    hiddens, *state = run_layer(inputs, tf.constant(LENGTHS), lay_out(*weights))
    for row, length in enumerate(LENGTHS):
        expected, *last = run_packed(packed, inputs[:length, row].numpy())
        np.testing.assert_allclose(hiddens[:length, row], expected, rtol=1e-4, atol=2e-6)
        for mine, other in zip(state, last):
            np.testing.assert_allclose(mine[row], other, rtol=1e-4, atol=2e-6)


def test_all_of_the_bias_is_the_hidden_states() -> None:
    _, kernel, recurrent, bias = make_variables()
    packed = pack_weights(kernel, recurrent, bias)
    biases = [x.numpy() for x, _ in list(read_packed(packed, E, U))[8:]]
    np.testing.assert_array_equal(np.concatenate(biases[:4]), np.zeros(4 * U))
    np.testing.assert_array_equal(np.concatenate(biases[4:]), bias)


@pytest.mark.parametrize("graph", [False, True])
def test_results_and_gradients_equal_those_of_our_own_loop(
    graph: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tf.raw_ops, "CudnnRNNV3", imitate)
    lengths = tf.constant(LENGTHS)

    def run(*variables: tf.Tensor) -> Any:
        return run_cudnn_lstm(variables[0], lengths, lay_out(*variables[1:]))

    found = differentiate(tf.function(run) if graph else run, make_variables())

    def run_own(*variables: tf.Tensor) -> Any:
        return run_layer(variables[0], lengths, lay_out(*variables[1:]))

    expected = differentiate(run_own, make_variables())
    for mine, other in zip(itertools.chain(*found), itertools.chain(*expected)):
        assert np.abs(other).max() > 0.1
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=2e-6)


def trace_encoder(model: Seq2Seq, dtype: str) -> Any:
    """Traces the encoder and its gradients, for batches of any size; runs nothing."""
    variables = model.encoder.listed()

    def compute(embedded: tf.Tensor, lengths: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            encoded = model.encoder(embedded, lengths, model.engine)
        results = [encoded.memory, *tf.nest.flatten(encoded.state)]
        return results, tape.gradient([tf.cast(x, tf.float32) for x in results], variables)

    signature = [tf.TensorSpec([None, None, E], dtype), tf.TensorSpec([None], tf.int32)]
    return tf.function(compute, input_signature=signature, autograph=False).get_concrete_function()


@pytest.mark.usefixtures("with_cudnn")
@pytest.mark.parametrize("model", ["luong"], indirect=True)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_operation_takes_our_shapes_and_types_and_has_gradients(
    model: Seq2Seq, dtype: str
) -> None:
    traced = trace_encoder(model, dtype)
    found = [x for x in traced.graph.get_operations() if x.type.startswith("CudnnRNN")]
    assert Counter(x.type for x in found) == {"CudnnRNNV3": L, "CudnnRNNBackpropV3": L}
    for operation in found:
        assert operation.get_attr("T") == dtype
        assert operation.get_attr("rnn_mode") == b"lstm"
        assert operation.get_attr("time_major")
        assert operation.get_attr("num_proj") == 0
    (memory, *states), gradients = traced.structured_outputs
    assert (memory.dtype, memory.shape.as_list()) == (dtype, [None, None, U])
    assert [(x.dtype, x.shape.as_list()) for x in states] == [(tf.float32, [None, U])] * 2 * L
    for gradient, variable in zip(gradients, model.encoder.listed()):
        assert (gradient.dtype, gradient.shape) == (variable.dtype, variable.shape)


@pytest.mark.usefixtures("with_cudnn")
@pytest.mark.parametrize("model", ["luong"], indirect=True)
def test_the_encoder_is_the_same_by_cudnn(
    model: Seq2Seq, pairs: Pairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[int, ...]] = []

    def count(**given: Any) -> Any:
        calls.append(tuple(given["input"].shape))
        return imitate(**given)

    monkeypatch.setattr(tf.raw_ops, "CudnnRNNV3", count)
    found = model.encode(pairs.query_ids, pairs.query_lengths)
    assert calls == [(S, B, E), *[(S, B, U)] * (L - 1)]
    monkeypatch.setattr(engine, "has_cudnn", lambda: False)
    expected = model.encode(pairs.query_ids, pairs.query_lengths)
    assert len(calls) == L
    for mine, other in zip(tf.nest.flatten(found), tf.nest.flatten(expected)):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize("cuda", [False, True])
def test_cudnn_is_there_with_a_gpu_and_cuda(
    gpu: bool, cuda: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cudnn_lstm, "has_gpu", lambda: gpu)
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: cuda)
    assert has_cudnn() == (gpu and cuda)


@pytest.mark.parametrize("visible", [False, True])
def test_a_hidden_gpu_is_none(visible: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"])
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["GPU:0"] * visible)
    assert device.has_gpu() == visible


@pytest.mark.parametrize("model", ["luong"], indirect=True)
def test_without_a_gpu_no_graph_has_the_operation(
    model: Seq2Seq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cudnn_lstm, "has_gpu", lambda: False)
    assert "CudnnRNN" not in str(trace_encoder(model, "float32").graph.as_graph_def())
