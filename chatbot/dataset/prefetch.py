"""Drawing items ahead of their use."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

Item = TypeVar("Item")


def prefetch(items: Iterable[Item], depth: int = 2) -> Generator[Item, None, None]:
    """Draws items in a background thread, so that making them overlaps with using them.

    Args:
        items: What to draw from; only the thread touches it.
        depth: Most items that wait at a time.

    Yields:
        The items in order; what drawing raises is raised in its turn. Closing the generator ends
        the thread.
    """
    iterator = iter(items)
    end = object()
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch")
    try:
        waiting = deque(pool.submit(next, iterator, end) for _ in range(max(1, depth)))
        while True:
            item = waiting.popleft().result()
            if item is end:
                return
            waiting.append(pool.submit(next, iterator, end))
            yield cast(Item, item)
    finally:
        pool.shutdown(cancel_futures=True)
