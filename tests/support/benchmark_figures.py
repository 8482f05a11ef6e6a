"""Figures as a benchmark would give them."""

from __future__ import annotations

from rerankd.benchmarking.fit import Call
from rerankd.benchmarking.machine import Machine
from rerankd.benchmarking.measure import Case, Cell
from rerankd.benchmarking.report import (
    SCHEMA_VERSION,
    CaseFigures,
    Report,
    SubjectFigures,
    TextFacts,
    figures_of,
)
from rerankd.benchmarking.subject import Facts, Packed

MACHINE = Machine(
    cpu="Test CPU", cores=2, memory_mib=2048, system="Linux", architecture="x86_64", versions={"rerankd": "9"}
)


class Still:
    """A subject that nobody calls."""

    most_documents = 1000
    packed = Packed(tokens=0, padded=0)

    def __init__(self, facts: Facts) -> None:
        self.facts = facts


def facts(precision: str = "fp32", lanes: int = 2, **more: str) -> Facts:
    return Facts(
        where="in-process",
        model="test/model",
        model_setting=more.get("model_setting", "test/model"),
        precision=precision,
        precision_setting=precision,
        provider="CPUExecutionProvider",
        lanes=lanes,
        batch_tokens=512,
        load_seconds=1.25,
        memory_mib=100.0,
    )


def subject(rates: dict[tuple[int, int], float], about: Facts | None = None) -> SubjectFigures:
    """A subject with these pairs a second by documents and callers."""
    cases = [
        CaseFigures(kind="unary", documents=documents, callers=callers, calls=10, pairs_per_second=rate)
        for (documents, callers), rate in rates.items()
    ]
    best = max(rates.values(), default=0.0)
    return SubjectFigures(
        name=(about or facts()).name,
        facts=about or facts(),
        best_pairs_per_second=best,
        cases=cases,
        fit=None,
        room=[],
    )


def measured_cells(about: Facts | None = None, pace: float = 0.001) -> list[Cell]:
    """Calls that take 2 ms and 1 ms a document, a crowd, a stream, and a case that was left out."""
    still = Still(about or facts())

    def cell(case: Case, count: int) -> Cell:
        took = 0.002 + pace * case.documents
        first = took / 10 if case.kind == "stream" else None
        call = Call(
            seconds=took, documents=case.documents, tokens=80 * case.documents, first_score_seconds=first
        )
        turns = [(case.documents * count, took * count)] if count else []
        return Cell(case=case, subject=still, calls=[call] * count, turns=turns, tokens=80, padded=100)

    left_out = cell(Case(documents=1000), 0)
    left_out.left_out = "a call would take about 9 s"
    return [
        cell(Case(documents=10), 30),
        cell(Case(documents=100), 5),
        cell(Case(documents=100, callers=4), 8),
        cell(Case(documents=200, kind="stream"), 2),
        left_out,
    ]


def report(**changes: object) -> Report:
    """One with two precisions."""
    cells = [*measured_cells(), *measured_cells(facts("int8"), 0.0005)]
    content: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "date": "2026-01-01T00:00:00+00:00",
        "complete": True,
        "seconds": 61.0,
        "machine": MACHINE,
        "text": TextFacts(source="generated", queries=200, documents=2000),
        "subjects": figures_of(cells, (50.0, 5000.0)),
    }
    return Report(**{**content, **changes})  # type: ignore[arg-type]
