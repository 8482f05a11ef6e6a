"""Pictures of an evaluation, as PNG; matplotlib draws them without a display and without global state."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rerankd.training.evaluation.report import EvaluationReport, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BEFORE, _AFTER, _WORSE = "#8a8f98", "#2458c5", "#c0392b"
_DPI = 110


def metrics_plot(report: EvaluationReport) -> bytes:
    """Every metric of every system, with its interval."""
    metrics = list(report.systems[0].metrics)
    figure, axes = _figure(7.5, 0.9 + 0.22 * len(metrics) * (len(report.systems) + 1))
    height = 0.8 / len(report.systems)
    for number, system in enumerate(report.systems):
        places = [row + number * height for row in range(len(metrics))]
        found = [system.metrics[metric] for metric in metrics]
        axes.barh(
            places,
            [estimate.mean for estimate in found],
            height=height,
            color=_shade(number, len(report.systems)),
            label=system.name,
            xerr=_error_bars([(e.mean, e.low, e.high) for e in found]),
            error_kw={"linewidth": 0.8, "ecolor": "#333333"},
        )
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(metrics))], metrics)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"mean of {len(report.queries)} queries, {report.confidence:.0%} interval")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=6, frameon=False, fontsize=8)
    return _png(figure)


def queries_plot(report: EvaluationReport, system: str, *, over: str = "", metric: str = "ndcg@10") -> bytes:
    """What a system changes, query by query, from the most harmed to the most improved."""
    before = report.system(over or report.first_stage).values[metric]
    after = report.system(system).values[metric]
    deltas = sorted(new - old for old, new in zip(before, after, strict=True))
    figure, axes = _figure(7.5, 2.8)
    axes.bar(range(len(deltas)), deltas, width=1.0, color=[_AFTER if d > 0 else _WORSE for d in deltas])
    axes.axhline(0, color="#333333", linewidth=0.8)
    axes.set_xlabel("queries")
    axes.set_ylabel(f"change of {metric}")
    axes.set_title(f"{system} against {over or report.first_stage}", fontsize=9)
    return _png(figure)


def summary_plot(summary: Summary) -> bytes:
    """The gain on each corpus and the mean, with their intervals."""
    rows = [
        (corpus.corpus_id, corpus.gain.mean, corpus.gain.low, corpus.gain.high) for corpus in summary.corpora
    ]
    rows.append(("mean", summary.mean, summary.low, summary.high))
    figure, axes = _figure(7.5, 1.1 + 0.32 * len(rows))
    for place, (name, mean, low, high) in enumerate(rows):
        colour = "#111111" if name == "mean" else _AFTER
        axes.errorbar(mean, place, xerr=_error_bars([(mean, low, high)]), fmt="o", color=colour, capsize=3)
    axes.axvline(0, color="#333333", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.margins(y=0.15)
    axes.invert_yaxis()
    axes.set_xlabel(f"gain of {summary.metric} over {summary.over}")
    axes.set_title(summary.system, fontsize=9)
    return _png(figure)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Figure) -> bytes:
    written = io.BytesIO()
    # Without the version of the library in it the same report gives the same bytes.
    figure.savefig(written, format="png", bbox_inches="tight", metadata={"Software": None})
    return written.getvalue()


def _shade(number: int, systems: int) -> str | tuple[float, float, float]:
    if not number:
        return _BEFORE
    share = (number - 1) / max(1, systems - 2)
    return (0.08 + 0.5 * share, 0.3 + 0.35 * share, 0.75)


def _error_bars(estimates: Sequence[tuple[float, float, float]]) -> list[list[float]]:
    """Distances below and above each mean; an interval that misses its mean by rounding has none."""
    return [
        [max(0.0, mean - low) for mean, low, _ in estimates],
        [max(0.0, high - mean) for mean, _, high in estimates],
    ]
