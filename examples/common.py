"""What every example does alike: its flags, its training and its report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
import tensorflow as tf
from absl import flags
from numpy.typing import NDArray

from chatbot.programs.flags import FLAGS, define_path, run, show
from chatbot.system.paths import find_in_project
from chatbot.system.terminal import write_output
from chatbot.training.adam import Adam

Array = NDArray[Any]
CLIPPED = 5.0
"""The most that a step's gradients may measure together."""


class Options(NamedTuple):
    """What an example is asked to do.

    Attributes:
        data: Its data's file or directory, or empty.
        epochs: Times that the training reads all examples.
        seed: Where all that is random comes from.
        picture: The file for the picture.
    """

    data: str
    epochs: int
    seed: int
    picture: str


def run_example(
    work: Callable[[Options], Mapping[str, float]],
    purpose: str,
    picture: str,
    epochs: int,
    data: str = "",
    what: str = "",
) -> NoReturn:
    """Runs an example from the command line and prints its figures.

    Args:
        work: Does it; returns {name: figure}.
        purpose: What it does, for `--help`.
        picture: The file of its picture where `--picture` names no other.
        epochs: Those of `--epochs`, likewise.
        data: Its bundled data, where it reads any.
        what: What these are, for `--help`.

    Raises:
        SystemExit: Always, with the exit status.
    """

    def define_flags() -> None:
        define_path("picture", picture, "File for the picture of the attention, .png or .svg.")
        flags.DEFINE_integer("epochs", epochs, "Times that the training reads all examples.", 1)
        flags.DEFINE_integer("seed", 0, "Where all that is random comes from.", 0)
        if data:
            define_path("data", find_in_project(data), what)
        show("What to do", *(["data"] if data else []), "epochs", "seed", "picture")

    def main(_: Sequence[str]) -> int:
        begin = time.perf_counter()
        named = FLAGS.data if data else ""
        figures = work(Options(named, FLAGS.epochs, FLAGS.seed, FLAGS.picture))
        width = max(map(len, figures))
        for name, figure in figures.items():
            write_output(f"{name:<{width}}  {figure:.3f}\n")
        write_output(f"{time.perf_counter() - begin:.0f} s; {FLAGS.picture} shows the attention\n")
        return 0

    run(main, purpose, define_flags)


class Descent:
    """Adam over some variables, with the gradients clipped by their global norm."""

    def __init__(self, variables: Sequence[tf.Variable], beta_1: float = 0.9) -> None:
        """Takes what is trained and Adam's decay of the first moments."""
        self._variables = list(variables)
        self.adam = Adam(self._variables)
        self.adam.beta_1.assign(beta_1)

    def take(self, tape: tf.GradientTape, loss: tf.Tensor) -> None:
        """Takes a step down a loss, `float32 []`, that the tape has watched."""
        # Rows that occur twice in a batch are added up before the norm is taken.
        gradients = [tf.convert_to_tensor(x) for x in tape.gradient(loss, self._variables)]
        gradients, _ = tf.clip_by_global_norm(gradients, CLIPPED)
        self.adam.apply(tf.distribute.get_strategy(), gradients)


def train(
    loss: Callable[..., tf.Tensor],
    network: tf.Module,
    arrays: Sequence[Array],
    options: Options,
    rate: float = 3e-3,
    batch_size: int = 32,
) -> None:
    """Trains a network, the learning rate falling to 0 in a straight line.

    Args:
        loss: Of `int32 [2]`, a seed for dropout, and a batch of each array: `float32 []`.
        network: What is trained.
        arrays: The training's examples, as many in each.
        options: Epochs, and the seed of the orders and the dropout.
        rate: The first learning rate.
        batch_size: Examples of a step.
    """
    descent = Descent(network.trainable_variables)
    batches = [tf.TensorSpec([None, *x.shape[1:]], x.dtype) for x in arrays]

    @tf.function(input_signature=[tf.TensorSpec([2], tf.int32), *batches], autograph=False)
    def step(dropout_seed: tf.Tensor, *batch: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            value = loss(dropout_seed, *batch)
        descent.take(tape, value)

    plan = plan_batches(len(arrays[0]), batch_size, options)
    for number, places in enumerate(plan):
        descent.adam.learning_rate.assign(rate * (1 - number / len(plan)))
        step([options.seed, number], *(x[places] for x in arrays))


def plan_batches(examples: int, batch_size: int, options: Options) -> list[Array]:
    """Draws the places of the examples of every batch of a training."""
    generator, starts = np.random.default_rng(options.seed), range(0, examples, batch_size)
    orders = [generator.permutation(examples) for _ in range(options.epochs)]
    return [order[start : start + batch_size] for order in orders for start in starts]
