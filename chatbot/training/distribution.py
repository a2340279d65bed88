"""Who computes: one device, all devices of this machine, or the workers of a cluster.

Each has a whole copy of the weights, a replica, and takes its share of the rows of every batch. The
gradients are added up before they are used, so that all replicas stay the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from chatbot.errors import ChatbotError
from chatbot.system.stopping import restore_handlers, set_handlers
from chatbot.training.cluster import CONFIG_EXAMPLE, Cluster, read_cluster

_TASK = re.compile(r"/job:(chief|worker)/(?:replica:\d+/)?task:(\d+)")
_GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)
"""What a collective operation raises when another worker no longer takes part."""


class Distribution:
    """The replicas, and this process' part in them.

    Attributes:
        strategy: The `tf.distribute.Strategy` that holds the replicas together; TensorFlow's
            default for one device.
        cluster: The workers, or None for one process.
        is_chief: Whether this process is the one that writes.
        replicas: Copies of the weights, in all processes.
        own: The numbers of this process' replicas among them.
    """

    def __init__(self, strategy: Any = None, cluster: Cluster | None = None) -> None:
        """Takes what `join_others` has made; without arguments this is one device."""
        self.strategy = strategy or tf.distribute.get_strategy()
        self.cluster = cluster
        self.is_chief = cluster is None or cluster.is_chief
        self.replicas: int = self.strategy.num_replicas_in_sync
        here = self.replicas // (1 if cluster is None else len(cluster.addresses))
        first = 0 if cluster is None else cluster.number * here
        self.own = range(first, first + here)
        self._add_up = None if cluster is None else _make_sum(self.strategy)

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Returns the context in which variables are made."""
        scope: contextlib.AbstractContextManager[Any] = self.strategy.scope()
        return scope

    def wait_for_all(self) -> None:
        """Returns once every worker has come here."""
        self._sum(0)

    def check_agreement(self, values: Mapping[str, Any], otherwise: str) -> None:
        """Waits for every worker and compares what they are about to do.

        Args:
            values: {name: value}; `repr` must spell equal values alike in every process.
            otherwise: What the workers do if the values differ.

        Raises:
            ChatbotError: They are not the same everywhere.
        """
        digest = hashlib.sha256(repr(sorted(values.items())).encode()).digest()
        mine = int.from_bytes(digest[:4], "big")
        if self._sum(mine) != mine * self.replicas:
            raise ChatbotError(
                f"the workers {otherwise}; start all of them with the same command and on the same "
                "files, and with --precision if their processors differ"
            )

    def _sum(self, number: int) -> int:
        """Adds up the numbers of all replicas, waiting for all workers."""
        if self._add_up is None:
            return number * self.replicas
        with _ended_by_signals():
            return int(self._add_up(tf.constant(number, tf.int64)))

    def explain(self, error: tf.errors.OpError) -> str | None:
        """Says which worker has gone, or None where an operation failed for another reason."""
        if self.cluster is None or not isinstance(error, _GONE):
            return None
        found = _TASK.finditer(error.message)
        places = (self.cluster.place(task[1], int(task[2])) for task in found)
        # The message may name this very worker too, as the one that it was told to.
        others = [place for place in places if place != self.cluster.number]
        who = "it is not said which"
        if others and others[0] < len(self.cluster.addresses):
            who = f"number {others[0] + 1}, {self.cluster.addresses[others[0]]}"
        return (
            f"another worker has gone ({who}); see what it said, then start all workers again to "
            "go on from the last checkpoint"
        )


def choose_distribution(
    setting: str, environment: Mapping[str, str], gpus: int
) -> tuple[str, Cluster | None]:
    """Decides what `--distribute` means here.

    Args:
        setting: "auto", "none", "mirrored" or "multiworker".
        environment: The environment variables; TF_CONFIG counts.
        gpus: GPUs of this machine.

    Returns:
        "none", "mirrored" or "multiworker", and for the last the cluster.

    Raises:
        ChatbotError: TF_CONFIG is needed and missing, or cannot be used.
    """
    if setting in ("none", "mirrored"):
        return setting, None
    cluster = read_cluster(environment)
    if setting == "multiworker" and cluster is None:
        raise ChatbotError(
            "--distribute=multiworker needs the environment variable TF_CONFIG, which says who "
            f"the workers are; {CONFIG_EXAMPLE}"
        )
    if cluster is not None and (setting == "multiworker" or len(cluster.addresses) > 1):
        return "multiworker", cluster
    return ("mirrored" if gpus > 1 else "none"), None


def join_others(setting: str, tell: Callable[[str], None]) -> Distribution:
    """Makes the replicas; with several workers, waits until all have come.

    Call it before anything is computed.

    Args:
        setting: See `choose_distribution`.
        tell: Shows a person a line.

    Raises:
        ChatbotError: TF_CONFIG cannot be used, or the workers do not find one another.
    """
    gpus = len(tf.config.list_physical_devices("GPU"))
    kind, cluster = choose_distribution(setting, os.environ, gpus)
    if kind == "none":
        return Distribution()
    tf.get_logger().setLevel("WARNING")  # it would report every reduction that it plans
    if cluster is None:
        os.environ.pop("TF_CONFIG", None)  # which TensorFlow would read, and stumble over, here too
        devices = tf.config.list_logical_devices("GPU" if gpus else "CPU")
        return Distribution(tf.distribute.MirroredStrategy([device.name for device in devices]))
    tell(f"{cluster.describe()}; waiting until all have come")
    try:
        with _ended_by_signals():
            return Distribution(tf.distribute.MultiWorkerMirroredStrategy(), cluster)
    except (tf.errors.OpError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ChatbotError(
            f"{cluster.describe()}, cannot join the others ({reason}); look whether its port in "
            "TF_CONFIG is free and the others are running"
        ) from None


def _make_sum(strategy: Any) -> Any:
    """Traces the sum of an `int64 []` over all replicas."""

    def add_up(number: tf.Tensor) -> tf.Tensor:
        # The identity gives the number a device, which the reduction asks for.
        numbers = strategy.run(tf.identity, args=(number,))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, numbers, axis=None)

    return tf.function(add_up, input_signature=[tf.TensorSpec([], tf.int64)], autograph=False)


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Lets Ctrl-C and SIGTERM end the process at once while it waits for other workers.

    Python's own handlers would run only when the waiting is over.
    """
    before = set_handlers(signal.SIG_DFL, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        restore_handlers(before)
