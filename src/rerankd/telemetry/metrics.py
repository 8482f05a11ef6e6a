"""Prometheus metrics of one process: what is counted as it happens, and what is read when it is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

import rerankd
from rerankd.core.engine import Engine
from rerankd.core.errors import ModelNotFoundError
from rerankd.core.loaded import LocalModel
from rerankd.core.policy import NOT_RERANKED
from rerankd.core.registry import ModelReport
from rerankd.core.score_cache import ScoreCache
from rerankd.core.types import ModelState, Outcome
from rerankd.telemetry import metric_table as table
from rerankd.telemetry.call_metrics import Ended, GrpcCalls, HttpCalls, InProgress
from rerankd.telemetry.key_metrics import KeyMetrics
from rerankd.telemetry.metric_table import MetricSpec
from rerankd.telemetry.work_metrics import MAX_MODELS, WorkMetrics

_EXPECTED_RANKINGS = (
    (Outcome.RERANKED, ""),
    (Outcome.PARTIAL, ""),
    (Outcome.PASSTHROUGH, NOT_RERANKED.partition(":")[0]),
)


TlsSecondsLeft = Callable[[], Mapping[str, float]]
_TLS_FILES = ("certificate", "client_ca")


class Metrics:
    """The metrics page of one process.

    Attributes:
        grpc: To be told of the calls of the gRPC door.
        http: To be told of the requests of the HTTP door.
        work: To be told of the models' work.
        keys: To be told which keys there are.
    """

    def __init__(self, engine: Engine, *, tls_seconds_left: TlsSecondsLeft | None = None) -> None:
        """Counts the engine's work from now on; an engine has one `Metrics`.

        `tls_seconds_left`: seconds until each file of TLS expires; None = there are none.
        """
        self._registry = registry = CollectorRegistry()
        self.keys = KeyMetrics(registry)
        in_progress, ended = InProgress(registry), Ended(registry, self.keys)
        self.grpc = GrpcCalls(registry, in_progress, ended)
        self.http = HttpCalls(registry, in_progress, ended)
        self.work = WorkMetrics(registry, self.keys)
        registry.register(_EngineCollector(engine))
        registry.register(_TlsCollector(tls_seconds_left or dict))
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        engine.telemetry.work = self.work

        def prepare(model_id: str, state: ModelState) -> None:
            description = engine.registry.report(model_id).description
            if state is ModelState.ACTIVE and description is not None:
                self.work.prepare(model_id, description.backend)

        engine.registry.on_change(prepare)

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
        yield _gauge(table.QUEUE_DOCUMENTS, sum(queue.documents for queue in queues))
        yield _gauge(table.QUEUE_TOKENS, sum(queue.tokens for queue in queues))
        yield _gauge(table.QUEUE_OLDEST, max((queue.oldest_wait_seconds for queue in queues), default=0.0))
        yield from self._models()
        yield self._rankings()
        yield from _score_cache(self._engine.score_cache)
        memory = self._engine.memory
        yield _gauge(table.MEMORY_LIMIT, memory.limit_bytes)
        yield _gauge(table.MEMORY_EXCEEDED, float(memory.is_exceeded))
        yield _gauge(table.STREAMS_PAUSED, memory.paused_streams)
        yield InfoMetricFamily(table.BUILD.family, table.BUILD.help, value={"version": rerankd.__version__})

    def _models(self) -> Iterator[Metric]:
        states = GaugeMetricFamily(
            table.MODEL_STATE.family, table.MODEL_STATE.help, labels=("model", "state")
        )
        loads = GaugeMetricFamily(
            table.LOAD_SECONDS.family, table.LOAD_SECONDS.help, labels=("model", "stage")
        )
        rates = GaugeMetricFamily(
            table.TOKENS_PER_SECOND.family, table.TOKENS_PER_SECOND.help, labels=("model",)
        )
        for report in self._reports():
            for state in ModelState:
                states.add_metric([report.id, state.value], float(report.state is state))
            for stage, seconds in report.stages:
                loads.add_metric([report.id, stage.value], seconds)
        for model in self._engine.registry.loaded():
            if isinstance(model, LocalModel):
                rates.add_metric([model.ref.id], model.scheduler.pace.tokens_per_second)
        yield from (states, loads, rates)

    def _reports(self) -> list[ModelReport]:
        """The default model, asked for or not, and the others that were."""
        registry = self._engine.registry
        reports = {report.id: report for report in registry.reports()[:MAX_MODELS]}
        try:
            default = registry.report(registry.canonical(""))
        except ModelNotFoundError:
            return list(reports.values())
        return list({default.id: default, **reports}.values())

    def _rankings(self) -> Metric:
        rankings = CounterMetricFamily(
            table.RANKINGS.family, table.RANKINGS.help, labels=("outcome", "reason")
        )
        for (outcome, reason), count in (
            dict.fromkeys(_EXPECTED_RANKINGS, 0) | self._engine.outcomes
        ).items():
            rankings.add_metric([outcome.value, reason], count)
        return rankings


class _TlsCollector(Collector):
    def __init__(self, seconds_left: TlsSecondsLeft) -> None:
        self._seconds_left = seconds_left

    def collect(self) -> Iterator[Metric]:
        """How long the certificates in force are good."""
        spec, known = table.TLS_EXPIRY, self._seconds_left()
        left = GaugeMetricFamily(spec.family, spec.help, labels=spec.labels)
        for file in _TLS_FILES:
            left.add_metric([file], known.get(file, math.inf))
        yield left


def _gauge(spec: MetricSpec, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(spec.family, spec.help, value=value)


def _counter(spec: MetricSpec, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(spec.family, spec.help, value=value)


def _score_cache(cache: ScoreCache | None) -> Iterator[Metric]:
    """All of it also where nothing is kept: a page that lacks a series looks like one that is broken."""
    yield _counter(table.CACHE_HITS, cache.hits if cache is not None else 0)
    yield _counter(table.CACHE_MISSES, cache.misses if cache is not None else 0)
    yield _gauge(table.CACHE_ENTRIES, len(cache) if cache is not None else 0)
    yield _gauge(table.CACHE_BYTES, cache.size_bytes if cache is not None else 0)
