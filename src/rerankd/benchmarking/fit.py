"""From measured calls to what calls of any size take: seconds = fixed + token x tokens."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_ROUNDS = 60
_CLOSE = 1e-4
"""Share of a call below which it is on the line: without a bound one call would get all the weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that was measured."""

    seconds: float
    documents: int
    tokens: int
    """Of all its pairs, query and special tokens included, without padding."""
    first_score_seconds: float | None = None
    """Of a stream, from its beginning to its first score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The line through the calls of one caller."""

    fixed_seconds: float
    token_seconds: float
    tokens_per_document: float
    """Average of a pair of these calls."""
    residual: float
    """How far a call is off the line, as a share of it, on the average."""
    margin_p99: float
    """How many times its time on the line a call takes that one in a hundred exceeds; at least 1."""
    calls: int
    most_documents: int
    """Of the largest call; what is said of larger ones is extrapolated."""

    def seconds(self, documents: float) -> float:
        """What a call of so many usual documents takes, on the line."""
        return self.fixed_seconds + self.token_seconds * self.tokens_per_document * documents

    def candidates(self, seconds: float, *, margin: float = 1.0) -> int:
        """How many documents a call may have to end in time, if it takes `margin` times its usual time."""
        room = seconds / margin - self.fixed_seconds
        return max(0, math.floor(room / (self.token_seconds * self.tokens_per_document)))


def fit(calls: Sequence[Call]) -> Fit | None:
    """The line of usual calls; None without a call that took time for tokens.

    Half of the calls are above it, about: what something else on the machine delays does not move it, but
    counts in `margin_p99`. Shares of a call's time are made small and not seconds, and all calls of one size
    weigh as much as those of another, so that neither a thousand documents nor a hundred short calls decide.
    """
    usable = [call for call in calls if call.seconds > 0 and call.tokens > 0]
    if not usable:
        return None
    sizes = Counter(call.documents for call in usable)
    fixed, token = _line([(call.tokens, call.seconds, 1 / sizes[call.documents]) for call in usable])
    ratios = [call.seconds / (fixed + token * call.tokens) for call in usable]
    return Fit(
        fixed_seconds=fixed,
        token_seconds=token,
        tokens_per_document=sum(call.tokens for call in usable) / sum(call.documents for call in usable),
        residual=sum(abs(ratio - 1) for ratio in ratios) / len(ratios),
        margin_p99=max(1.0, percentile(ratios, 0.99)),
        calls=len(usable),
        most_documents=max(call.documents for call in usable),
    )


Point = tuple[float, float, float]
"""Tokens, seconds, weight."""


def _line(points: Sequence[Point]) -> tuple[float, float]:
    """Fixed part and slope, neither negative, of the least weighted sum of |seconds / line - 1|.

    By weighted least squares, whose weights are corrected until they hardly change: a call that is far off
    counts by its distance and not by the square of it.
    """
    through_origin = 0.0, _usual_slope(points)
    expected = [seconds for _, seconds, _ in points]
    off = [1.0] * len(points)
    for _ in range(_ROUNDS):
        weights = [
            w / (line * line * off_by) for (_, _, w), line, off_by in zip(points, expected, off, strict=True)
        ]
        found = _least_squares(points, weights)
        # Of calls that are all of one size no line can be told, and no call takes less than nothing.
        if found is None or found[0] < 0 or found[1] <= 0:
            return through_origin
        fixed, slope = found
        expected = [fixed + slope * tokens for tokens, _, _ in points]
        off = [max(_CLOSE, abs(y / line - 1)) for (_, y, _), line in zip(points, expected, strict=True)]
    return fixed, slope


def _least_squares(points: Sequence[Point], weights: Sequence[float]) -> tuple[float, float] | None:
    total = sum(weights)
    x = sum(w * tokens for (tokens, _, _), w in zip(points, weights, strict=True)) / total
    y = sum(w * seconds for (_, seconds, _), w in zip(points, weights, strict=True)) / total
    spread = sum(w * (tokens - x) ** 2 for (tokens, _, _), w in zip(points, weights, strict=True))
    if spread <= 1e-9 * total * x * x:
        return None
    slope = (
        sum(w * (tokens - x) * (s - y) for (tokens, s, _), w in zip(points, weights, strict=True)) / spread
    )
    return y - slope * x, slope


def _usual_slope(points: Sequence[Point]) -> float:
    """Seconds a token of the call in the middle."""
    half = sum(weight for _, _, weight in points) / 2
    slopes = sorted((seconds / tokens, weight) for tokens, seconds, weight in points)
    for slope, weight in slopes:
        half -= weight
        if half <= 0:
            return slope
    return slopes[-1][0]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed: one of the values.

    Raises:
        ValueError: There are none, or `share` is not above 0 and at most 1.
    """
    if not values or not 0 < share <= 1:
        raise ValueError("a percentile is of some values, and above 0 and at most 1")
    return sorted(values)[math.ceil(share * len(values) - 1e-9) - 1]
