"""From the decoder's outputs to the vocabulary, with separate weights or the word vectors."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import tensorflow as tf

from chatbot.network.initializers import draw_seed, make_matrix


class Projection(tf.keras.layers.Dense):
    """A separate kernel `float32 [U, V]`, and a bias."""

    def __init__(self, vocab_size: int, seeds: Random) -> None:
        initializer = tf.keras.initializers.TruncatedNormal(stddev=0.1, seed=draw_seed(seeds))
        super().__init__(vocab_size, kernel_initializer=initializer, name="projection")

    def reduce(self, outputs: tf.Tensor) -> tf.Tensor:
        """Returns what the kernel of `lay_out` multiplies: here the outputs themselves."""
        return outputs

    def lay_out(self, dtype: tf.DType) -> tf.Tensor:
        """Returns the kernel that multiplies what `reduce` returns, in a type: `[U, V]`."""
        return tf.cast(self.kernel, dtype)

    def fold(self) -> tf.Tensor:
        """Returns the kernel that multiplies the outputs themselves, `float32 [U, V]`."""
        return tf.convert_to_tensor(self.kernel)


class TiedProjection(tf.keras.layers.Layer):
    """The word vectors as kernel, and a bias.

    The logits are E h + b with the embedding E `float32 [V, E]`, as in Press and Wolf 2017, "Using
    the Output Embedding to Improve Language Models", and Inan et al. 2017, "Tying Word Vectors and
    Word Classifiers". Where the outputs are not as wide as the word vectors, h is their product
    with a matrix.
    """

    def __init__(self, embedding: tf.Variable, rnn_size: int, seeds: Random) -> None:
        super().__init__(name="projection")
        self._vocab_size, size = embedding.shape
        # The network's own, and so no attribute: Keras would count it among this layer's weights.
        self._get_embedding: Callable[[], tf.Variable] = lambda: embedding
        self.narrow: Any = None
        if size != rnn_size:
            self.narrow = make_matrix(size, seeds)

    def build(self, input_shape: Any) -> None:
        """Makes the variables for outputs `[..., U]`."""
        self.bias = self.add_weight(name="bias", shape=[self._vocab_size], initializer="zeros")
        if self.narrow is not None:
            self.narrow.build(input_shape)
        super().build(input_shape)

    def call(self, outputs: tf.Tensor) -> tf.Tensor:
        """Computes logits `float [..., V]` from `float [..., U]`."""
        reduced = self.reduce(outputs)
        return tf.nn.bias_add(tf.matmul(reduced, self.lay_out(reduced.dtype)), self.bias)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        """Returns the logits' shape, which the library asks for."""
        return tf.TensorShape(input_shape)[:-1].concatenate(self._vocab_size)

    def reduce(self, outputs: tf.Tensor) -> tf.Tensor:
        """Makes the outputs `float [..., U]` as wide as the word vectors, `float [..., E]`."""
        return outputs if self.narrow is None else self.narrow(outputs)

    def lay_out(self, dtype: tf.DType) -> tf.Tensor:
        """As in `Projection`, `[E, V]`."""
        return tf.transpose(tf.cast(self._get_embedding(), dtype))

    def fold(self) -> tf.Tensor:
        """As in `Projection`: one product instead of two, for replies."""
        kernel = self.lay_out(tf.float32)
        return kernel if self.narrow is None else tf.matmul(self.narrow.kernel, kernel)
