"""Blocking work of the learning reranker off the event loop, so that it can be cancelled and waited for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rerankd.core.errors import CancelledError, draining

T = TypeVar("T")

Stopped = Callable[[], bool]
"""Whether whoever asked for the work has gone."""

_THREADS = 4
"""Files and processes mostly wait; scoring brings threads of its own."""


class Work:
    """Threads for what blocks. Lives on one event loop.

    What takes minutes (mining, evaluation, promotion) goes one after the other: side by side each would only
    take longer, and requests that are served here would have less left.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="learning")
        self._turn = asyncio.Lock()
        self._stops: set[threading.Event] = set()
        self._closing = False

    async def quick(self, work: Callable[[], T]) -> T:
        """Runs what takes no longer than a disk or a small process does."""
        if self._closing:
            raise draining()
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def long(self, work: Callable[[Stopped], T]) -> T:
        """Runs what takes minutes, when its turn has come; `work` looks now and then whether to stop.

        Raises:
            DrainingError: The server goes down.
        """
        async with self._turn:
            stop = threading.Event()
            self._stops.add(stop)
            try:
                return await self.quick(lambda: work(stop.is_set))
            except CancelledError:
                # Its own caller is gone and hears nothing; whoever else was stopped, hears why.
                raise draining() from None
            finally:
                stop.set()
                self._stops.discard(stop)

    async def close(self) -> None:
        """Stops what runs and returns when no thread is left."""
        self._closing = True
        for stop in self._stops:
            stop.set()
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)


def stop_here(stopped: Stopped) -> None:
    """Ends work whose caller has gone; raises CancelledError."""
    if stopped():
        raise CancelledError("the caller went away")
