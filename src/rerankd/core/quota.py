"""How much one key may have scored, counted in tokens."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rerankd.core.errors import QuotaExceededError

_SOON_SECONDS = 1.0
"""When to come back where nobody knows when the calls under way will end."""


class KeyQuotaError(QuotaExceededError):
    """The caller's own key is used up: no other model, and not the original order, is an answer to that."""


class Quota:
    """A bucket of tokens that fills up in a minute, and a bound on those under way. Lives on the event loop.

    What is taken at first is an estimate; when the work has ended it is corrected to what was scored. A
    request that is larger than either bound gets through when nothing else was taken, and its debt is paid
    by those that follow: no size is impossible, and the rate holds all the same.
    """

    def __init__(
        self,
        name: str,
        *,
        tokens_per_minute: int = 0,
        concurrent_tokens: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name`: of the key; 0 = no bound."""
        self.name = name
        self._clock = clock
        self._per_minute = tokens_per_minute
        self._concurrent = concurrent_tokens
        self._level = float(tokens_per_minute)
        self._filled_at = clock()
        self._reserved = 0
        self._freed = asyncio.Event()

    @property
    def reserved_tokens(self) -> int:
        """Estimates of what is under way."""
        return self._reserved

    def adjust(self, *, tokens_per_minute: int, concurrent_tokens: int) -> None:
        """Takes other bounds; what was used stays used."""
        self._fill()
        used = self._per_minute - self._level if self._per_minute else 0.0
        self._per_minute, self._concurrent = tokens_per_minute, concurrent_tokens
        self._level = tokens_per_minute - used
        self._freed.set()

    def enter(self, tokens: int) -> None:
        """Takes tokens until `leave`.

        Raises:
            KeyQuotaError: The key has none left; tells when it will.
        """
        self.check(tokens)
        self._take(tokens)

    def check(self, tokens: int) -> None:
        """Raises what `enter` would."""
        self.check_rate(tokens)
        if not self._has_room(tokens):
            raise KeyQuotaError(
                f"{self._reserved} of at most {self._concurrent} tokens of the key {self.name} are being "
                "scored; send fewer calls at a time",
                metadata=self._metadata("concurrent_tokens", self._concurrent),
                retry_after_seconds=_SOON_SECONDS,
            )

    def check_rate(self, tokens: int) -> None:
        """Raises KeyQuotaError where the minute has too few tokens left."""
        if (seconds := self._wait_for_rate(tokens)) > 0:
            raise KeyQuotaError(
                f"the key {self.name} has used its {self._per_minute} tokens per minute; "
                f"retry after {math.ceil(seconds)} s",
                metadata=self._metadata("tokens_per_minute", self._per_minute),
                retry_after_seconds=seconds,
            )

    async def enter_in_turn(self, tokens: int) -> None:
        """Takes tokens as soon as there are some: a stream is slowed down where a call is refused."""
        while True:
            seconds = self._wait_for_rate(tokens)
            if not seconds and self._has_room(tokens):
                self._take(tokens)
                return
            self._freed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds or None):
                    await self._freed.wait()

    def leave(self, tokens: int, spent: int) -> None:
        """Ends what `enter` began with so many tokens, of which `spent` were scored, or more."""
        self._reserved -= tokens
        self._fill()
        self._level = min(float(self._per_minute), self._level + tokens - spent)
        self._freed.set()

    def _take(self, tokens: int) -> None:
        self._reserved += tokens
        self._level -= tokens

    def _fill(self) -> None:
        now = self._clock()
        self._level = min(self._per_minute, self._level + self._per_minute * (now - self._filled_at) / 60.0)
        self._filled_at = now

    def _wait_for_rate(self, tokens: int) -> float:
        """Seconds until the bucket holds enough; 0 = now."""
        if not self._per_minute:
            return 0.0
        self._fill()
        missing = min(tokens, self._per_minute) - self._level
        # Less than a token is an error of rounding, and would be waited for again and again.
        return 60.0 * missing / self._per_minute if missing > 1e-6 else 0.0

    def _has_room(self, tokens: int) -> bool:
        return not self._concurrent or not self._reserved or self._reserved + tokens <= self._concurrent

    def _metadata(self, quota: str, limit: int) -> dict[str, str]:
        return {"key": self.name, "quota": quota, "limit": str(limit)}


@contextmanager
def reserved(quota: Quota | None, tokens: int, spent: Callable[[], int]) -> Iterator[None]:
    """Surrounds the work of a unary request; `spent` tells at its end how many tokens it took.

    Raises:
        KeyQuotaError: The key has no room for so many.
    """
    if quota is None:
        yield
        return
    quota.enter(tokens)
    try:
        yield
    finally:
        quota.leave(tokens, spent())


class StreamMeter:
    """What a stream has taken of its key's quota: each document from when it is read until it is scored."""

    def __init__(self, quota: Quota | None) -> None:
        self._quota = quota
        self._taken: dict[int, int] = {}

    def check_start(self) -> None:
        """Raises KeyQuotaError where the minute has nothing left at all: better now than in the middle."""
        if self._quota is not None:
            self._quota.check_rate(1)

    async def enter(self, sizes: dict[int, int]) -> None:
        """Takes the tokens of documents, by their indexes; waits until the key has so many."""
        if self._quota is None or not sizes:
            return
        await self._quota.enter_in_turn(sum(sizes.values()))
        self._taken |= sizes

    def leave(self, index: int) -> None:
        """Ends a document. Its estimate is what it cost."""
        tokens = self._taken.pop(index, None)
        if tokens is not None and self._quota is not None:
            self._quota.leave(tokens, tokens)

    def close(self) -> None:
        """Ends what is still under way; what had no score costs nothing."""
        for tokens in self._taken.values():
            if self._quota is not None:
                self._quota.leave(tokens, 0)
        self._taken.clear()
