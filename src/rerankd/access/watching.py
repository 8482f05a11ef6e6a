"""Notices that files have changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

Signature = tuple[int, int, int] | None


def signature_of(path: Path) -> Signature:
    """What differs once a file was written or replaced; None where there is none.

    Links are followed: Kubernetes replaces a mounted Secret by turning a link.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Files that are taken over together."""

    paths: Sequence[Path]
    reload: Callable[[], Awaitable[None]]
    """Takes them over; logs what it cannot use and keeps the old."""


class FileWatch:
    """Looks at files from time to time, and at once when it is told to. Lives on the event loop."""

    def __init__(self, watched: Iterable[Watched], interval_seconds: float) -> None:
        """`interval_seconds`: 0 = only when told to."""
        self._watched = list(watched)
        self._interval = interval_seconds
        # Nothing at first: what changed while it was being read for the first time is not overlooked.
        self._seen: list[list[Signature]] = [[] for _ in self._watched]
        self._told = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look."""
        if self._watched:
            self._task = asyncio.create_task(self._run(), name="watch-files")

    def look_now(self) -> None:
        """Reads everything again, changed or not."""
        self._told.set()

    async def close(self) -> None:
        """Stops looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            told = await self._wait()
            for number, one in enumerate(self._watched):
                signatures = await asyncio.to_thread(_signatures, one)
                if not told and signatures == self._seen[number]:
                    continue
                self._seen[number] = signatures
                try:
                    await one.reload()
                except Exception:
                    logger.exception("files not reloaded", extra={"files": [str(p) for p in one.paths]})

    async def _wait(self) -> bool:
        """Returns when it is time to look; whether somebody said so."""
        try:
            async with asyncio.timeout(self._interval or None):
                await self._told.wait()
        except TimeoutError:
            return False
        self._told.clear()
        return True


def _signatures(one: Watched) -> list[Signature]:
    return [signature_of(path) for path in one.paths]
