"""An evaluation as one HTML page that needs nothing beside itself: pictures are part of it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from rerankd.training.evaluation.changes import QueryChange, changes
from rerankd.training.evaluation.plots import metrics_plot, queries_plot, summary_plot
from rerankd.training.evaluation.report import Estimate, EvaluationReport, Gain, Summary, System

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1f24 }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 1.5rem }
th, td { border-bottom: 1px solid #d8dce1; padding: .25rem .6rem; text-align: right; vertical-align: top }
th:first-child, td:first-child, td.text { text-align: left }
img { max-width: 100% }
small { color: #5b626b }
.worse { color: #c0392b } .better { color: #1a7f37 }
"""


def page(
    reports: Sequence[EvaluationReport], summaries: Sequence[Summary] = (), *, metric: str = "ndcg@10"
) -> str:
    """One page for the reports of several corpora, their summaries first."""
    parts = [f"<h1>Evaluation: {escape(', '.join(report.corpus_id for report in reports))}</h1>"]
    for summary in summaries:
        parts += _summary(summary)
    for report in reports:
        parts += _report(report, metric)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Evaluation</title>'
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _summary(summary: Summary) -> Iterable[str]:
    yield f"<h2>{escape(summary.system)} over {escape(summary.over)}</h2>"
    yield (
        f"<p>Mean gain of {summary.metric} over {len(summary.corpora)} corpora: <b>{summary.mean:+.4f}</b> "
        f"[{summary.low:+.4f}, {summary.high:+.4f}], p = {summary.p_value:.4f}. "
        "For other corpora like these: "
        f"[{summary.low_new_corpora:+.4f}, {summary.high_new_corpora:+.4f}].</p>"
    )
    rows = [
        [
            corpus.corpus_id,
            str(corpus.queries),
            _estimate(corpus.before),
            _estimate(corpus.after),
            *_gain(corpus.gain),
        ]
        for corpus in summary.corpora
    ]
    yield _table(["corpus", "queries", "before", "after", "gain", "p", "better / worse / same"], rows)
    yield _image(summary_plot(summary), f"gains of {summary.system}")


def _report(report: EvaluationReport, metric: str) -> Iterable[str]:
    yield f"<h2>{escape(report.corpus_id)}</h2>"
    yield (
        f"<p>{len(report.queries)} queries of split {escape(report.split)}, {report.depth} candidates of "
        f"{escape(report.first_stage)}, pairs of up to {report.max_tokens} tokens. "
        f"{report.skipped_queries} queries without a relevant document are left out. "
        f"Intervals: {report.confidence:.0%}, {report.bootstrap_samples} resamples, seed {report.seed}.</p>"
    )
    yield _image(metrics_plot(report), "metrics")
    metrics = list(report.systems[0].metrics)
    rows = [
        [system.name, *(_estimate(system.metrics[name]) for name in metrics)] for system in report.systems
    ]
    yield _table(["system", *metrics], rows)
    for system in report.systems:
        if system.scorer:
            yield from _system(report, system, metrics, metric)


def _system(report: EvaluationReport, system: System, metrics: Sequence[str], metric: str) -> Iterable[str]:
    yield f"<h3>{escape(system.name)}</h3>"
    if system.refused_queries:
        yield f"<p>{system.refused_queries} queries are too long for the model and keep their order.</p>"
    for over, gains in system.gains.items():
        rows = [[name, *_gain(gains[name])] for name in metrics]
        yield _table([f"over {over}", "gain", "p", "better / worse / same"], rows)
    if metric not in system.metrics:
        return
    yield _image(queries_plot(report, system.name, metric=metric), f"changes by {system.name}")
    found = changes(report, system.name, metric=metric)
    yield _changes("Most improved", found.improved, metric)
    yield _changes("Most harmed", found.harmed, metric)


def _changes(title: str, queries: Sequence[QueryChange], metric: str) -> str:
    rows = [[q.id, q.text, f"{q.before:.3f}", f"{q.after:.3f}", f"{q.delta:+.3f}"] for q in queries]
    if not rows:
        return f"<p>{title}: none.</p>"
    return f"<h4>{title}</h4>" + _table(["query", "text", f"{metric} before", "after", "change"], rows)


def _gain(gain: Gain) -> list[str]:
    return [
        f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]",
        f"{gain.p_value:.4f}",
        f"{gain.wins} / {gain.losses} / {gain.ties}",
    ]


def _estimate(value: Estimate) -> str:
    return f"{value.mean:.4f} [{value.low:.4f}, {value.high:.4f}]"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def _image(png: bytes, title: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    return f'<p><img alt="{escape(title)}" src="data:image/png;base64,{data}"></p>'
