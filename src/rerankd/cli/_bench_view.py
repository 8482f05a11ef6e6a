"""A benchmark for people: tables, and settings to paste; for scripts: lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from rerankd.benchmarking.report import CaseFigures, Report, SubjectFigures
from rerankd.cli._output import console, print_lines

NOTHING = "-"


def print_tables(report: Report) -> None:
    """What was measured, what fits, what to set."""
    out = console()
    out.print(Text(_host(report), style="bold"))
    out.print(Text(_texts(report), style="dim"))
    out.print()
    measured = [subject for subject in report.subjects if subject.best_pairs_per_second]
    for table in (_loads(measured), _calls(measured), _room(measured)) if measured else ():
        out.print(table)
        out.print()
    if report.lane_trials:
        out.print(_calls(report.lane_trials, lanes=True))
        out.print()
    for note in _notes(report):
        out.print(Text(note, style="yellow"))
    for found in report.recommendations:
        out.print(Text(f"Recommended for {found.model} on this host", style="bold"))
        for reason in found.reasons:
            out.print(Text(f"  {reason}", style="dim"))
        out.print()
        out.print(Text(found.toml))


def print_plainly(report: Report) -> None:
    """The same as lines, whose first cell says what they are; `-` stands for what is not known."""
    print_lines(_rows(report))


def _host(report: Report) -> str:
    machine = report.machine
    parts = (machine.cpu, f"{machine.cores} cores", f"{machine.memory_mib:,} MiB", machine.system)
    return f"rerankd {machine.versions['rerankd']} on " + ", ".join(part for part in parts if part)


def _texts(report: Report) -> str:
    text = report.text
    made = "made texts, as long as web passages" if text.source == "generated" else "your own data"
    took = f"{report.seconds:.0f} s" + ("" if report.complete else ", interrupted: figures are rougher")
    return f"{text.documents:,} documents, {text.queries:,} queries: {made}; {took}"


def _loads(subjects: Sequence[SubjectFigures]) -> Table:
    titles = ("model", "runs on", "lanes", "batch tokens", "loaded in", "memory", "best")
    table = _table(titles, left=2)
    for subject in subjects:
        facts = subject.facts
        table.add_row(
            subject.name,
            facts.provider.removesuffix("ExecutionProvider") or NOTHING,
            str(facts.lanes or NOTHING),
            str(facts.batch_tokens or NOTHING),
            _unit(facts.load_seconds, "s", 1),
            _unit(facts.memory_mib, "MiB"),
            _unit(subject.best_pairs_per_second, "pairs/s"),
        )
    return table


def _calls(subjects: Sequence[SubjectFigures], *, lanes: bool = False) -> Table:
    titles = (
        "",
        "documents",
        "callers",
        "calls",
        "pairs/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "padding",
        "1st score",
    )
    table = _table(titles, left=1)
    for subject in subjects:
        count = subject.facts.lanes
        name = f"{subject.name}, {count} lane{'s' * (count != 1)}" if lanes else subject.name
        for case in subject.cases:
            table.add_row(
                name,
                *_what(case),
                str(case.calls),
                _unit(case.pairs_per_second),
                *(_ms(value) for value in (case.p50_ms, case.p95_ms, case.p99_ms)),
                NOTHING if case.padding_share is None else f"{case.padding_share:.1%}",
                _ms(case.first_score_p50_ms),
            )
            name = ""
    return table


def _room(subjects: Sequence[SubjectFigures]) -> Table:
    budgets = sorted({room.budget_ms for subject in subjects for room in subject.room})
    titles = (
        "candidates: usual, for p99",
        "fixed",
        "a document",
        "off by",
        "p99 is",
        *(f"{b:g} ms" for b in budgets),
    )
    table = _table(titles, left=1)
    for subject in subjects:
        fit = subject.fit
        if fit is None:
            continue
        table.add_row(
            subject.name,
            _unit(1000 * fit.fixed_seconds, "ms", 1),
            _unit(1000 * fit.token_seconds * fit.tokens_per_document, "ms", 2),
            f"{fit.residual:.0%}",
            f"x{fit.margin_p99:.2f}",
            *(
                f"{room.candidates:,}{'*' if room.extrapolated else ''}, {room.candidates_p99:,}"
                for room in subject.room
            ),
        )
    return table


def _notes(report: Report) -> Iterator[str]:
    if any(room.extrapolated for subject in report.subjects for room in subject.room):
        yield "* more than the largest call that was measured"
    for subject in report.subjects:
        missing: dict[str, list[str]] = {}
        for case in subject.cases:
            if case.left_out:
                missing.setdefault(case.left_out, []).append(_sentence(case))
        for why, cases in missing.items():
            yield f"{subject.name}: {why}: {', '.join(cases)}"
    for close in report.closeness:
        yield (
            f"{close.subject}: {close.top10_overlap:.0%} of the first ten documents are those of "
            f"{close.compared_with}, scores are off by {close.mean_drift:.4f} on the average and "
            f"{close.max_drift:.4f} at most ({close.requests} queries)"
        )
    yield from report.notes


def _rows(report: Report) -> Iterator[tuple[object, ...]]:
    yield "host", _host(report)
    yield "text", report.text.source, report.text.documents, report.text.queries
    for subject in (*report.subjects, *report.lane_trials):
        name = subject.name if subject in report.subjects else f"{subject.name} lanes={subject.facts.lanes}"
        for case in subject.cases:
            figures = (case.pairs_per_second, case.p50_ms, case.p95_ms, case.p99_ms, case.padding_share)
            shown = (_plain(value) for value in (*figures, case.first_score_p50_ms))
            yield (
                "calls",
                name,
                case.kind,
                case.documents,
                case.callers,
                case.calls,
                *shown,
                case.left_out or NOTHING,
            )
        if subject.fit is not None:
            fit = subject.fit
            parts = (
                fit.fixed_seconds,
                fit.token_seconds,
                fit.tokens_per_document,
                fit.residual,
                fit.margin_p99,
            )
            yield "fit", name, *(_plain(value) for value in parts)
        for room in subject.room:
            yield "candidates", name, f"{room.budget_ms:g}", room.candidates, room.candidates_p99
    for close in report.closeness:
        yield (
            "closeness",
            close.subject,
            _plain(close.top10_overlap),
            _plain(close.mean_drift),
            _plain(close.max_drift),
        )
    for found in report.recommendations:
        yield "setting", found.model, "onnx.precision", found.precision
        yield "setting", found.model, "onnx.lanes", found.lanes
        yield "setting", found.model, "onnx.batch_tokens", found.batch_tokens
    for note in report.notes:
        yield "note", note


def _table(titles: tuple[str, ...], *, left: int) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    for number, title in enumerate(titles):
        table.add_column(title, justify="left" if number < left else "right", no_wrap=True)
    return table


def _what(case: CaseFigures) -> tuple[str, str]:
    return str(case.documents), "stream" if case.kind == "stream" else str(case.callers)


def _sentence(case: CaseFigures) -> str:
    callers = (
        "a stream" if case.kind == "stream" else f"{case.callers} callers" if case.callers > 1 else "one call"
    )
    return f"{callers} of {case.documents} documents"


def _unit(value: float | None, unit: str = "", digits: int = 0) -> str:
    return NOTHING if value is None else f"{value:,.{digits}f} {unit}".strip()


def _ms(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _plain(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4g}"
