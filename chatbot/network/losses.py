"""Cross entropy over the real tokens of the replies.

**Label smoothing** by s trains towards (1 - s) at the target and s / V at each of the V words
(Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision"). It changes the
gradients alone: with respect to logits z, with p = softmax(z), the gradient is p minus that
distribution, as for the smoothed loss. The losses themselves are reported, so they are unsmoothed.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from chatbot.network.steps import multiply

SMALLEST = 1e-30
"""Probabilities above this have an exact logarithm in float32."""


def gather_real(values: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Picks the real positions out of a padded batch, row after row.

    Args:
        values: `[B, T, ...]`, padded on the right.
        lengths: `int32 [B]`, the real positions of each row.

    Returns:
        `[N, ...]`, where N is the sum of `lengths`.
    """
    return tf.boolean_mask(values, tf.sequence_mask(lengths, tf.shape(values)[1]))


def coverage_losses(weights: tf.Tensor) -> tf.Tensor:
    """Measures how much each step looks at what the steps before have looked at.

    See et al. 2017, "Get To The Point", equation 12: the sum of min(a, C) over the query's tokens,
    a being the step's weights and C the sum of those before.

    Args:
        weights: `float32 [B, T, S]`.

    Returns:
        `float32 [B, T]`.
    """
    before = tf.cumsum(weights, axis=1, exclusive=True)
    return tf.reduce_sum(tf.minimum(weights, before), axis=2)


def token_losses(logits: tf.Tensor, targets: tf.Tensor, label_smoothing: float = 0.0) -> tf.Tensor:
    """Computes each token's cross entropy, in float32 whatever the logits' type.

    Args:
        logits: `float [N, V]`.
        targets: `int32 [N]`, ids of the right tokens.
        label_smoothing: What the gradient is smoothed by.

    Returns:
        `float32 [N]`, -log softmax(logits)[target], in nats.
    """
    compute = tf.custom_gradient(lambda z, targets: _cross_entropy(z, targets, label_smoothing))
    return compute(tf.cast(logits, tf.float32), targets)


def _cross_entropy(logits: tf.Tensor, targets: tf.Tensor, label_smoothing: float) -> Any:
    """Computes what `tf.nn.sparse_softmax_cross_entropy_with_logits` does, in half the time.

    With p = softmax(logits), the logarithm of the softmax's denominator is
    max(logits) - log(max(p)), and the gradient is p minus 1 at the target: nothing is exponentiated
    twice.
    """
    probabilities = tf.nn.softmax(logits)
    places = _list_places(targets)

    def gradient(d_losses: tf.Tensor) -> tuple[tf.Tensor, None]:
        d_logits = _subtract_share(probabilities, label_smoothing) * d_losses[:, tf.newaxis]
        return tf.tensor_scatter_nd_sub(d_logits, places, (1 - label_smoothing) * d_losses), None

    return _take_logarithms(logits, probabilities, places), gradient


def _subtract_share(probabilities: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    """Subtracts what label smoothing gives to every word."""
    if label_smoothing == 0:
        return probabilities
    words = tf.cast(tf.shape(probabilities)[1], tf.float32)
    return probabilities - label_smoothing / words


def _list_places(targets: tf.Tensor) -> tf.Tensor:
    """Returns the places of the targets in `[N, V]`, `int32 [N, 2]`."""
    return tf.stack([tf.range(tf.size(targets)), targets], axis=1)


def _take_logarithms(logits: tf.Tensor, probabilities: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Returns -log p at the places, exact and finite even where p is too small for float32."""
    normalizer = tf.reduce_max(logits, axis=1) - tf.math.log(tf.reduce_max(probabilities, axis=1))
    return normalizer - tf.gather_nd(logits, places)


def project_losses(
    outputs: tf.Tensor,
    kernel: tf.Tensor,
    bias: tf.Tensor,
    targets: tf.Tensor,
    label_smoothing: float = 0.0,
) -> tf.Tensor:
    """Projects outputs to the vocabulary and computes each token's cross entropy.

    The same as `token_losses(outputs @ kernel + bias, targets)` with fewer passes over `[N, V]`,
    and all products in the outputs' type. With G = p minus 1 at the target and u the gradient with
    respect to the losses, the backward pass is u (G kernel^T), (u outputs)^T G and u^T G: nothing
    as wide as the vocabulary is multiplied by u itself.

    Args:
        outputs: `float [N, U]`.
        kernel: `[U, V]`, of the same type.
        bias: `float32 [V]`.
        targets: `int32 [N]`, ids of the right tokens.
        label_smoothing: What the gradient is smoothed by.

    Returns:
        `float32 [N]`, in nats.
    """
    compute = tf.custom_gradient(lambda *given: _project(label_smoothing, *given))
    return compute(outputs, kernel, bias, targets)


def _project(
    label_smoothing: float,
    outputs: tf.Tensor,
    kernel: tf.Tensor,
    bias: tf.Tensor,
    targets: tf.Tensor,
) -> Any:
    """Returns the losses, and the function of their gradient."""
    dtype, places = outputs.dtype, _list_places(targets)
    logits = multiply(outputs, kernel, tf.cast(bias, dtype))
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
    chosen = tf.gather_nd(probabilities, places)
    losses = tf.cond(
        tf.reduce_min(chosen) > SMALLEST,
        lambda: -tf.math.log(chosen),
        lambda: _take_logarithms(tf.cast(logits, tf.float32), probabilities, places),
    )

    def gradient(d_losses: tf.Tensor) -> tuple[Any, ...]:
        rest = _subtract_share(probabilities, label_smoothing)
        right = tf.gather_nd(rest, places) - (1 - label_smoothing)
        errors = tf.cast(rest, dtype)
        errors = tf.tensor_scatter_nd_update(errors, places, tf.cast(right, dtype))
        d_outputs = tf.matmul(errors, kernel, transpose_b=True)
        d_outputs = tf.cast(d_outputs, tf.float32) * d_losses[:, tf.newaxis]
        # Transposed before the product, which takes a fifth longer when it transposes its input.
        weighted = tf.transpose(tf.cast(outputs, tf.float32)) * d_losses
        d_kernel = tf.matmul(tf.cast(weighted, dtype), errors)
        return tf.cast(d_outputs, dtype), d_kernel, _sum_rows(errors, d_losses), None

    return losses, gradient


def _sum_rows(errors: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Returns the weighted sum of rows, `float32 [V]`, by a product in the rows' type."""
    # Shares of the largest weight: of a mean they are ones, where 1 / N would be rounded.
    largest = tf.reduce_max(tf.abs(weights))
    shares = tf.cast(tf.math.divide_no_nan(weights, largest), errors.dtype)
    return tf.cast(tf.matmul(shares[tf.newaxis], errors)[0], tf.float32) * largest
