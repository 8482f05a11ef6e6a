"""A circuit breaker: a model that keeps failing is left alone for a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rerankd.core.errors import ProviderUnavailableError

logger = logging.getLogger(__name__)

_TRIAL_RETRY_SECONDS = 1.0


class Circuit:
    """Counts failed calls in a row and refuses calls after too many of them.

    Closed: every call may go. Open: none may, until the time is up. Then exactly one call tries: its
    success closes the circuit, its failure opens it again, and if it ends without either, the next call
    tries. What calls from before the last change have to tell is not counted.

    Attributes:
        open_seconds: How long the circuit stays open.
    """

    def __init__(
        self, name: str, *, failures: int, open_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.open_seconds = open_seconds
        self._name = name
        self._limit = failures
        self._clock = clock
        self._failures = 0
        self._open_until: float | None = None
        self._trial: Turn | None = None
        self._changes = 0

    @property
    def closed(self) -> bool:
        """Whether every call may go."""
        return self._open_until is None

    def enter(self) -> Turn:
        """A turn for one call; use it as a context.

        Raises:
            ProviderUnavailableError: The circuit is open, or another call is trying.
        """
        if self._open_until is None:
            return Turn(self, self._changes)
        left = self._open_until - self._clock()
        if left > 0:
            raise self._refusal(left)
        if self._trial is not None:
            raise self._refusal(_TRIAL_RETRY_SECONDS)
        self._trial = Turn(self, self._changes, is_trial=True)
        return self._trial

    def _refusal(self, seconds: float) -> ProviderUnavailableError:
        return ProviderUnavailableError(
            f"{self._name} failed {self._limit} times in a row and is left alone; "
            f"retry in {seconds:.1f} s or name another model",
            metadata={"model": self._name},
            retry_after_seconds=seconds,
        )

    def _is_current(self, turn: Turn) -> bool:
        return turn.change == self._changes

    def _settle(self, turn: Turn, succeeded: bool | None) -> None:
        if not self._is_current(turn):
            return
        if turn.is_trial:
            self._trial = None
        if succeeded is None:
            return
        if succeeded:
            self._failures = 0
            if turn.is_trial:
                self._change(None)
            return
        self._failures += 1
        if turn.is_trial or self._failures >= self._limit:
            self._change(self._clock() + self.open_seconds)

    def _change(self, open_until: float | None) -> None:
        self._changes += 1
        self._open_until = open_until
        if open_until is None:
            logger.info("model answers again", extra={"model": self._name})
        else:
            logger.warning(
                "model is left alone",
                extra={"model": self._name, "failures": self._failures, "seconds": self.open_seconds},
            )


class Turn:
    """Leave for one call, which tells how it went: at most once, by `end` or by leaving the context.

    Attributes:
        is_trial: Whether this is the one call that finds out if the model answers again.
    """

    def __init__(self, circuit: Circuit, change: int, *, is_trial: bool = False) -> None:
        self.is_trial = is_trial
        self.change = change
        self._circuit = circuit
        self._ended = False

    @property
    def is_current(self) -> bool:
        """Whether the circuit is as it was when this turn was given."""
        return self._circuit._is_current(self)

    def end(self, succeeded: bool | None) -> None:
        """How the call went; None = nothing can be said. Later words are not heard."""
        if not self._ended:
            self._ended = True
            self._circuit._settle(self, succeeded)

    def __enter__(self) -> Self:
        """The turn itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends a turn of which nothing was told."""
        self.end(None)
