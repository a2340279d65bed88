"""Adam, with a scale for float16's losses, over plain variables.

Its variables and slots have the names under which Keras' `optimizers.legacy.Adam` and
`LossScaleOptimizer` of TensorFlow 2.15 save theirs, so that checkpoints of either load into the
other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

EPSILON = 1e-8
SLOTS = ("m", "v")
"""Names of Adam's first and second moments."""


class LossScale(tf.Module):
    """What losses are multiplied by, so that small gradients survive in float16.

    It doubles after 2,000 finite steps in a row and halves at a step that is not finite
    (Micikevicius et al. 2018, "Mixed Precision Training", section 3.2).
    """

    def __init__(self) -> None:
        super().__init__(name="loss_scale")
        self.current_loss_scale = _make_number(2.0**15)
        self.good_steps = _make_number(0, tf.int64)

    def note(self, finite: bool) -> None:
        """Takes note of a step; call it outside the replicas.

        Args:
            finite: Whether the loss and all gradients were finite.
        """
        scale, steps = self.current_loss_scale, self.good_steps
        if not finite:
            steps.assign(0)
            scale.assign(tf.maximum(scale / 2.0, 1.0))
            return
        is_due = steps + 1 >= 2_000
        steps.assign(tf.where(is_due, tf.zeros_like(steps + 1), steps + 1))
        may_double = tf.logical_and(is_due, tf.math.is_finite(scale * 2.0))
        scale.assign(tf.where(may_double, scale * 2.0, tf.identity(scale)))


class Adam(tf.Module):
    """Adam by TensorFlow's fused kernel (Kingma and Ba 2015, "Adam", the form before section 2.1).

    Attributes:
        iter: `int64 []`, updates so far; in float16 also those that were passed over.
        learning_rate: `float32 []`, the step size.
        loss_scale: What losses are multiplied by in float16, or None.
    """

    def __init__(self, variables: Sequence[Any], scale_losses: bool = False) -> None:
        """Makes the slots; call it in the scope in which the variables were made.

        Args:
            variables: What is trained, `float32`.
            scale_losses: Whether losses are to be scaled, as in float16.
        """
        super().__init__(name="adam")
        self.iter = _make_number(0, tf.int64)
        self.learning_rate = _make_number(0.001)
        self.beta_1 = _make_number(0.9)
        self.beta_2 = _make_number(0.999)
        self.decay = _make_number(0.0)  # unused: Keras' optimizer saves it
        self.loss_scale = LossScale() if scale_losses else None
        self._make_slots(variables)

    @tf.__internal__.tracking.no_automatic_dependency_tracking  # slots are saved beside variables
    def _make_slots(self, variables: Sequence[Any]) -> None:
        self._variables = list(variables)
        self._slots = {id(x): [_make_slot(x) for _ in SLOTS] for x in variables}

    def scale(self, loss: tf.Tensor) -> tf.Tensor:
        """Scales a loss, `float32 []`, in float16."""
        return loss if self.loss_scale is None else loss * self.loss_scale.current_loss_scale

    def unscale(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Takes the scale off the gradients of a loss that `scale` gave."""
        if self.loss_scale is None:
            return list(gradients)
        factor = 1.0 / self.loss_scale.current_loss_scale
        return [gradient * factor for gradient in gradients]

    def apply(self, strategy: Any, gradients: Sequence[Any]) -> None:
        """Updates every variable; call it outside the replicas.

        Args:
            strategy: The `tf.distribute.Strategy` that holds the variables.
            gradients: One for each variable, finite and the same in all replicas.
        """
        time = tf.cast(self.iter + 1, tf.float32)
        numbers = {
            "beta1_power": tf.pow(tf.identity(self.beta_1), time),
            "beta2_power": tf.pow(tf.identity(self.beta_2), time),
            "lr": tf.identity(self.learning_rate),
            "beta1": tf.identity(self.beta_1),
            "beta2": tf.identity(self.beta_2),
            "epsilon": EPSILON,
        }

        def update(variable: Any, gradient: tf.Tensor, m: Any, v: Any) -> Any:
            handles = {"var": variable.handle, "m": m.handle, "v": v.handle}
            return tf.raw_ops.ResourceApplyAdam(**handles, **numbers, grad=gradient)

        for variable, gradient in zip(self._variables, gradients):
            slots = self._slots[id(variable)]
            strategy.extended.update(variable, update, (gradient, *slots), group=False)
        self.iter.assign_add(1)
        if self.loss_scale is not None:
            self.loss_scale.note(finite=True)

    def pass_over(self) -> None:
        """Takes note of a step whose loss or gradients are not finite."""
        if self.loss_scale is not None:
            self.iter.assign_add(1)
            self.loss_scale.note(finite=False)

    # What tf.train.Checkpoint asks of an optimizer.

    def get_slot_names(self) -> list[str]:
        """Returns the names of the slots."""
        return list(SLOTS)

    def get_slot(self, variable: Any, name: str) -> Any:
        """Finds a slot.

        Raises:
            KeyError: The variable is not trained.
        """
        return self._slots[id(variable)][SLOTS.index(name)]

    def _create_or_restore_slot_variable(
        self, slot_variable_position: Any, slot_name: str, variable: Any
    ) -> None:
        slot_variable_position.restore(self.get_slot(variable, slot_name))


def _make_number(value: float, dtype: tf.DType = tf.float32) -> tf.Variable:
    return tf.Variable(
        value,
        trainable=False,
        dtype=dtype,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def _make_slot(variable: Any) -> Any:
    with tf.distribute.get_strategy().extended.colocate_vars_with(variable):
        return tf.Variable(tf.zeros(variable.shape, variable.dtype), trainable=False)
