"""From the decoder's outputs to the vocabulary, with separate weights or the word vectors."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import tensorflow as tf


class Projection(tf.keras.layers.Dense):
    """A kernel and a bias of its own."""

    def __init__(self, vocab_size: int, seeds: Random) -> None:
        """Makes the layer.

        Args:
            vocab_size: Words in the vocabulary, V.
            seeds: Where the first weights' seed comes from.
        """
        initializer = tf.keras.initializers.TruncatedNormal(stddev=0.1, seed=seeds.randrange(2**31))
        super().__init__(vocab_size, kernel_initializer=initializer, name="projection")

    def reduce(self, outputs: tf.Tensor) -> tf.Tensor:
        """Returns what the kernel of `lay_out` is applied to: here the outputs themselves."""
        return outputs

    def lay_out(self, dtype: tf.DType) -> tf.Tensor:
        """Returns the kernel that is applied to what `reduce` gives.

        Args:
            dtype: Its type.

        Returns:
            `[U, V]`.
        """
        return tf.cast(self.kernel, dtype)

    def fold(self) -> tf.Tensor:
        """Returns the kernel that is applied to the outputs themselves, `float32 [U, V]`."""
        return tf.convert_to_tensor(self.kernel)


class TiedProjection(tf.keras.layers.Layer):
    """The word vectors as kernel, and a bias.

    The scores of the words are E h + b with the embedding E, of Press and Wolf 2017, "Using the
    Output Embedding to Improve Language Models", and Inan et al. 2017, "Tying Word Vectors and Word
    Classifiers". Where the outputs are not as wide as the word vectors, h is a product of them.
    """

    def __init__(self, embedding: tf.Variable, rnn_size: int, seeds: Random) -> None:
        """Makes the layer.

        Args:
            embedding: `float32 [V, E]`, which belongs to the network, not to this layer.
            rnn_size: Width of the decoder's outputs, U.
            seeds: Where the first weights' seed comes from.
        """
        super().__init__(name="projection")
        self._vocab_size, size = embedding.shape
        # Not an attribute itself, or Keras would count it among this layer's weights.
        self._get_embedding: Callable[[], tf.Variable] = lambda: embedding
        self.narrow: Any = None
        if size != rnn_size:
            initializer = tf.keras.initializers.GlorotUniform(seeds.randrange(2**31))
            self.narrow = tf.keras.layers.Dense(
                size, use_bias=False, kernel_initializer=initializer, name="narrow"
            )

    def build(self, input_shape: Any) -> None:
        """Makes the variables.

        Args:
            input_shape: The outputs', `[..., U]`.
        """
        self.bias = self.add_weight(name="bias", shape=[self._vocab_size], initializer="zeros")
        if self.narrow is not None:
            self.narrow.build(input_shape)
        super().build(input_shape)

    def call(self, outputs: tf.Tensor) -> tf.Tensor:
        """Computes logits.

        Args:
            outputs: `float [..., U]`.

        Returns:
            `float [..., V]`.
        """
        reduced = self.reduce(outputs)
        return tf.nn.bias_add(tf.matmul(reduced, self.lay_out(reduced.dtype)), self.bias)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        """Returns the logits' shape, which the library asks for.

        Args:
            input_shape: The outputs'.
        """
        return tf.TensorShape(input_shape)[:-1].concatenate(self._vocab_size)

    def reduce(self, outputs: tf.Tensor) -> tf.Tensor:
        """Makes the outputs as wide as the word vectors, if they are not.

        Args:
            outputs: `float [..., U]`.

        Returns:
            `float [..., E]`.
        """
        return outputs if self.narrow is None else self.narrow(outputs)

    def lay_out(self, dtype: tf.DType) -> tf.Tensor:
        """As in `Projection`, `[E, V]`."""
        return tf.transpose(tf.cast(self._get_embedding(), dtype))

    def fold(self) -> tf.Tensor:
        """As in `Projection`: one product instead of two, for replies."""
        kernel = self.lay_out(tf.float32)
        return kernel if self.narrow is None else tf.matmul(self.narrow.kernel, kernel)
