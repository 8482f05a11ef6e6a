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

from rerankd.core.admission import Admission
from rerankd.core.errors import RerankdError, going_down, unloading
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
        self._max_concurrency = self._free = max_concurrency
        # How fast the backend is nobody here knows.
        self._admission = Admission(max_queued_tokens, room_in=lambda _: 1.0)
        self._passes: set[Pass] = set()
        self._waiting: list[tuple[bool, int, _Waiting]] = []
        self._numbers = itertools.count()
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._left = asyncio.Event()

    def enter(self, entrant: Entrant, *, estimated_tokens: int) -> Pass:
        """Admits a request; `estimated_tokens` count against the bound until `leave`.

        Raises:
            OverloadedError: Too much waits. A request always enters an empty gate, however large it is.
            DrainingError: The model is being stopped.
        """
        if self._stopping:
            raise unloading()
        self._admission.enter(estimated_tokens)
        admitted = Pass(entrant, estimated_tokens, time.monotonic())
        self._passes.add(admitted)
        return admitted

    def leave(self, admitted: Pass) -> None:
        """Ends a request's right. Can be called twice."""
        if admitted in self._passes:
            self._passes.remove(admitted)
            self._admission.leave(admitted.reserved_tokens)
            self._left.set()

    @property
    def in_use(self) -> bool:
        """Whether a request is admitted."""
        return bool(self._passes)

    async def drained(self) -> None:
        """Returns when no request is admitted."""
        while self._passes:
            self._left.clear()
            await self._left.wait()

    @asynccontextmanager
    async def turn(self, priority: Priority, documents: int) -> AsyncIterator[None]:
        """Waits for one of the backend's calls, and holds it."""
        await self._take(priority, documents)
        try:
            yield
        finally:
            self._end_turn()

    def status(self) -> QueueStatus:
        """What waits now; tokens are the estimates of the requests admitted."""
        waiting = [item for _, _, item in self._waiting if not item.turn.done()]
        oldest = min((item.since for item in waiting), default=None)
        return QueueStatus(
            documents=sum(item.documents for item in waiting),
            tokens=self._admission.reserved_tokens,
            oldest_wait_seconds=0.0 if oldest is None else time.monotonic() - oldest,
        )

    async def stop(self) -> None:
        """Fails every request with DRAINING, those under way too."""
        self._stopping = True
        for admitted in list(self._passes):
            admitted.entrant.on_failure(going_down())
            self.leave(admitted)
        # Whoever was under way has been cancelled: it ends before the backend is closed.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._idle.wait()

    async def _take(self, priority: Priority, documents: int) -> None:
        if self._free > 0:
            self._free -= 1
            self._idle.clear()
            return
        item = _Waiting(asyncio.get_running_loop().create_future(), documents, time.monotonic())
        heapq.heappush(self._waiting, (priority is Priority.BULK, next(self._numbers), item))
        try:
            await item.turn
        except asyncio.CancelledError:
            if item.turn.done() and not item.turn.cancelled():
                # The turn came in the very moment that it was given up: it is the next one's.
                self._end_turn()
            raise

    def _end_turn(self) -> None:
        """Hands a turn on to whoever waits."""
        self._free += 1
        while self._free > 0 and self._waiting:
            _, _, item = heapq.heappop(self._waiting)
            if not item.turn.done():
                self._free -= 1
                item.turn.set_result(None)
        if self._free == self._max_concurrency:
            self._idle.set()
