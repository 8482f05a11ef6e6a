"""From measured calls to what calls of any size take: seconds = fixed + token x tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


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
    """Root mean square of how far a call is off the line, as a share of the call."""
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
    """The line that is off by the least share of each call; None without a call that took time for tokens.

    Shares and not seconds are made small, so that a thousand documents do not outweigh ten, and calls that
    something else on the machine delayed count less.
    """
    usable = [call for call in calls if call.seconds > 0 and call.tokens > 0]
    if not usable:
        return None
    fixed, token = _line([(call.tokens, call.seconds) for call in usable])
    ratios = [call.seconds / (fixed + token * call.tokens) for call in usable]
    return Fit(
        fixed_seconds=fixed,
        token_seconds=token,
        tokens_per_document=sum(call.tokens for call in usable) / sum(call.documents for call in usable),
        residual=math.sqrt(sum((1 - 1 / ratio) ** 2 for ratio in ratios) / len(ratios)),
        margin_p99=max(1.0, percentile(ratios, 0.99)),
        calls=len(usable),
        most_documents=max(call.documents for call in usable),
    )


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Fixed part and slope, neither negative, of the least squares of 1 - fixed/y - slope x/y."""
    u = [1 / y for _, y in points]
    v = [x / y for x, y in points]
    uu, vv = sum(a * a for a in u), sum(b * b for b in v)
    uv = sum(a * b for a, b in zip(u, v, strict=True))
    determinant = uu * vv - uv * uv
    through_origin = 0.0, sum(v) / vv
    # Of calls that are all of one size no line can be told: the sums cancel out but for rounding.
    if determinant <= 1e-9 * uu * vv:
        return through_origin
    fixed = (sum(u) * vv - sum(v) * uv) / determinant
    slope = (sum(v) * uu - sum(u) * uv) / determinant
    return (fixed, slope) if fixed >= 0 and slope > 0 else through_origin


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed: one of the values.

    Raises:
        ValueError: There are none, or `share` is not above 0 and at most 1.
    """
    if not values or not 0 < share <= 1:
        raise ValueError("a percentile is of some values, and above 0 and at most 1")
    return sorted(values)[math.ceil(share * len(values) - 1e-9) - 1]
