"""A second opinion in NumPy float64: the network without batches or padding, each query alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chatbot.text import GO
from tests.score_oracles import Array, Attention, sigmoid, softmax

__all__ = ["Array", "Network", "list_variables", "log_softmax", "lstm_step", "sigmoid", "softmax"]


def log_softmax(x: Array) -> Array:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def lstm_step(
    weights: Sequence[Array], x: Array, hidden: Array, carry: Array
) -> tuple[Array, Array]:
    """One step of Hochreiter and Schmidhuber's cell with a forget gate, in Keras' gate order."""
    kernel, recurrent, bias = weights
    gates = x @ kernel + hidden @ recurrent + bias
    i, f, g, o = np.split(gates, 4, axis=-1)
    carry = sigmoid(f) * carry + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(carry), carry


class StackState(NamedTuple):
    layers: list[tuple[Array, Array]]
    attention: Array | None
    carried: Sequence[Any] = ()  # of each row, by the attention
    weights: Sequence[Array] = ()  # of each row, of the last step


class Masks(NamedTuple):
    """Dropout masks of one pair; None where nothing is dropped."""

    query: Array | None = None  # [S, E]
    encoder: Sequence[Array] | None = None  # L times [S, U]
    reply: Array | None = None  # [T, E]
    decoder: Array | None = None  # [T, L, U]
    output: Array | None = None  # [T, U]


UNMASKED = Masks()


def list_variables(model: Any) -> list[Any]:
    """Returns all the network's variables in an order that no renaming changes."""
    layers = [*model.encoder.layers, *model.decoder.layers]
    variables = [model.embedding, *(weight for layer in layers for weight in layer.listed())]
    attention = model.decoder.attention
    if attention is not None:
        own = attention.listed()[::-1]
        variables += [*own[:1], model.decoder.attention_layer.kernel, *own[1:]]
    return [*variables, *model.projection.listed()]


def read_projection(model: Any) -> tuple[Array, Array]:
    """Returns kernel and bias as they apply to the decoder's outputs, tied to the words or not."""
    weights = [weight.numpy().astype(np.float64) for weight in model.projection.listed()]
    if not model.config.tie_embeddings:
        return weights[0], weights[1]
    kernel = model.embedding.numpy().astype(np.float64).T
    return (weights[1] @ kernel if len(weights) > 1 else kernel), weights[0]


class Network:
    """The documents' network, one query at a time."""

    def __init__(self, model: Any) -> None:
        def get(layer: Any) -> list[Array]:
            return [weight.numpy().astype(np.float64) for weight in layer.listed()]

        self.embedding = model.embedding.numpy().astype(np.float64)
        self.encoder = [get(layer) for layer in model.encoder.layers]
        self.kernel, self.bias = read_projection(model)
        self.squashes = model.config.attention_tanh
        self.decoder = [get(layer) for layer in model.decoder.layers]
        self.attention = None
        if model.decoder.attention is not None:
            self.mixing = model.decoder.attention_layer.kernel.numpy().astype(np.float64)
            self.attention = Attention(model.decoder.attention, model.config)
        self.size = model.config.rnn_size

    def encode(self, query: Sequence[int], masks: Masks = UNMASKED) -> tuple[Array, StackState]:
        """Returns the memory `[S, U]` and the decoder's first state for one row."""
        rows = self.embedding[list(query)]
        if masks.query is not None:
            rows = rows * masks.query
        layers = []
        for index, weights in enumerate(self.encoder):
            rows, state = run_lstm(weights, rows)
            layers.append(state)
            if masks.encoder is not None:
                rows = rows * masks.encoder[index]
        attention = None if self.attention is None else np.zeros([1, self.size])
        return rows, StackState([(h[None], c[None]) for h, c in layers], attention, [None])

    def step(
        self, memory: Array, state: StackState, inputs: Array, masks: Array | None = None
    ) -> tuple[Array, StackState]:
        """One decoder step for R rows over one memory: `[R, E]` to `[R, U]`."""
        x, layers = inputs, []
        if state.attention is not None:
            x = np.concatenate([x, state.attention], axis=-1)
        for index, (weights, (hidden, carry)) in enumerate(zip(self.decoder, state.layers)):
            x, carry = lstm_step(weights, x, hidden, carry)
            layers.append((x, carry))
            if masks is not None:
                x = x * masks[:, index]
        if self.attention is None:
            return x, StackState(layers, None)
        looks = [self.attention.look(row, memory, c) for row, c in zip(x, state.carried)]
        context = np.array([look.context for look in looks])
        attention = np.concatenate([x, context], axis=-1) @ self.mixing
        attention = np.tanh(attention) if self.squashes else attention
        rest = [look.carried for look in looks], [look.weights for look in looks]
        return attention, StackState(layers, attention, *rest)

    def decode(
        self, query: Sequence[int], reply: Sequence[int], masks: Masks = UNMASKED
    ) -> tuple[Array, Array]:
        """Teacher forcing: the decoder's outputs `[T, U]` and the logits `[T, V]`."""
        memory, state = self.encode(query, masks)
        inputs = self.embedding[[GO, *reply[:-1]]]
        if masks.reply is not None:
            inputs = inputs * masks.reply
        outputs = []
        for time, row in enumerate(inputs):
            own = None if masks.decoder is None else masks.decoder[time][None]
            output, state = self.step(memory, state, row[None], own)
            outputs.append(output[0])
        projected = np.array(outputs) * (1 if masks.output is None else masks.output)
        return np.array(outputs), projected @ self.kernel + self.bias

    def token_losses(
        self, query: Sequence[int], reply: Sequence[int], masks: Masks = UNMASKED
    ) -> Array:
        """Cross entropy of every token, `[T]` in nats; `reply` has its end token."""
        _, logits = self.decode(query, reply, masks)
        return -log_softmax(logits)[np.arange(len(reply)), list(reply)]

    def look(self, query: Sequence[int], reply: Sequence[int]) -> Array:
        """Returns the alignments `[T, S]` of a reply with its end token, or `[T, H, S]`."""
        memory, state = self.encode(query)
        rows = []
        for token in [GO, *reply[:-1]]:
            _, state = self.step(memory, state, self.embedding[[token]])
            rows.append(state.weights[0])
        return np.array(rows)

    def stepper(self, query: Sequence[int]) -> Stepper:
        """Returns what the searches of `tests.search.oracles` walk with."""
        memory, start = self.encode(query)

        def advance(state: Any, token: int) -> tuple[Any, Array]:
            output, after = self.step(memory, state or start, self.embedding[[token]])
            return after, log_softmax(output @ self.kernel + self.bias)[0]

        return advance


Stepper = Callable[[Any, int], tuple[Any, Array]]
"""From a state (None at first) and the last token to the next state and log probabilities `[V]`."""


def run_lstm(weights: Sequence[Array], rows: Array) -> tuple[Array, tuple[Array, Array]]:
    """Runs one layer over one sequence: outputs `[S, U]`, and h and c `[U]` after the last row."""
    hidden = carry = np.zeros(weights[1].shape[0])
    outputs = []
    for row in rows:
        hidden, carry = lstm_step(weights, row, hidden, carry)
        outputs.append(hidden)
    return np.array(outputs), (hidden, carry)
