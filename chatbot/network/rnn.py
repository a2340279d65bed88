"""Stacks of LSTM layers with dropout on every layer's output."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import tensorflow as tf

from chatbot.network.steps import run_lstm

State = tuple[list[tf.Tensor], ...]
"""One `[h, c]` list a layer, each `float [B, U]`."""


def draw_mask(
    seed: tf.Tensor, stream: int, shape: Sequence[Any], rate: float, dtype: tf.DType
) -> tf.Tensor:
    """Draws a dropout mask: 0 with probability `rate`, else 1 / (1 - rate).

    The mask depends on its arguments alone, so a resumed training draws the masks that an
    uninterrupted one would have drawn (Srivastava et al. 2014, "Dropout", inverted form).

    Args:
        seed: `int32 [2]`, one for each training step.
        stream: Number of the place that the mask is for; each place has its own masks.
        shape: Shape of the mask.
        rate: Fraction dropped, in [0, 1).
        dtype: Type of the mask.

    Returns:
        A tensor of `dtype` and `shape`.
    """
    kept = draw_kept(seed, stream, shape, rate)
    return tf.cast(kept, dtype) * tf.cast(1.0 / (1.0 - rate), dtype)


def draw_step_masks(
    seed: tf.Tensor, stream: int, shape: Sequence[Any], rate: float, dtype: tf.DType, same: bool
) -> tf.Tensor:
    """Draws the dropout masks of all steps of a batch of sequences.

    Args:
        seed: See `draw_mask`.
        stream: See `draw_mask`.
        shape: Rows, steps and width.
        rate: See `draw_mask`.
        dtype: See `draw_mask`.
        same: Whether each row has one mask for all its steps, the variational dropout of Gal and
            Ghahramani 2016, "A Theoretically Grounded Application of Dropout in Recurrent Neural
            Networks", here on outputs alone; otherwise each step has its own.

    Returns:
        Of `dtype` and `shape`, or with 1 in place of the steps.
    """
    rows, steps, width = shape
    return draw_mask(seed, stream, [rows, 1 if same else steps, width], rate, dtype)


def draw_kept(seed: tf.Tensor, stream: int, shape: Sequence[Any], rate: float) -> tf.Tensor:
    """Draws what dropout keeps.

    Args:
        seed: See `draw_mask`, as for the other arguments.
        stream: See `draw_mask`.
        shape: See `draw_mask`.
        rate: See `draw_mask`.

    Returns:
        `bool` of `shape`, false with probability `rate`.
    """
    own = tf.random.experimental.stateless_fold_in(seed, stream)
    return tf.random.stateless_uniform(shape, own) >= rate


def make_initializers(seeds: Random | None = None) -> dict[str, Any]:
    """Makes Keras' usual initializers of an LSTM layer, seeded.

    Args:
        seeds: Where the seeds come from; None for fixed ones.

    Returns:
        Keyword arguments of the layer.
    """
    seeds = seeds or Random(0)
    return {
        "kernel_initializer": tf.keras.initializers.GlorotUniform(seeds.randrange(2**31)),
        "recurrent_initializer": tf.keras.initializers.Orthogonal(seed=seeds.randrange(2**31)),
    }


class LSTMEncoderStack(tf.Module):
    """LSTM layers over whole padded sequences, in the layout that cuDNN accepts.

    Attributes:
        fast: Whether they run in our own loop, which gives the same results sooner on a processor,
            or in Keras'.
    """

    def __init__(
        self,
        rnn_size: int,
        num_layers: int,
        dropout: float,
        seeds: Random | None = None,
        same_masks: bool = False,
    ) -> None:
        """Makes the layers.

        Args:
            rnn_size: Units of each layer.
            num_layers: Number of layers.
            dropout: Fraction of each layer's output dropped in training.
            seeds: Where the first weights' seeds come from.
            same_masks: Whether a row's dropout mask is the same at all its steps.
        """
        super().__init__(name="lstm_encoder_stack")
        self.fast = False
        self._dropout = dropout
        self._same_masks = same_masks
        self._rnn_size = rnn_size
        self.layers = [
            tf.keras.layers.LSTM(
                rnn_size,
                return_sequences=True,
                return_state=True,
                name=f"layer_{index}",
                **make_initializers(seeds),
            )
            for index in range(num_layers)
        ]

    def build(self, input_size: int) -> None:
        """Makes the variables.

        Args:
            input_size: Width of the first layer's inputs.
        """
        for index, layer in enumerate(self.layers):
            layer.build(tf.TensorShape([None, None, self._rnn_size if index else input_size]))

    def __call__(
        self, inputs: tf.Tensor, lengths: tf.Tensor, dropout_seed: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, State]:
        """Runs the layers one after the other.

        Args:
            inputs: `float [B, S, E]`, padded on the right.
            lengths: `int32 [B]`, at least 1.
            dropout_seed: `int32 [2]` in training; None for no dropout.

        Returns:
            The top layer's outputs `float [B, S, U]`, zero past each length, and every layer's
            state after the last real step.
        """
        mask = tf.sequence_mask(lengths, tf.shape(inputs)[1])
        outputs, states = inputs, []
        for index, layer in enumerate(self.layers):
            outputs, *state = self._run(layer, outputs, lengths)
            states.append(state)
            if dropout_seed is not None and self._dropout > 0:
                outputs *= self._draw_masks(dropout_seed, index, outputs)
        outputs *= tf.cast(mask, outputs.dtype)[:, :, tf.newaxis]
        return outputs, tuple(states)

    def _draw_masks(self, seed: tf.Tensor, index: int, outputs: tf.Tensor) -> tf.Tensor:
        shape = tf.unstack(tf.shape(outputs))
        return draw_step_masks(seed, index, shape, self._dropout, outputs.dtype, self._same_masks)

    def _run(
        self, layer: tf.keras.layers.LSTM, inputs: tf.Tensor, lengths: tf.Tensor
    ) -> list[tf.Tensor]:
        """Returns a layer's outputs `[B, S, U]`, its last hidden state and its last carry."""
        if not self.fast:
            return list(layer(inputs, mask=tf.sequence_mask(lengths, tf.shape(inputs)[1])))
        cell = layer.cell
        outputs, hidden, carry = run_lstm(
            tf.transpose(inputs, [1, 0, 2]),
            lengths,
            cell.kernel,
            cell.recurrent_kernel,
            cell.bias,
        )
        return [tf.transpose(outputs, [1, 0, 2]), hidden, carry]


class LSTMCellStack(tf.keras.layers.AbstractRNNCell):
    """LSTM cells, one step at a time, each output multiplied by a mask if masks are given.

    The masks are extra columns of the input, drawn outside the decoding loop: one draw serves all
    its steps, and the loop itself has no randomness in it.
    """

    def __init__(
        self,
        rnn_size: int,
        num_layers: int,
        input_size: int,
        seeds: Random | None = None,
        **kwargs: Any,
    ) -> None:
        """Makes the cells.

        Args:
            rnn_size: Units of each cell.
            num_layers: Number of cells.
            input_size: Width of the input without masks, X.
            seeds: Where the first weights' seeds come from.
            **kwargs: Passed on to the Keras layer.
        """
        super().__init__(**kwargs)
        self._rnn_size = rnn_size
        self._num_layers = num_layers
        self._input_size = input_size
        self.cells = [
            tf.keras.layers.LSTMCell(rnn_size, name=f"cell_{index}", **make_initializers(seeds))
            for index in range(num_layers)
        ]

    @property
    def state_size(self) -> tuple[list[int], ...]:
        """The sizes of `[h, c]` of every layer."""
        return tuple([self._rnn_size, self._rnn_size] for _ in range(self._num_layers))

    @property
    def output_size(self) -> int:
        """The width of the top layer's output."""
        return self._rnn_size

    def call(
        self, inputs: tf.Tensor, states: State, training: Any = None
    ) -> tuple[tf.Tensor, State]:
        """Takes one step.

        Args:
            inputs: `float [B, X]`, or `float [B, X + L * U]` with every layer's mask behind.
            states: The state before the step.
            training: Accepted because the library passes it; the masks decide.

        Returns:
            The top layer's output `float [B, U]` and the state after the step.
        """
        del training
        outputs, masks = inputs[:, : self._input_size], []
        if inputs.shape[-1] > self._input_size:
            masks = tf.split(inputs[:, self._input_size :], self._num_layers, axis=-1)
        next_states = []
        for index, (cell, state) in enumerate(zip(self.cells, states)):
            outputs, next_state = cell(outputs, list(state))
            next_states.append(list(next_state))
            if masks:
                outputs = outputs * masks[index]
        return outputs, tuple(next_states)
