"""Answers the requests of many callers in batches, on one thread.

One thread computes, for a search uses all processors already. Requests for the same work wait in
one queue, and the queues take turns. While a batch is computed the next ones gather by themselves;
only a thread that was idle waits for company, at most 2 ms, and only where the last batch had some:
a single caller never waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, Protocol

from chatbot.errors import ChatbotError
from chatbot.serving.metrics import Metrics
from chatbot.serving.request_error import RequestError

COMPANY = 0.002
"""Seconds that an idle thread waits for a second request."""
QUEUES = 4
"""All queues together hold this many times what one may hold."""


class Work(Hashable, Protocol):
    """What is to be done with the items of a queue; equal work shares a queue.

    Attributes:
        most: Items that are done at once, at most.
        distinct: Whether equal items must be done one after the other.
    """

    @property
    def most(self) -> int: ...  # noqa: D102
    @property
    def distinct(self) -> bool: ...  # noqa: D102

    def run(self, items: Sequence[Any]) -> list[Any]:
        """Returns what becomes of each item."""
        ...


class _Job(NamedTuple):
    item: Any
    answer: asyncio.Future[Any]


class Batcher:
    """Owns the computing; all but the thread itself runs in one event loop.

    Attributes:
        state: "loading", "ready" or "stopping".
        error: Why loading failed, or None.
    """

    def __init__(self, most_waiting: int, metrics: Metrics) -> None:
        """Takes the most requests that one queue holds."""
        self.state = "loading"
        self.error: BaseException | None = None
        self._most_waiting = most_waiting
        self._metrics = metrics
        self._queues: dict[Work, deque[_Job]] = {}
        self._changed = threading.Condition()
        self._last_size = 1
        self._mean_seconds = 0.05
        self._thread: threading.Thread | None = None

    def start(self, load: Callable[[], None], loaded: Callable[[], None]) -> None:
        """Starts the thread, in the running event loop.

        Args:
            load: What the thread does first.
            loaded: Called in the loop afterwards; `state` is then "ready", or `error` is set.
        """
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=self._work, args=(loop, load, loaded), name="batches", daemon=True
        )
        self._thread.start()

    def submit(self, work: Work, item: Any) -> asyncio.Future[Any]:
        """Queues an item; cancel the future to take it out again.

        Raises:
            RequestError: 503, there is no thread to do it; 429, too many wait.
        """
        if self.state != "ready":
            message = f"the server is {self.state}"
            raise RequestError(503, message, "unavailable", headers={"retry-after": "1"})
        with self._changed:
            waiting = len(self._queues.get(work, ()))
            total = sum(map(len, self._queues.values()))
            if waiting >= self._most_waiting or total >= QUEUES * self._most_waiting:
                raise RequestError(
                    429,
                    "too many requests are waiting",
                    "rate_limit_exceeded",
                    headers={"retry-after": str(self._estimate(total, work.most))},
                )
            job = _Job(item, asyncio.get_running_loop().create_future())
            self._queues.setdefault(work, deque()).append(job)
            self._metrics.waiting.set(total + 1)
            self._changed.notify()
        return job.answer

    def stop(self) -> None:
        """Takes no more work; the thread ends when all that waits is done."""
        with self._changed:
            self.state = "stopping"
            self._changed.notify()

    def is_done(self) -> bool:
        """Tells whether the thread has ended."""
        return self._thread is None or not self._thread.is_alive()

    def _estimate(self, waiting: int, most: int) -> int:
        """Estimates the seconds until all that waits is done."""
        return max(1, min(60, math.ceil(waiting / most * self._mean_seconds)))

    def _work(
        self, loop: asyncio.AbstractEventLoop, load: Callable[[], None], loaded: Callable[[], None]
    ) -> None:
        try:
            load()
        except BaseException as error:  # noqa: BLE001
            self.error = error
        else:
            with self._changed:
                if self.state == "loading":
                    self.state = "ready"
        _call(loop, loaded)
        while self.error is None and (found := self._wait()):
            work, jobs = found
            begin = time.perf_counter()
            answers = _run(work, [job.item for job in jobs])
            seconds = time.perf_counter() - begin
            self._mean_seconds += 0.1 * (seconds - self._mean_seconds)
            self._metrics.count_batch(len(jobs), seconds)
            _call(loop, _deliver, jobs, answers)

    def _wait(self) -> tuple[Work, list[_Job]] | None:
        """Waits for jobs; returns None when there will be no more."""
        with self._changed:
            while True:
                if not self._queues:
                    self._wait_idle()
                if not self._queues:
                    return None
                work, jobs = self._take()
                if jobs:
                    self._last_size = len(jobs)
                    return work, jobs

    def _wait_idle(self) -> None:
        while not self._queues and self.state != "stopping":
            self._changed.wait()
        end = time.monotonic() + COMPANY
        while self._queues and self._last_size > 1 and self.state != "stopping":
            left = end - time.monotonic()
            if left <= 0 or any(len(queue) >= work.most for work, queue in self._queues.items()):
                break
            self._changed.wait(left)

    def _take(self) -> tuple[Work, list[_Job]]:
        """Takes a batch from the queue whose turn it is, without those who have gone."""
        work = next(iter(self._queues))
        queue, jobs = self._queues.pop(work), list[_Job]()
        while queue and len(jobs) < work.most:
            if queue[0].answer.done():
                queue.popleft()
                continue
            if work.distinct and any(queue[0].item == job.item for job in jobs):
                break
            jobs.append(queue.popleft())
        if queue:
            self._queues[work] = queue  # behind the others
        self._metrics.waiting.set(sum(map(len, self._queues.values())))
        return work, jobs


def _run(work: Work, items: Sequence[Any]) -> list[Any]:
    """Does the work; an item that fails keeps its error for itself."""
    try:
        return work.run(items)
    except Exception as error:  # noqa: BLE001
        if len(items) == 1:
            return [_explain(error)]
    return [_run(work, [item])[0] for item in items]


def _explain(error: Exception) -> Exception:
    """Turns what the caller can mend into a refusal."""
    return RequestError(400, str(error)) if isinstance(error, ChatbotError) else error


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(function, *arguments)


def _deliver(jobs: Sequence[_Job], answers: Sequence[Any]) -> None:
    for job, answer in zip(jobs, answers):
        if job.answer.done():
            continue
        if isinstance(answer, Exception):
            job.answer.set_exception(answer)
        else:
            job.answer.set_result(answer)
