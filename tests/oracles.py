"""Second opinions in NumPy float64: the network without padding, and searches over whole trees.

Nothing here knows of batches or padding: every query and every reply is computed alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chatbot.text import EOS, GO, PAD, SEP, UNK

Array = Any  # a NumPy float64 array


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


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


class Masks(NamedTuple):
    """Dropout masks of one pair; None where nothing is dropped."""

    query: Array | None = None  # [S, E]
    encoder: Sequence[Array] | None = None  # L times [S, U]
    reply: Array | None = None  # [T, E]
    decoder: Array | None = None  # [T, L, U]
    output: Array | None = None  # [T, U]


UNMASKED = Masks()


def find_decoder_layers(model: Any) -> tuple[Sequence[Any], Any]:
    """Returns the decoder's LSTM cells, and its attention's mechanism and mixing layer, or None."""
    if not model.config.use_attention:
        return model.decoder.cell.cells, None
    wrapper = model.decoder.cell
    return wrapper._cell.cells, (wrapper._attention_mechanisms[0], wrapper._attention_layers[0])


def list_variables(model: Any) -> list[Any]:
    """Returns all the network's variables in an order that no renaming changes."""
    cells, attention = find_decoder_layers(model)
    layers = [*model.encoder.stack.layers, *cells]
    variables = [model.embedding, *(weight for layer in layers for weight in layer.weights)]
    if attention is not None:
        mechanism, mixing = attention
        variables += [*mechanism.memory_layer.weights, *mixing.weights]
        if model.config.attention == "bahdanau":
            variables += [*mechanism.query_layer.weights, mechanism.attention_v]
    return [*variables, *model.projection.weights]


def read_projection(model: Any) -> tuple[Array, Array]:
    """Returns kernel and bias as they apply to the decoder's outputs, tied to the words or not."""
    weights = [weight.numpy().astype(np.float64) for weight in model.projection.weights]
    if not model.config.tie_embeddings:
        return weights[0], weights[1]
    kernel = model.embedding.numpy().astype(np.float64).T
    return (weights[1] @ kernel if len(weights) > 1 else kernel), weights[0]


class Network:
    """The documents' network, one query at a time."""

    def __init__(self, model: Any) -> None:
        def get(layer: Any) -> list[Array]:
            return [weight.astype(np.float64) for weight in layer.get_weights()]

        self.embedding = model.embedding.numpy().astype(np.float64)
        self.encoder = [get(layer) for layer in model.encoder.stack.layers]
        self.kernel, self.bias = read_projection(model)
        self.kind = model.config.attention if model.config.use_attention else None
        cells, attention = find_decoder_layers(model)
        self.decoder = [get(cell) for cell in cells]
        if attention is not None:
            mechanism, mixing = attention
            (self.mixing,) = get(mixing)
            (self.memory_kernel,) = get(mechanism.memory_layer)
            if self.kind == "bahdanau":
                (self.query_kernel,) = get(mechanism.query_layer)
                self.attention_v = mechanism.attention_v.numpy().astype(np.float64)
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
        attention = None if self.kind is None else np.zeros([1, self.size])
        return rows, StackState([(h[None], c[None]) for h, c in layers], attention)

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
        if state.attention is None:
            return x, StackState(layers, None)
        weights = softmax(self.score(memory, x))
        attention = np.concatenate([x, weights @ memory], axis=-1) @ self.mixing
        return attention, StackState(layers, attention)

    def score(self, memory: Array, queries: Array) -> Array:
        """Attention scores `[R, S]` of R decoder outputs."""
        keys = memory @ self.memory_kernel
        if self.kind == "luong":
            return queries @ keys.T
        inner = np.tanh((queries @ self.query_kernel)[:, None] + keys[None])
        return inner @ self.attention_v

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
        """Returns the alignments `[T, S]` of a reply with its end token."""
        memory, state = self.encode(query)
        rows = []
        for token in [GO, *reply[:-1]]:
            _, state = self.step(memory, state, self.embedding[[token]])
            rows.append(softmax(self.score(memory, state.layers[-1][0]))[0])
        return np.array(rows)

    def stepper(self, query: Sequence[int]) -> Stepper:
        """Returns what the tree searches below walk with."""
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


def search_exhaustively(
    advance: Stepper, max_reply_length: int, vocab_size: int
) -> dict[tuple[int, ...], float]:
    """Returns the log probability of every reply up to the length, its end token's included."""
    found: dict[tuple[int, ...], float] = {}

    def walk(words: tuple[int, ...], state: Any, log_prob: float) -> None:
        state, log_probs = advance(state, words[-1] if words else GO)
        found[words] = log_prob + log_probs[EOS]
        if len(words) < max_reply_length:
            for word in set(range(vocab_size)) - {EOS}:
                walk((*words, word), state, log_prob + log_probs[word])

    walk((), None, 0.0)
    return found


def search_greedily(advance: Stepper, max_reply_length: int) -> tuple[tuple[int, ...], float]:
    """Takes the likeliest token until the end token or the length; returns words, log_prob."""
    words: list[int] = []
    state, log_probs = advance(None, GO)
    total = 0.0
    while len(words) < max_reply_length and int(np.argmax(log_probs)) != EOS:
        words.append(int(np.argmax(log_probs)))
        total += log_probs[words[-1]]
        state, log_probs = advance(state, words[-1])
    return tuple(words), total + log_probs[EOS]


def search_with_beam(
    advance: Stepper, max_reply_length: int, beam_size: int
) -> dict[tuple[int, ...], float]:
    """Keeps the `beam_size` likeliest beginnings, ended ones among them; returns the last ones."""
    beam: list[tuple[float, tuple[int, ...], Any]] = [(0.0, (), None)]
    for _ in range(max_reply_length):
        candidates = []
        for log_prob, words, state in beam:
            if words[-1:] == (EOS,):
                candidates.append((log_prob, words, state))
                continue
            after, log_probs = advance(state, words[-1] if words else GO)
            candidates += [
                (log_prob + step, (*words, word), after) for word, step in enumerate(log_probs)
            ]
        beam = sorted(candidates, key=lambda item: -item[0])[:beam_size]
    found = {}
    for log_prob, words, state in beam:
        if words[-1:] == (EOS,):
            found[words[:-1]] = log_prob
        else:
            found[words] = log_prob + advance(state, words[-1])[1][EOS]
    return found


def find_forbidden(words: Sequence[int], min_length: int, ngram: int, ban_unk: bool) -> set[int]:
    """Returns what may not come after the words, by the rules' names."""
    banned = {PAD, GO, UNK, SEP} if ban_unk else set()
    if len(words) < min_length:
        banned.add(EOS)
    if ngram:
        runs = [tuple(words[i : i + ngram]) for i in range(len(words) - ngram + 1)]
        latest = tuple(words[len(words) - ngram + 1 :])
        banned |= {run[-1] for run in runs if run[:-1] == latest}
    return banned


def keep_rules(advance: Stepper, min_length: int, ngram: int, ban_unk: bool) -> Stepper:
    """Lets a stepper walk where the rules allow; what is left shares all the probability."""

    def step(state: Any, token: int) -> tuple[Any, Array]:
        inner, words = state or (None, ())
        words = words if token == GO and state is None else (*words, token)
        after, log_probs = advance(inner, token)
        log_probs = np.array(log_probs, np.float64)
        log_probs[list(find_forbidden(words, min_length, ngram, ban_unk))] = -np.inf
        total = np.exp(log_probs).sum()
        return (after, words), log_probs - np.log(total) if total > 0 else log_probs

    return step


def score_reply(advance: Stepper, words: Sequence[int]) -> float:
    """Returns the log probability of a reply and its end token."""
    state, log_probs = advance(None, GO)
    total = 0.0
    for word in words:
        total += log_probs[word]
        state, log_probs = advance(state, word)
    return float(total + log_probs[EOS])


def search_in_groups(
    advance: Stepper, max_reply_length: int, beam_size: int, groups: int, strength: float
) -> dict[tuple[int, ...], float]:
    """Searches with a beam whose groups avoid one another's words, step by step."""
    size = beam_size // groups
    beams: list[list[tuple[float, tuple[int, ...], Any]]] = [
        [(0.0, (), None)] for _ in range(groups)
    ]
    for time in range(max_reply_length + 1):
        taken: list[int] = []
        for number, beam in enumerate(beams):
            candidates = []
            for log_prob, words, state in beam:
                if words[-1:] == (EOS,):
                    candidates.append((log_prob, log_prob, words, state))
                    continue
                after, log_probs = advance(state, words[-1] if words else GO)
                for word, step in enumerate(log_probs):
                    if word == EOS or time < max_reply_length:
                        loss = 0.0 if word == EOS else strength * taken.count(word)
                        whole = log_prob + step
                        candidates.append((whole - loss, whole, (*words, word), after))
            best = sorted(candidates, key=lambda item: -item[0])[:size]
            beams[number] = [item[1:] for item in best]
            taken += [words[time] for _, words, _ in beams[number] if len(words) > time]
    ended = [item for beam in beams for item in beam]
    return {words[:-1]: log_prob for log_prob, words, _ in ended}


def score_normalised(log_prob: float, words: int, penalty: float) -> float:
    """The rank's formula, log_prob / ((5 + tokens) / 6) ** penalty, the end token counted."""
    return float(log_prob / ((5 + words + 1) / 6) ** penalty)


def count_replies(max_reply_length: int, vocab_size: int) -> int:
    """The number of replies that an exhaustive search sees."""
    return sum((vocab_size - 1) ** length for length in range(max_reply_length + 1))


def list_replies(max_reply_length: int, vocab_size: int) -> list[tuple[int, ...]]:
    """All replies that an exhaustive search sees, without their end tokens."""
    words = [word for word in range(vocab_size) if word != EOS]
    return [
        reply
        for length in range(max_reply_length + 1)
        for reply in itertools.product(words, repeat=length)
    ]
