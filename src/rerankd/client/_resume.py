"""When an interrupted stream is tried again, and after which delay."""

from __future__ import annotations

import random

from rerankd.client._errors import CancelledError, RerankdError, UnavailableError

FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 5.0
JITTER = 0.2

# A stream that never got a score gives up as early as a unary call, so that a wrong address shows soon.
ATTEMPTS_BEFORE_ANY_SCORE = 3


class ResumePolicy:
    """Counts attempts in a row that brought no score.

    Args:
        attempts: The stream gives up after so many; 0 never resumes.
    """

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._in_vain = 0
        self._progressed = False
        self._any_score = False
        self.resumes = 0
        """How often a stream was opened again."""

    def progressed(self) -> None:
        """The current attempt brought a score."""
        self._progressed = self._any_score = True

    def delay_after(self, error: RerankdError) -> float | None:
        """Seconds to wait before the next attempt; None to give up."""
        self._in_vain = 0 if self._progressed else self._in_vain + 1
        self._progressed = False
        most = self._attempts if self._any_score else min(self._attempts, ATTEMPTS_BEFORE_ANY_SCORE)
        # A server whose core is being stopped answers CANCELLED to what still reaches it. A stream that is
        # closed on this side does not ask.
        interrupted = isinstance(error, UnavailableError | CancelledError)
        if not interrupted or self._in_vain >= most:
            return None
        self.resumes += 1
        delay = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0**self._in_vain)
        jittered = delay * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret depends on it
        return max(jittered, error.retry_after_seconds or 0.0)
