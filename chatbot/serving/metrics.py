"""What Prometheus is told; labels are fixed words, never a caller's."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The figures of one server.

    Attributes:
        waiting: Requests that wait for a batch.
        ready: 1 while requests are taken, else 0.
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.waiting = Gauge(
            "chatbot_waiting_requests", "Requests that wait for a batch.", registry=registry
        )
        self.ready = Gauge("chatbot_ready", "1 while requests are taken.", registry=registry)
        self._requests = Counter(
            "chatbot_requests", "Answered requests.", ["path", "status"], registry=registry
        )
        self._seconds = Histogram(
            "chatbot_request_seconds",
            "Seconds from a request's headers to its answer.",
            ["path"],
            registry=registry,
            buckets=SECONDS,
        )
        self._batch_sizes = Histogram(
            "chatbot_batch_size", "Requests in a batch.", registry=registry, buckets=SIZES
        )
        self._batch_seconds = Histogram(
            "chatbot_batch_seconds", "Seconds of a batch.", registry=registry, buckets=SECONDS
        )

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """Counts an answer to a request for a path, one of the server's own or "other"."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def count_batch(self, size: int, seconds: float) -> None:
        """Counts a batch."""
        self._batch_sizes.observe(size)
        self._batch_seconds.observe(seconds)

    def write(self) -> bytes:
        """Writes all figures in Prometheus' text format."""
        return generate_latest(self._registry)
