"""Calls that are being answered: how many there are, and how they end when the server goes down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from rerankd.core.errors import draining

logger = logging.getLogger(__name__)


class CallsUnderWay:
    """The calls of this door that rank; probes and pages are served to the end and not counted."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._expired: set[asyncio.Task[Any]] = set()
        self._closing = False
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._tasks)

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """Surrounds a call.

        Raises:
            DrainingError: The server takes no new calls, or this one outlived the grace.
        """
        if self._closing:
            raise draining()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler always runs in a task
        self._tasks.add(task)
        self._idle.clear()
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._expired:
                raise
            task.uncancel()
            raise draining() from None
        finally:
            self._tasks.discard(task)
            self._expired.discard(task)
            if not self._tasks:
                self._idle.set()

    async def finish(self, grace_seconds: float) -> None:
        """Refuses new calls, and returns when none is left; what outlives the grace fails with DRAINING."""
        self._closing = True
        try:
            async with asyncio.timeout(grace_seconds):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("grace is over", extra={"http_calls": len(self._tasks)})
        left = set(self._tasks)
        self._expired |= left
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
