"""From the decoder's outputs to the vocabulary, with separate weights or the word vectors."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import tensorflow as tf

from chatbot.network.variables import (
    Matrix,
    draw_truncated_normal,
    root_mean_square,
    stop_gradients,
)


class Projection(tf.Module):
    """A separate kernel `float32 [U, V]`, and a bias `float32 [V]`."""

    def __init__(self, rnn_size: int, vocab_size: int, seeds: Random) -> None:
        super().__init__(name="projection")
        self.kernel = tf.Variable(draw_truncated_normal([rnn_size, vocab_size], 0.1, seeds))
        self.bias = tf.Variable(tf.zeros([vocab_size]))

    def __call__(self, outputs: tf.Tensor) -> tf.Tensor:
        """Computes logits `float [..., V]` from `float [..., U]`, in the outputs' type."""
        reduced = self.reduce(outputs)
        logits = tf.matmul(reduced, self.lay_out(reduced.dtype))
        return tf.nn.bias_add(logits, tf.cast(self.bias, reduced.dtype))

    def begin_with(self, places: tf.Tensor, vectors: tf.Tensor, seeds: Random) -> None:
        """Gives words that have like vectors like columns, in place of random ones.

        The columns are the vectors, less their mean, times one random matrix, and as long as the
        random columns by their root mean square.

        Args:
            places: `int [N, 1]`, the words, each once.
            vectors: `float32 [N, E]`, of these words.
            seeds: One is taken.
        """
        mixing = draw_truncated_normal([vectors.shape[1], self.kernel.shape[0]], 1.0, seeds)
        rows = tf.matmul(vectors - tf.reduce_mean(vectors, axis=0), mixing)
        rows *= tf.math.divide_no_nan(root_mean_square(self.kernel), root_mean_square(rows))
        kernel = tf.transpose(tf.convert_to_tensor(self.kernel))
        self.kernel.assign(tf.transpose(tf.tensor_scatter_nd_update(kernel, places, rows)))

    def listed(self) -> list[tf.Variable]:
        """Returns the variables in the order in which Keras lists them."""
        return [self.kernel, self.bias]

    def reduce(self, outputs: tf.Tensor) -> tf.Tensor:
        """Returns what the kernel of `lay_out` multiplies: here the outputs themselves."""
        return outputs

    def lay_out(self, dtype: tf.DType) -> tf.Tensor:
        """Returns the kernel that multiplies what `reduce` returns, in a type: `[U, V]`."""
        return tf.cast(self.kernel, dtype)

    def fold(self) -> tf.Tensor:
        """Returns the kernel that multiplies the outputs themselves, `float32 [U, V]`."""
        return tf.convert_to_tensor(self.kernel)


class TiedProjection(Projection):
    """The word vectors as kernel, and a bias.

    The logits are E h + b with the embedding E `float32 [V, E]`, as in Press and Wolf 2017, "Using
    the Output Embedding to Improve Language Models", and Inan et al. 2017, "Tying Word Vectors and
    Word Classifiers". Where the outputs are not as wide as the word vectors, h is their product
    with a matrix.
    """

    def __init__(
        self, embedding: tf.Variable, rnn_size: int, seeds: Random, frozen: Any = None
    ) -> None:
        tf.Module.__init__(self, name="projection")
        vocab_size, size = embedding.shape
        # The network's own, and so no attribute, which would be saved a second time.
        self._get_embedding: Callable[[], Any] = lambda: (
            embedding if frozen is None else stop_gradients(frozen, embedding)
        )
        self.narrow = None if size == rnn_size else Matrix(rnn_size, size, seeds)
        self.bias = tf.Variable(tf.zeros([vocab_size]))

    def begin_with(self, places: tf.Tensor, vectors: tf.Tensor, seeds: Random) -> None:
        """Does nothing, because the vectors are the kernel."""

    def listed(self) -> list[tf.Variable]:
        """Returns the variables in the order in which Keras lists them."""
        return [self.bias, *([] if self.narrow is None else [self.narrow.kernel])]

    def reduce(self, outputs: tf.Tensor) -> tf.Tensor:
        """Makes the outputs `float [..., U]` as wide as the word vectors, `float [..., E]`."""
        if self.narrow is None:
            return outputs
        return tf.matmul(outputs, tf.cast(self.narrow.kernel, outputs.dtype))

    def lay_out(self, dtype: tf.DType) -> tf.Tensor:
        """As in `Projection`, `[E, V]`."""
        return tf.transpose(tf.cast(self._get_embedding(), dtype))

    def fold(self) -> tf.Tensor:
        """As in `Projection`: one product instead of two, for replies."""
        kernel = self.lay_out(tf.float32)
        return kernel if self.narrow is None else tf.matmul(self.narrow.kernel, kernel)
