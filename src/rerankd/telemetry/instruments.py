"""Counters, gauges and histograms made from the table of metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from rerankd.telemetry.metric_table import MetricSpec

# A second series for each one, which only says when the first was made, would double the page.
disable_created_metrics()  # type: ignore[no-untyped-call]


def counter(spec: MetricSpec, registry: CollectorRegistry) -> Counter:
    """The counter of a row of the table."""
    return Counter(spec.family, spec.help, spec.labels, registry=registry)


def gauge(spec: MetricSpec, registry: CollectorRegistry) -> Gauge:
    """The gauge of a row of the table."""
    return Gauge(spec.family, spec.help, spec.labels, registry=registry)


def histogram(spec: MetricSpec, registry: CollectorRegistry) -> Histogram:
    """The histogram of a row of the table."""
    return Histogram(spec.family, spec.help, spec.labels, buckets=spec.buckets, registry=registry)
