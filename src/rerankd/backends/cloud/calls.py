"""Calls of one model: at most so many at once, repeated where that helps, watched by a circuit."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rerankd.backends.cloud.account import Account
from rerankd.backends.cloud.allowance import Spending
from rerankd.backends.cloud.answers import Billing
from rerankd.backends.cloud.circuit import Circuit, Turn
from rerankd.backends.cloud.failures import CallFailedError, CallSite, of_silence
from rerankd.backends.cloud.settings import CloudSettings
from rerankd.core.errors import RerankdError, draining

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 8.0
# The core's timer for the same deadline may be a little earlier than ours.
_TIMER_TOLERANCE_SECONDS = 0.1
# A thread of liter-llm still holds Python objects for some instructions after a call of it is over. If
# Python shuts down meanwhile, the process is aborted.
_SETTLE_SECONDS = 0.05

_Answer = tuple[list[float], Billing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one call is about."""

    query: str
    texts: Sequence[str]
    max_tokens: int
    """Of each text; 0 = as many as the model reads."""
    cost_usd: float
    """Estimated price."""
    deadline: float
    """Instant on the event loop's clock."""


class Calls:
    """Makes the calls of one model."""

    def __init__(
        self,
        site: CallSite,
        account: Account,
        settings: CloudSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._site = site
        self._account = account
        self._retries = settings.retries
        self._patience_seconds = settings.patience_seconds
        self._circuit = Circuit(
            site.model_id,
            failures=settings.circuit_failures,
            open_seconds=settings.circuit_open_seconds,
            clock=clock,
        )
        self._places = asyncio.Semaphore(settings.max_concurrency)
        self._under_way: set[asyncio.Task[_Answer]] = set()
        self._closed = False

    @property
    def must_try_first(self) -> bool:
        """Whether one call has to find out if the model answers again, before there can be several."""
        return not self._circuit.closed

    async def run(self, work: Work, spending: Spending) -> tuple[list[float], Billing, Spending]:
        """Scores, what they cost, and the leave that paid for them: `spending`, or one of a repetition.

        Raises:
            RerankdError: What the last attempt failed with, or why there is none.
        """
        with self._circuit.enter() as turn:
            for attempt in itertools.count():
                try:
                    scores, billing = await self._attempt(work, spending, turn)
                except CallFailedError as failure:
                    again = await self._leave_to_repeat(failure, attempt, work, turn)
                    if again is None:
                        turn.end(failure.succeeded)
                        raise failure.error from None
                    spending = again
                else:
                    turn.end(True)
                    return scores, billing, spending
        raise AssertionError("a call that neither ends nor fails")

    async def close(self) -> None:
        """Gives up what is under way, and waits until liter-llm has let go of it."""
        self._closed = True
        under_way = list(self._under_way)
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way)
        await asyncio.sleep(_SETTLE_SECONDS)

    async def _attempt(self, work: Work, spending: Spending, turn: Turn) -> _Answer:
        loop = asyncio.get_running_loop()
        began, started = loop.time(), None
        deadline = work.deadline
        if turn.is_trial:
            # Others are refused meanwhile: it may not take as long as its caller would wait.
            deadline = min(deadline, began + max(self._circuit.open_seconds, self._patience_seconds))
        try:
            async with asyncio.timeout_at(deadline), self._places:
                started = loop.time()
                self._account.allowance.start(spending)
                return await self._send(work)
        except TimeoutError:
            is_failure = self._is_failure(started, loop.time())
            raise of_silence(self._site, loop.time() - began, is_failure=is_failure) from None
        except asyncio.CancelledError:
            now = loop.time()
            if now >= deadline - _TIMER_TOLERANCE_SECONDS and self._is_failure(started, now):
                turn.end(False)
            raise
        except CallFailedError as failure:
            if failure.is_free:
                spending.usd = 0.0
            raise
        finally:
            if started is None:
                self._account.allowance.give_back(spending)

    def _is_failure(self, started: float | None, now: float) -> bool:
        return started is not None and now - started >= self._patience_seconds

    async def _send(self, work: Work) -> _Answer:
        task = asyncio.create_task(self._account.call(self._site, work.query, work.texts, work.max_tokens))
        self._under_way.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if self._closed and current is not None and not current.cancelling():
                raise CallFailedError(draining(), succeeded=None) from None
            raise
        finally:
            self._under_way.discard(task)

    async def _leave_to_repeat(
        self, failure: CallFailedError, attempt: int, work: Work, turn: Turn
    ) -> Spending | None:
        """Leave for another attempt, at the time for it; None if it would not help."""
        if not failure.is_repeatable or attempt >= self._retries or turn.is_trial:
            return None
        pause = failure.error.retry_after_seconds
        if pause is None:
            # Not all at once: callers that failed together would come back together.
            longest = min(_FIRST_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS)
            pause = random.uniform(longest / 2, longest)  # noqa: S311
        if asyncio.get_running_loop().time() + pause >= work.deadline:
            return None
        await asyncio.sleep(pause)
        if self._closed or not turn.is_current:
            return None
        try:
            return self._account.allowance.take([work.cost_usd])[0]
        except RerankdError:
            return None
