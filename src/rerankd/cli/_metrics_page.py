"""A page of metrics, and what two of them say of the time between them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Labels = Mapping[str, str]
Buckets = Sequence[tuple[float, float]]
"""Upper bound and count of each bucket of a histogram, not cumulative."""


@dataclass(frozen=True, slots=True)
class Page:
    """The samples of one page, by name."""

    samples: Mapping[str, Sequence[tuple[Labels, float]]]
    at: float
    """Instant of `time.monotonic` at which it was read."""

    def series(self, name: str, **labels: str) -> Iterator[tuple[Labels, float]]:
        """The samples of a name that have these labels."""
        for found, value in self.samples.get(name, ()):
            if labels.items() <= found.items():
                yield found, value

    def total(self, name: str, **labels: str) -> float:
        """Their sum."""
        return sum(value for _, value in self.series(name, **labels))


@dataclass(frozen=True, slots=True)
class Span:
    """The time between two pages."""

    before: Page
    after: Page

    @property
    def seconds(self) -> float:
        """How long it was."""
        return max(1e-9, self.after.at - self.before.at)

    def more(self, name: str, **labels: str) -> float:
        """By how much a counter grew; one that was reset counts from zero."""
        before, after = self.before.total(name, **labels), self.after.total(name, **labels)
        return after - before if after >= before else after

    def rate(self, name: str, **labels: str) -> float:
        """By how much it grew in a second."""
        return self.more(name, **labels) / self.seconds

    def mean(self, name: str, **labels: str) -> float:
        """Mean of what a histogram observed; NaN where it was nothing."""
        count = self.more(f"{name}_count", **labels)
        return self.more(f"{name}_sum", **labels) / count if count else math.nan

    def quantile(self, share: float, name: str, **labels: str) -> float:
        """A quantile of what a histogram observed; NaN where it was nothing."""
        return quantile(share, self._buckets(name, **labels))

    def _buckets(self, name: str, **labels: str) -> Buckets:
        grown: defaultdict[float, float] = defaultdict(float)
        for sign, page in ((-1.0, self.before), (1.0, self.after)):
            for found, value in page.series(f"{name}_bucket", **labels):
                grown[float(found["le"])] += sign * value
        below = 0.0
        buckets = []
        for bound in sorted(grown):
            buckets.append((bound, max(0.0, grown[bound] - below)))
            below = grown[bound]
        return buckets


def quantile(share: float, buckets: Buckets) -> float:
    """A quantile of a histogram, as Prometheus computes it: linear inside a bucket.

    Of what is above the last bound nothing more is known than that.
    """
    total = sum(count for _, count in buckets)
    if not total:
        return math.nan
    wanted, seen, lower = share * total, 0.0, 0.0
    for bound, count in buckets:
        if count and seen + count >= wanted:
            # Not beyond the bucket, where the last digit is rounded up.
            return (
                lower if math.isinf(bound) else min(bound, lower + (bound - lower) * (wanted - seen) / count)
            )
        seen += count
        lower = lower if math.isinf(bound) else bound
    return lower


def parse(text: str, at: float) -> Page:
    """The samples of a page in Prometheus' text format; raises ValueError for another text."""
    from prometheus_client.parser import text_string_to_metric_families

    samples: defaultdict[str, list[tuple[Labels, float]]] = defaultdict(list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples[sample.name].append((sample.labels, sample.value))
    return Page(samples, at)
