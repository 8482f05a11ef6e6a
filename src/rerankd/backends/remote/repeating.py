"""Repeating calls that failed for want of the server."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rerankd.core.errors import RerankdError

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0


class NotNowError(Exception):
    """An attempt failed, and another may succeed.

    Attributes:
        error: What the caller is told if none does. Its `retry_after_seconds` is waited for.
    """

    def __init__(self, error: RerankdError) -> None:
        super().__init__(error.message)
        self.error = error


async def repeatedly(
    attempt: Callable[[float], Awaitable[T]], *, retries: int, longest_seconds: float, deadline: float
) -> T:
    """The result of an attempt, repeated while that helps and the deadline leaves time for it.

    Args:
        attempt: Is given its timeout in seconds.
        retries: Most repetitions.
        longest_seconds: Most time of one attempt.
        deadline: An instant of the event loop's clock.

    Raises:
        RerankdError: What the last attempt failed with.
    """
    clock = asyncio.get_running_loop().time
    for number in itertools.count():
        try:
            return await attempt(max(0.0, min(longest_seconds, deadline - clock())))
        except NotNowError as failure:
            pause = _pause(number, failure.error.retry_after_seconds)
            if number >= retries or clock() + pause >= deadline:
                raise failure.error from failure.__cause__
        await asyncio.sleep(pause)
    raise AssertionError("unreachable")


def _pause(number: int, told_seconds: float | None) -> float:
    """Seconds until the next attempt; not the same for all, or those that failed together come together."""
    longest = min(_FIRST_PAUSE_SECONDS * 2**number, _LONGEST_PAUSE_SECONDS)
    return (told_seconds or 0.0) + random.uniform(longest / 2, longest)  # noqa: S311
