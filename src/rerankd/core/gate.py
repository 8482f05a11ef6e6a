"""Whose texts a `TextBackend` is handed next, and how many of its calls are under way."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from rerankd.core.errors import DrainingError, OverloadedError, RerankdError
from rerankd.core.scheduler import QueueStatus
from rerankd.core.types import Priority

_STOP_SECONDS = 5.0
"""How long a call that does not end when it is cancelled holds up the end of the process."""


class Entrant(Protocol):
    """A request that may use the backend, from `enter` to `leave`."""

    def on_failure(self, error: RerankdError) -> None:
        """Ends the request."""


@dataclass(slots=True, eq=False)
class Pass:
    """A request's right to use the backend."""

    entrant: Entrant
    reserved_tokens: int
    opened_at: float


@dataclass(slots=True, eq=False)
class _Waiting:
    turn: asyncio.Future[None]
    documents: int
    since: float


class Gate:
    """Lets at most so many calls to a backend run at once. Lives on the event loop.

    Interactive calls go before bulk ones, else first come first served. A stream has only a few calls here
    at a time, so nobody's turn is far away.
    """

    def __init__(self, max_concurrency: int, *, max_queued_tokens: int) -> None:
        self._free = max_concurrency
        self._max_queued_tokens = max_queued_tokens
        self._reserved_tokens = 0
        self._passes: set[Pass] = set()
        self._waiting: list[tuple[bool, int, _Waiting]] = []
        self._numbers = itertools.count()
        self._stopping = False
        self._inside = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def enter(self, entrant: Entrant, *, estimated_tokens: int) -> Pass:
        """Admits a request; `estimated_tokens` count against the bound until `leave`.

        Raises:
            OverloadedError: Too much waits. A request always enters an empty gate, however large it is.
            DrainingError: The model is being stopped.
        """
        if self._stopping:
            raise DrainingError(
                "this model is being unloaded; retry on another replica", retry_after_seconds=1.0
            )
        reserved = self._reserved_tokens
        if estimated_tokens and reserved and reserved + estimated_tokens > self._max_queued_tokens:
            raise OverloadedError(
                f"{reserved} of at most {self._max_queued_tokens} tokens wait; retry later",
                metadata={"queued_tokens": str(reserved), "limit": str(self._max_queued_tokens)},
                retry_after_seconds=1.0,
            )
        self._reserved_tokens += estimated_tokens
        admitted = Pass(entrant, estimated_tokens, time.monotonic())
        self._passes.add(admitted)
        return admitted

    def leave(self, admitted: Pass) -> None:
        """Ends a request's right. Can be called twice."""
        if admitted in self._passes:
            self._passes.remove(admitted)
            self._reserved_tokens -= admitted.reserved_tokens

    @asynccontextmanager
    async def turn(self, priority: Priority, documents: int) -> AsyncIterator[None]:
        """Waits for one of the backend's calls, and holds it."""
        await self._take(priority, documents)
        self._inside += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._idle.set()
            self._free += 1
            self._call_next()

    def status(self) -> QueueStatus:
        """What waits now; tokens are the estimates of the requests admitted."""
        waiting = [item for _, _, item in self._waiting if not item.turn.done()]
        oldest = min((item.since for item in waiting), default=None)
        return QueueStatus(
            documents=sum(item.documents for item in waiting),
            tokens=self._reserved_tokens,
            oldest_wait_seconds=0.0 if oldest is None else time.monotonic() - oldest,
        )

    async def stop(self) -> None:
        """Fails every request with DRAINING, those under way too."""
        self._stopping = True
        for admitted in list(self._passes):
            admitted.entrant.on_failure(DrainingError("the server is going down", retry_after_seconds=1.0))
            self.leave(admitted)
        # Whoever was under way has been cancelled: it ends before the backend is closed.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._idle.wait()

    async def _take(self, priority: Priority, documents: int) -> None:
        if self._free > 0:
            self._free -= 1
            return
        item = _Waiting(asyncio.get_running_loop().create_future(), documents, time.monotonic())
        heapq.heappush(self._waiting, (priority is Priority.BULK, next(self._numbers), item))
        try:
            await item.turn
        except asyncio.CancelledError:
            if item.turn.done() and not item.turn.cancelled():
                # The turn came in the very moment that it was given up: it is the next one's.
                self._free += 1
                self._call_next()
            raise

    def _call_next(self) -> None:
        while self._free > 0 and self._waiting:
            _, _, item = heapq.heappop(self._waiting)
            if not item.turn.done():
                self._free -= 1
                item.turn.set_result(None)
