"""Prometheus metrics, read from the engine when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

import rerankd
from rerankd.core.engine import Engine
from rerankd.core.score_cache import ScoreCache
from rerankd.core.types import ModelState


class Metrics:
    """The metrics page of one process."""

    def __init__(self, engine: Engine) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_EngineCollector(engine))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def render(self, accept: str) -> tuple[bytes, str]:
        """The page in the format that the scraper accepts, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _EngineCollector(Collector):
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """Everything about the engine, as it is now."""
        queues = [model.status() for model in self._engine.registry.loaded()]
        yield GaugeMetricFamily(
            "rerankd_queue_documents",
            "Pairs of a query and a document that wait to be scored.",
            value=sum(queue.documents for queue in queues),
        )
        yield GaugeMetricFamily(
            "rerankd_queue_tokens",
            "Tokens of the pairs that wait to be scored.",
            value=sum(queue.tokens for queue in queues),
        )
        states = GaugeMetricFamily(
            "rerankd_model_state",
            "1 for the state that a model is in, 0 for the others.",
            labels=["model", "state"],
        )
        for report in self._engine.registry.reports():
            for state in ModelState:
                states.add_metric([report.id, state.value], float(report.state is state))
        yield states
        rankings = CounterMetricFamily(
            "rerankd_rankings",
            "Rankings given, by outcome and the name that its reason begins with.",
            labels=["outcome", "reason"],
        )
        for (outcome, reason), count in self._engine.outcomes.items():
            rankings.add_metric([outcome.value, reason], count)
        yield rankings
        yield from _score_cache(self._engine.score_cache)
        yield InfoMetricFamily("rerankd_build", "What is running.", value={"version": rerankd.__version__})


def _score_cache(cache: ScoreCache | None) -> Iterator[Metric]:
    if cache is None:
        return
    yield CounterMetricFamily(
        "rerankd_score_cache_hits",
        "Pairs whose score was known, or was being made for another request.",
        value=cache.hits,
    )
    yield CounterMetricFamily(
        "rerankd_score_cache_misses", "Pairs whose score had to be made.", value=cache.misses
    )
    yield GaugeMetricFamily("rerankd_score_cache_entries", "Scores that are kept.", value=len(cache))
    yield GaugeMetricFamily(
        "rerankd_score_cache_bytes", "Memory that the kept scores take, about.", value=cache.size_bytes
    )
