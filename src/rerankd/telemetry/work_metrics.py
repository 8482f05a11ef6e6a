"""What is counted of the models' work."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from rerankd.core.telemetry import BatchRun, Dropped
from rerankd.core.types import Priority
from rerankd.telemetry import metric_table as table
from rerankd.telemetry.calls import call_record
from rerankd.telemetry.instruments import counter, histogram
from rerankd.telemetry.key_metrics import KeyMetrics

MAX_MODELS = 64
"""Models that have series of their own. Requests can name models of providers by any name that they make up;
from then on what is new counts as `other`."""
OTHER_MODEL = "other"


class WorkMetrics:
    """A `WorkObserver` that counts."""

    def __init__(self, registry: CollectorRegistry, keys: KeyMetrics) -> None:
        self._keys = keys
        wait = histogram(table.QUEUE_WAIT, registry)
        dropped = counter(table.DROPPED, registry)
        self._wait = {priority: wait.labels(priority.value) for priority in Priority}
        self._dropped = {why: dropped.labels(why.value) for why in Dropped}
        self._documents = histogram(table.BATCH_DOCUMENTS, registry)
        self._tokens = histogram(table.BATCH_TOKENS, registry)
        self._padding = histogram(table.PADDING, registry)
        self._inference = histogram(table.INFERENCE, registry)
        self._failures = counter(table.BATCH_FAILURES, registry)
        self._scored = counter(table.SCORED, registry)
        self._read = counter(table.TOKENS_READ, registry)
        self._models: set[str] = set()

    def prepare(self, model: str, backend: str) -> None:
        """Makes the series of a model that takes traffic from now on."""
        name = self._name(model)
        for metric in (
            self._documents,
            self._tokens,
            self._padding,
            self._failures,
            self._scored,
            self._read,
        ):
            metric.labels(name)
        self._inference.labels(name, backend)

    def on_batch(self, batch: BatchRun) -> None:
        """Counts a micro-batch."""
        name = self._name(batch.model)
        self._inference.labels(name, batch.backend).observe(batch.seconds)
        self._documents.labels(name).observe(batch.documents)
        if batch.failed:
            self._failures.labels(name).inc()
        if batch.padded_tokens:
            self._tokens.labels(name).observe(batch.tokens)
            self._padding.labels(name).observe(1 - batch.tokens / batch.padded_tokens)

    def on_wait(self, priority: Priority, seconds: float) -> None:
        """Counts a wait."""
        self._wait[priority].observe(seconds)

    def on_scored(self, model: str, documents: int, tokens: int) -> None:
        """Counts scores."""
        name = self._name(model)
        if documents:
            self._scored.labels(name).inc(documents)
        if tokens:
            self._read.labels(name).inc(tokens)

    def on_dropped(self, why: Dropped, documents: int) -> None:
        """Counts what will not be scored."""
        self._dropped[why].inc(documents)

    def on_ended(self, tokens: int) -> None:
        """Counts what a call's key has used."""
        if tokens and (record := call_record.get()) is not None:
            self._keys.read(record.key, tokens)

    def _name(self, model: str) -> str:
        if model not in self._models:
            if len(self._models) >= MAX_MODELS:
                return OTHER_MODEL
            self._models.add(model)
        return model
