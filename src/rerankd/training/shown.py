"""Rankings that are served, kept as shown without keeping anybody waiting."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from rerankd.core.engine import Request
from rerankd.core.errors import RerankdError
from rerankd.core.types import Ranking
from rerankd.training.promotion.revisions import CORPUS_ID
from rerankd.training.types import FeedbackEvent, FeedbackKind, ShownDocument

logger = logging.getLogger(__name__)

_MOST_WAITING = 1024
"""Rankings that wait for the disk; beyond it they are lost, and counted."""
_BATCH = 64

Record = Callable[[Sequence[FeedbackEvent]], Awaitable[object]]


class ShownRankings:
    """Writes rankings to the feedback log in the background. Lives on the event loop.

    Attributes:
        lost: Rankings that could not be kept.
    """

    def __init__(self, record: Record) -> None:
        self.lost = 0
        self._record = record
        self._waiting: asyncio.Queue[FeedbackEvent] = asyncio.Queue(_MOST_WAITING)
        self._task: asyncio.Task[None] | None = None

    def note(self, corpus_id: str, request_id: str, request: Request, ranking: Ranking) -> str:
        """Keeps a ranking as shown; says in a word what becomes of it, and never raises.

        Only documents with an id can be clicked later, so that others are left out.
        """
        if not CORPUS_ID.fullmatch(corpus_id):
            return "skipped: this is no name of a corpus"
        shown = tuple(
            ShownDocument(
                id=request.documents[result.index].id,
                text=request.documents[result.index].text,
                rank=result.rank,
                score=result.score,
            )
            for result in ranking.results
            if request.documents[result.index].id
        )
        if ranking.results and not shown:
            return "skipped: the documents have no ids"
        event = FeedbackEvent(
            id=f"shown:{request_id}",
            time=time.time(),
            kind=FeedbackKind.SHOWN,
            request_id=request_id,
            corpus_id=corpus_id,
            query=request.query,
            shown=shown,
        )
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self.lost += 1
            return "lost: the feedback log cannot keep up"
        if self._task is None:
            self._task = asyncio.create_task(self._write(), name="shown-rankings")
        return "recorded"

    async def close(self) -> None:
        """Writes what waits, then stops."""
        if self._task is not None:
            await self._waiting.join()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _write(self) -> None:
        while True:
            events = [await self._waiting.get()]
            while len(events) < _BATCH and not self._waiting.empty():
                events.append(self._waiting.get_nowait())
            try:
                await self._keep(events)
            finally:
                for _ in events:
                    self._waiting.task_done()

    async def _keep(self, events: Sequence[FeedbackEvent]) -> None:
        """One event that is not valid must not take the others with it."""
        try:
            await self._record(events)
        except RerankdError as error:
            if len(events) > 1:
                for event in events:
                    await self._keep([event])
                return
            self.lost += 1
            told = {"reason": error.spec.reason, "detail": error.message}
            logger.warning("a ranking is not kept", extra=told)
        except OSError as error:
            self.lost += len(events)
            logger.error("rankings are not kept", exc_info=error)
