"""A second opinion in NumPy float64: the network without batches or padding, each query alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from chatbot.text import GO
from tests.score_oracles import Array, Attention, sigmoid, softmax

__all__ = [
    "Array",
    "Layer",
    "Network",
    "Stepper",
    "layer_step",
    "list_variables",
    "log_softmax",
    "sigmoid",
    "softmax",
]


def log_softmax(x: Array) -> Array:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


class Layer(NamedTuple):
    """A layer's cell and weights; `gain` is empty without a layer norm."""

    cell: str
    kernel: Array
    recurrent: Array
    bias: Array
    gain: Array

    @classmethod
    def read(cls, variables: Any) -> Layer:
        arrays = [weight.numpy().astype(np.float64) for weight in variables.listed()]
        return cls(variables.cell, *arrays, *([] if len(arrays) > 3 else [np.zeros(0)]))


def normalise(x: Array, gain: Array, bias: Array) -> Array:
    """Ba et al.'s layer norm over the last axis."""
    return gain * (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) + bias


def layer_step(layer: Layer, x: Array, hidden: Array, carry: Array) -> tuple[Array, Array]:
    """One step of a layer, which normalises what enters each gate if it has a gain."""

    def enter(product: Array, place: int) -> Array:
        units = len(layer.bias) // 4
        own = slice(place * units, (place + 1) * units)
        if not layer.gain.size:
            return product + layer.bias[own]
        return normalise(product, layer.gain[own], layer.bias[own])

    if layer.cell == "gru":
        return gru_step(layer, enter, x, hidden)
    products = np.split(x @ layer.kernel + hidden @ layer.recurrent, 4, axis=-1)
    i, f, g, o = (enter(product, place) for place, product in enumerate(products))
    carry = sigmoid(f) * carry + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(carry), carry


def gru_step(layer: Layer, enter: Any, x: Array, hidden: Array) -> tuple[Array, Array]:
    """One step of Cho et al.'s cell, the reset gate after the product; returns h twice."""
    z_x, r_x, n_x = np.split(x @ layer.kernel, 3, axis=-1)
    z_h, r_h, n_h = np.split(hidden @ layer.recurrent, 3, axis=-1)
    z, r = sigmoid(enter(z_x + z_h, 0)), sigmoid(enter(r_x + r_h, 1))
    following = z * hidden + (1 - z) * np.tanh(enter(n_x, 2) + r * enter(n_h, 3))
    return following, following


def attend_to_itself(weights: Sequence[Array], heads: int, memory: Array) -> Array:
    """Vaswani et al.'s self-attention of one memory `[S, U]`, head by head."""
    *kernels, gain, bias = weights
    parts = [np.split(memory @ kernel, heads, axis=-1) for kernel in kernels[:3]]
    found = [softmax(q @ k.T / np.sqrt(q.shape[-1])) @ v for q, k, v in zip(*parts)]
    return normalise(memory + np.concatenate(found, axis=-1) @ kernels[3], gain, bias)


class StackState(NamedTuple):
    layers: list[tuple[Array, Array]]
    attention: Array | None
    carried: Sequence[Any] = ()  # of each row, by the attention
    weights: Sequence[Array] = ()  # of each row, of the last step
    joined: Array | None = None  # [R, 2 * U], query and context of the last step


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
    layers = [*model.encoder.layers, *model.encoder.self_attention, *model.decoder.layers]
    variables = [model.embedding, *(weight for layer in layers for weight in layer.listed())]
    attention = model.decoder.attention
    if attention is not None:
        own = attention.listed()[::-1]
        variables += [*own[:1], model.decoder.attention_layer.kernel, *own[1:]]
    return [*variables, *model.projection.listed()]


def assert_gradients(
    variables: Sequence[Any],
    gradients: Sequence[Array],
    measure: Callable[[], float],
    generator: np.random.Generator,
    rel: float,
    absolute: float,
    width: float = 1e-3,
) -> None:
    """Compares gradients with central differences of a loss, along a random direction each.

    Args:
        variables: What is moved by about `width`, and put back.
        gradients: Theirs.
        measure: Computes the loss from the variables as they are.
        generator: Draws the directions.
        rel: As `pytest.approx` has it.
        absolute: As `pytest.approx` has it.
        width: Standard deviation of the moves.
    """
    for variable, gradient in zip(variables, gradients):
        before = variable.numpy()
        step = width * generator.normal(size=before.shape)
        sides, losses = [], []
        for sign in (1, -1):
            variable.assign(before + sign * step)
            sides.append(variable.numpy().astype(np.float64))
            losses.append(measure())
        variable.assign(before)
        found = np.sum(gradient * (sides[0] - sides[1]))
        assert found == pytest.approx(losses[0] - losses[1], rel=rel, abs=absolute), variable.name


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
        self.config = model.config
        self.embedding = model.embedding.numpy().astype(np.float64)
        self.encoder = [[Layer.read(x) for x in cells] for cells in model.encoder.directions]
        self.self_attention = [
            [weight.numpy().astype(np.float64) for weight in layer.listed()]
            for layer in model.encoder.self_attention
        ]
        self.kernel, self.bias = read_projection(model)
        self.squashes = model.config.attention_tanh
        self.decoder = [Layer.read(layer) for layer in model.decoder.layers]
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
        for index, cells in enumerate(self.encoder):
            below = rows
            rows, state = run_layer(cells, below)
            layers.append(state)
            if masks.encoder is not None:
                rows = rows * masks.encoder[index]
            if self.config.residual and index:
                rows = rows + below
        for weights in self.self_attention:
            rows = attend_to_itself(weights, self.config.attention_heads, rows)
        attention = None if self.attention is None else np.zeros([1, self.size])
        return rows, StackState([(h[None], c[None]) for h, c in layers], attention, [None])

    def step(
        self, memory: Array, state: StackState, inputs: Array, masks: Array | None = None
    ) -> tuple[Array, StackState]:
        """One decoder step for R rows over one memory: `[R, E]` to `[R, U]`."""
        x, layers = inputs, []
        if state.attention is not None:
            x = np.concatenate([x, state.attention], axis=-1)
        for index, (layer, (hidden, carry)) in enumerate(zip(self.decoder, state.layers)):
            below = x
            x, carry = layer_step(layer, x, hidden, carry)
            layers.append((x, carry))
            if masks is not None:
                x = x * masks[:, index]
            if self.config.residual and index:
                x = x + below
        if self.attention is None:
            return x, StackState(layers, None)
        looks = [self.attention.look(row, memory, c) for row, c in zip(x, state.carried)]
        context = np.array([look.context for look in looks])
        joined = np.concatenate([x, context], axis=-1)
        attention = joined @ self.mixing
        attention = np.tanh(attention) if self.squashes else attention
        rest = [look.carried for look in looks], [look.weights for look in looks]
        return attention, StackState(layers, attention, *rest, joined)

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


def run_layer(cells: Sequence[Layer], rows: Array) -> tuple[Array, tuple[Array, Array]]:
    """Runs a layer's directions over one sequence: outputs `[S, U]`, and the last h and c `[U]`."""
    outputs, states = [], []
    for backwards, cell in enumerate(cells):
        hidden = carry = np.zeros(len(cell.bias) // 4)
        found = []
        for row in rows[::-1] if backwards else rows:
            hidden, carry = layer_step(cell, row, hidden, carry)
            found.append(hidden)
        outputs.append(np.array(found[::-1] if backwards else found))
        states.append((hidden, carry))
    hiddens, carries = zip(*states)
    return np.concatenate(outputs, axis=-1), (np.concatenate(hiddens), np.concatenate(carries))
