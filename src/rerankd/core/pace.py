"""How fast a model scores, as measured, and how far estimates of tokens are from the truth."""

from __future__ import annotations

_KEPT = 0.95
"""Share of what was measured before that counts on after one more micro-batch: about twenty count."""
_KEPT_OF_ESTIMATES = 0.98


class Pace:
    """Lives on the event loop.

    Rates are ratios of sums, not means of ratios: a micro-batch of one short pair says little and weighs
    little.
    """

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._tokens = 0.0
        self._seconds = 0.0
        self._estimated = 0.0
        self._actual = 0.0

    @property
    def tokens_per_second(self) -> float:
        """Of all lanes together; 0 = not measured yet."""
        return self._lanes * self._tokens / self._seconds if self._seconds > 0 else 0.0

    def ran(self, tokens: int, seconds: float) -> None:
        """Counts a micro-batch of one lane, and the pause before it, where there was enough to do."""
        self._tokens = _KEPT * self._tokens + tokens
        self._seconds = _KEPT * self._seconds + seconds

    def learn(self, estimated: int, actual: int) -> None:
        """Counts texts whose tokens were estimated and are now known."""
        self._estimated = _KEPT_OF_ESTIMATES * self._estimated + estimated
        self._actual = _KEPT_OF_ESTIMATES * self._actual + actual

    def expected(self, estimated: int) -> int:
        """The tokens that texts of such an estimate turn out to have, as a rule."""
        return round(estimated * self._actual / self._estimated) if self._estimated > 0 else estimated
