"""What is counted of each key, by its name. A key that is no longer in the file has no series."""

from __future__ import annotations

from collections.abc import Collection

from prometheus_client import CollectorRegistry

from rerankd.core.errors import ForbiddenError, OverloadedError, QuotaExceededError
from rerankd.telemetry import metric_table as table
from rerankd.telemetry.instruments import counter

REFUSALS = tuple(kind.spec.reason for kind in (ForbiddenError, OverloadedError, QuotaExceededError))


class KeyMetrics:
    """Counts calls by key; calls without one, or with the admin token, are nobody's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = counter(table.KEY_CALLS, registry)
        self._tokens = counter(table.KEY_TOKENS, registry)
        self._refusals = counter(table.KEY_REFUSALS, registry)
        self._names: frozenset[str] = frozenset()

    def prepare(self, names: Collection[str]) -> None:
        """Makes these the keys that have series."""
        for name in self._names.difference(names):
            self._calls.remove(name)
            self._tokens.remove(name)
            for reason in REFUSALS:
                self._refusals.remove(name, reason)
        self._names = frozenset(names)
        for name in self._names:
            self._calls.labels(name)
            self._tokens.labels(name)
            for reason in REFUSALS:
                self._refusals.labels(name, reason)

    def ended(self, key: str, reason: str) -> None:
        """A call with this key has ended; an empty reason is none."""
        if key not in self._names:
            return
        self._calls.labels(key).inc()
        if reason in REFUSALS:
            self._refusals.labels(key, reason).inc()

    def read(self, key: str, tokens: int) -> None:
        """So many tokens were read for this key."""
        if key in self._names:
            self._tokens.labels(key).inc(tokens)
