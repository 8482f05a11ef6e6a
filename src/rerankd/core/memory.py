"""A ceiling on the memory of the process: above it nothing new is taken in."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from rerankd.core.errors import OverloadedError

logger = logging.getLogger(__name__)

_STATM = Path("/proc/self/statm")
_FRESH_SECONDS = 0.05
"""Age up to which a reading is good enough: one costs about ten microseconds."""
_PAUSE_SECONDS = 0.1
_TRIM_SECONDS = 5.0
"""Shortest pause between two attempts to give memory back."""
_LOW_WATER = 0.97
"""Share of the ceiling that memory has to fall below before work is taken in again, so that one call does
not open the door for the next hundred."""


def resident_bytes() -> int:
    """Memory of this process that is in RAM.

    Raises:
        OSError: This system has no /proc.
    """
    return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class MemoryCeiling:
    """Knows whether the process takes too much memory. Lives on the event loop.

    Attributes:
        limit_bytes: The ceiling; 0 = there is none.
        paused_streams: Streams that are not read at this moment because memory is short.
    """

    def __init__(self, limit_bytes: int, *, read: Callable[[], int] = resident_bytes) -> None:
        """`read` tells the memory in use, in bytes."""
        self.limit_bytes = limit_bytes
        self.paused_streams = 0
        self._read = read
        self._read_at = -_FRESH_SECONDS
        self._used = 0
        self._above = False
        self._trimmed_at = -_TRIM_SECONDS

    @property
    def is_exceeded(self) -> bool:
        """Whether memory is above the ceiling, or has not fallen far enough since it was."""
        if not self.limit_bytes:
            return False
        now = time.monotonic()
        if now - self._read_at >= _FRESH_SECONDS:
            self._read_at, self._used = now, self._read()
            self._judge(now)
        return self._above

    def check(self) -> None:
        """Raises OverloadedError while memory is above the ceiling."""
        if self.is_exceeded:
            used, limit = self._used // 2**20, self.limit_bytes // 2**20
            raise OverloadedError(
                f"the server uses {used} of at most {limit} MiB of memory; retry later",
                metadata={"memory_bytes": str(self._used), "limit": str(self.limit_bytes)},
                retry_after_seconds=1.0,
            )

    async def room(self) -> None:
        """Returns when memory is below the ceiling."""
        if not self.is_exceeded:
            return
        self.paused_streams += 1
        try:
            # Nothing tells that memory has fallen: it has to be looked at.
            while self.is_exceeded:  # noqa: ASYNC110
                await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self.paused_streams -= 1

    def _judge(self, now: float) -> None:
        bound = self.limit_bytes * (_LOW_WATER if self._above else 1.0)
        above = self._used > bound
        if above != self._above:
            figures = {"memory_bytes": self._used, "limit": self.limit_bytes}
            if above:
                logger.warning("memory is above its ceiling: new work is refused", extra=figures)
            else:
                logger.info("memory is below its ceiling again", extra=figures)
        self._above = above
        if above and now - self._trimmed_at >= _TRIM_SECONDS:
            self._trimmed_at = now
            asyncio.get_running_loop().run_in_executor(None, _give_back)


def _give_back() -> None:
    """Returns to the system what the allocator keeps for later: else memory would never be seen to fall."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
