"""What may be called and spent in a minute at one provider."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rerankd.core.errors import InvalidRequestError, QuotaExceededError

_WINDOW_SECONDS = 60.0
# Sums of prices are off in the last digits.
_TOLERANCE_USD = 1e-9


class Spending:
    """One call that was allowed.

    Attributes:
        usd: What it costs: estimated, until the provider tells.
        started: When it was made; None = it waits.
    """

    def __init__(self, usd: float) -> None:
        self.usd = usd
        self.started: float | None = None


class Allowance:
    """Calls and money of the last minute; a call that waits for its turn counts already."""

    def __init__(
        self, provider: str, *, calls: int, usd: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`calls` and `usd` are the bounds of any minute; 0 = none."""
        self._provider = provider
        self._calls = calls
        self._usd = usd
        self._clock = clock
        self._spendings: list[Spending] = []

    def take(self, costs: Sequence[float]) -> list[Spending]:
        """Leave for calls that cost about this in US dollars: for all of them, or for none.

        Raises:
            QuotaExceededError: There is no room before `retry_after_seconds` are over.
            InvalidRequestError: There never is.
        """
        self._check_bounds(len(costs), sum(costs))
        seconds = self._seconds_until_room(len(costs), sum(costs))
        if seconds > 0:
            raise QuotaExceededError(
                f"this minute's share of {self._provider} is used up here; retry in {seconds:.1f} s",
                metadata={"provider": self._provider},
                retry_after_seconds=seconds,
            )
        taken = [Spending(cost) for cost in costs]
        self._spendings += taken
        return taken

    def start(self, spending: Spending) -> None:
        """The call is made now, so that its minute begins."""
        spending.started = self._clock()

    def give_back(self, spending: Spending) -> None:
        """The call was never made."""
        if spending in self._spendings:
            self._spendings.remove(spending)

    def _check_bounds(self, calls: int, usd: float) -> None:
        if self._calls and calls > self._calls:
            raise InvalidRequestError(
                f"the documents need {calls} calls to {self._provider}, and requests_per_minute is "
                f"{self._calls}; send fewer documents",
                field="documents",
            )
        if self._usd and usd > self._usd + _TOLERANCE_USD:
            raise InvalidRequestError(
                f"scoring the documents with {self._provider} costs about {usd:.6g} USD, and "
                f"budget_usd_per_minute is {self._usd:g}; send fewer documents",
                field="documents",
            )

    def _seconds_until_room(self, calls: int, usd: float) -> float:
        now = self._clock()
        self._spendings = [
            s for s in self._spendings if s.started is None or now - s.started < _WINDOW_SECONDS
        ]
        # Those that are over soonest first; those that wait have their minute still before them.
        ends = sorted(
            ((now if s.started is None else s.started) + _WINDOW_SECONDS, s.usd) for s in self._spendings
        )
        calls, usd = calls + len(ends), usd + sum(cost for _, cost in ends)
        seconds = 0.0
        for end, cost in ends:
            if not (self._calls and calls > self._calls) and not (
                self._usd and usd > self._usd + _TOLERANCE_USD
            ):
                break
            seconds, calls, usd = end - now, calls - 1, usd - cost
        return seconds
