"""A picture of a report; matplotlib draws it without a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rerankd.benchmarking.report import Report, SubjectFigures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#1f4e79", "#d1761f", "#3a8f5c", "#8a4fa3", "#b03a48", "#6b6f76")
_INK, _FAINT = "#1a1a1a", "#8a8f98"


def draw(report: Report, path: Path) -> None:
    """Latency against candidates with the fitted lines, and pairs a second; SVG or PNG by the file's name.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        OSError: The file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [each for each in report.subjects if each.best_pairs_per_second]
    rates = sum(len(_rates(each)) for each in shown)
    # The same report gives the same bytes: no date, no version, no random names.
    with mpl.rc_context({"svg.hashsalt": "rerankd", "text.color": _INK, "font.size": 9}):
        figure = Figure(figsize=(10, max(3.8, 0.28 * rates + 1.4)), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        latency, speed = figure.subplots(1, 2)
        _latency(latency, shown)
        _speed(speed, shown)
        figure.suptitle(_title(report), x=0.01, ha="left", fontsize=10)
        # A format is named as its files are.
        name = path.suffix.lower().removeprefix(".")
        metadata = {"Date": None} if name == "svg" else {"Software": None}
        figure.savefig(path, format=name, dpi=150, metadata=metadata)


def _latency(axes: Axes, subjects: Sequence[SubjectFigures]) -> None:
    """p50 as points with a line up to p99, and what the fit says of every size."""
    budgets = sorted({room.budget_ms for subject in subjects for room in subject.room})
    for subject, colour in _coloured(subjects):
        alone = [c for c in subject.cases if c.kind == "unary" and c.callers == 1 and c.p50_ms and c.p99_ms]
        sizes, p50 = [c.documents for c in alone], [c.p50_ms or 0.0 for c in alone]
        above = [(c.p99_ms or 0.0) - (c.p50_ms or 0.0) for c in alone]
        axes.errorbar(
            sizes,
            p50,
            yerr=[[0.0] * len(above), above],
            fmt="o",
            color=colour,
            markersize=4,
            capsize=3,
            label=subject.name,
        )
        if subject.fit is not None:
            line = [(n, 1000 * subject.fit.seconds(n)) for n in (1, 3, 10, 30, 100, 300, 1000)]
            axes.plot(*zip(*line, strict=True), color=colour, linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    for budget in budgets:
        if low <= budget <= high:
            axes.axhline(budget, color=_FAINT, linewidth=0.6, linestyle=":")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,g}")
    axes.set_xlabel("documents of a call")
    axes.set_ylabel("ms: p50, up to p99, and the fit")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)


def _speed(axes: Axes, subjects: Sequence[SubjectFigures]) -> None:
    """Pairs a second of each kind of call."""
    place, ticks, labels = 0.0, [], []
    for subject, colour in _coloured(subjects):
        for label, rate in _rates(subject):
            bar = axes.barh(place, rate, height=0.75, color=colour)
            axes.bar_label(bar, fmt="%.0f", padding=3)
            ticks.append(place)
            labels.append(label)
            place += 1
        place += 0.6
    axes.set_yticks(ticks, labels)
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.margins(x=0.12)
    axes.tick_params(length=0)
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    axes.set_xlabel("pairs a second")


def _rates(subject: SubjectFigures) -> list[tuple[str, float]]:
    found = []
    for case in subject.cases:
        if case.pairs_per_second:
            how = "stream" if case.kind == "stream" else f"{case.callers} at a time"
            found.append((f"{case.documents}, {how}", case.pairs_per_second))
    return found


def _coloured(subjects: Sequence[SubjectFigures]) -> list[tuple[SubjectFigures, str]]:
    return [(subject, _COLOURS[number % len(_COLOURS)]) for number, subject in enumerate(subjects)]


def _title(report: Report) -> str:
    machine = report.machine
    host = ", ".join(filter(None, (machine.cpu, f"{machine.cores} cores")))
    return f"rerankd bench {machine.versions.get('rerankd', '')} on {host}"
