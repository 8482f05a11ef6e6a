"""What `rerankd top` shows of the time between two pages of metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rerankd.cli._metrics_page import Span

_MIB = 1024 * 1024
_RERANK = ("Rerank", "RerankStream", "RerankBatch")
_QUANTILES = (0.5, 0.95, 0.99)
_STATES = {"active": "green", "failed": "bold red", "loading": "yellow", "warming": "yellow"}

CALLS = "grpc_server_handling_seconds"
HTTP = "rerankd_http_request_seconds"
WAIT = "rerankd_queue_wait_seconds"
INFERENCE = "rerankd_inference_seconds"


def frame(span: Span, url: str) -> RenderableType:
    """One frame, as wide as the terminal."""
    left = Group(_section("queue", _queue(span)), _section("work", _work(span)))
    right = Group(_section("calls", _calls(span)), _section("memory and cache", _memory(span)))
    sides = Table.grid(expand=True, padding=(0, 1))
    sides.add_column(ratio=1)
    sides.add_column(ratio=1)
    sides.add_row(left, right)
    return Group(_title(span, url), sides, _latencies(span), _models(span))


def lost(span: Span, url: str, why: str) -> RenderableType:
    """The last frame of a server that does not answer, and that it does not."""
    return Group(Text(why, style="bold red"), frame(span, url))


def rows(span: Span) -> Iterator[tuple[str, str]]:
    """The same for a pipe: names and plain numbers."""
    for section, values in (
        ("queue", _queue(span)),
        ("work", _work(span)),
        ("calls", _calls(span)),
        ("memory", _memory(span)),
    ):
        for name, value in values:
            yield f"{section}.{name.replace(' ', '_')}", value
    for name, family, labels in _TIMES:
        for share in _QUANTILES:
            key = f"seconds.{name.replace(' ', '_')}.p{round(100 * share)}"
            yield key, _seconds(span.quantile(share, family, **labels))
    for model, is_so in span.after.series("rerankd_model_state"):
        if is_so:
            yield f"models.{model['model']}", model["state"]


_TIMES: tuple[tuple[str, str, dict[str, str]], ...] = (
    *((f"call {method}", CALLS, {"grpc_method": method}) for method in _RERANK),
    ("wait interactive", WAIT, {"priority": "interactive"}),
    ("wait bulk", WAIT, {"priority": "bulk"}),
    ("micro-batch", INFERENCE, {}),
)


def _queue(span: Span) -> Iterator[tuple[str, str]]:
    now = span.after
    yield "documents", _count(now.total("rerankd_queue_documents"))
    yield "tokens", _count(now.total("rerankd_queue_tokens"))
    yield "oldest", _seconds(now.total("rerankd_queue_oldest_seconds"))
    yield "dropped /s", _rate(span.rate("rerankd_dropped_total"))


def _work(span: Span) -> Iterator[tuple[str, str]]:
    yield "documents /s", _rate(span.rate("rerankd_documents_total"))
    yield "tokens /s", _rate(span.rate("rerankd_tokens_total"))
    possible = span.after.total("rerankd_tokens_per_second")
    yield "can do tokens /s", _count(possible) if possible else "-"
    yield "micro-batches /s", _rate(span.rate("rerankd_batch_documents_count"))
    yield "documents in one", _number(span.mean("rerankd_batch_documents"))
    yield "padding", _share(span.mean("rerankd_batch_padding_ratio"))


def _calls(span: Span) -> Iterator[tuple[str, str]]:
    for method in _RERANK:
        yield f"{method} /s", _rate(span.rate("grpc_server_handled_total", grpc_method=method))
    ranked = sum(
        span.more("rerankd_http_requests_total", **labels)
        for labels, _ in span.after.series("rerankd_http_requests_total")
        if "rerank" in labels["route"]
    )
    yield "HTTP /s", _rate(ranked / span.seconds)
    yield "in progress", _count(span.after.total("rerankd_calls_in_progress"))
    yield "failed /s", _rate(span.rate("rerankd_errors_total"))
    yield "refused /s", _rate(span.rate("rerankd_errors_total", reason="OVERLOADED"))


def _memory(span: Span) -> Iterator[tuple[str, str]]:
    now = span.after
    limit = now.total("rerankd_memory_limit_bytes")
    resident = f"{now.total('process_resident_memory_bytes') / _MIB:,.0f} MiB"
    yield "resident", f"{resident} of {limit / _MIB:,.0f}" if limit else resident
    if now.total("rerankd_memory_exceeded"):
        yield "above the ceiling", f"{now.total('rerankd_streams_paused'):.0f} streams paused"
    yield "CPU", f"{span.rate('process_cpu_seconds_total'):.2f} cores"
    hits, misses = span.more("rerankd_score_cache_hits_total"), span.more("rerankd_score_cache_misses_total")
    yield "cache hits", _share(hits / (hits + misses) if hits + misses else math.nan)
    yield "cached scores", _count(now.total("rerankd_score_cache_entries"))


def _title(span: Span, url: str) -> Text:
    version = next((labels["version"] for labels, _ in span.after.series("rerankd_build_info")), "")
    up = max(0.0, time.time() - span.after.total("process_start_time_seconds"))
    title = Text(f"rerankd {version}", style="bold")
    title.append(f"  {url}  up {_span_of(up)}  last {span.seconds:.1f} s", style="dim")
    return title


def _section(title: str, values: Iterator[tuple[str, str]]) -> Panel:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, value in values:
        table.add_row(name, value)
    return Panel(table, title=title, title_align="left", border_style="blue")


def _latencies(span: Span) -> Panel:
    table = Table(
        "", *(f"p{round(100 * share)}" for share in _QUANTILES), "mean", "count", box=None, expand=True
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for name, family, labels in _TIMES:
        count = span.more(f"{family}_count", **labels)
        if not count:
            continue
        quantiles = (_seconds(span.quantile(share, family, **labels)) for share in _QUANTILES)
        table.add_row(name, *quantiles, _seconds(span.mean(family, **labels)), _count(count))
    return Panel(table, title="times", title_align="left", border_style="blue")


def _models(span: Span) -> Panel:
    table = Table("model", "state", "documents /s", "load", box=None, expand=True)
    for labels, value in span.after.series("rerankd_model_state"):
        if not value:
            continue
        model, state = labels["model"], labels["state"]
        load = span.after.total("rerankd_load_seconds", model=model)
        rate = _rate(span.rate("rerankd_documents_total", model=model))
        table.add_row(model, Text(state, style=_STATES.get(state, "dim")), rate, _seconds(load))
    return Panel(table, title="models", title_align="left", border_style="blue")


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1%}"


def _seconds(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{1000 * value:.1f} ms" if value < 1 else f"{value:.2f} s"


def _span_of(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
