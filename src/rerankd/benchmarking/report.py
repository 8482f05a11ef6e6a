"""What a benchmark found, as its JSON says it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rerankd.benchmarking.fit import Fit, fit, percentile
from rerankd.benchmarking.machine import Machine
from rerankd.benchmarking.measure import Cell
from rerankd.benchmarking.subject import Facts

SCHEMA_VERSION = 1
"""Grows when a field goes or changes its meaning; new fields leave it as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFigures:
    """One kind of call on one subject."""

    kind: Literal["unary", "stream"]
    documents: int
    callers: int
    calls: int
    """0 = not measured, and `left_out` says why."""
    pairs_per_second: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    """Of less than a hundred calls the slowest one."""
    padding_share: float | None = None
    """Of the tokens in micro-batches; None = not known, as of a server."""
    first_score_p50_ms: float | None = None
    """Of streams."""
    left_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many documents a call of a lone caller may have, for a latency budget."""

    budget_ms: float
    candidates: int
    """If it takes its usual time."""
    candidates_p99: int
    """If it takes `fit.margin_p99` times that."""
    extrapolated: bool
    """Whether that is more than was measured in one call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFigures:
    """All that was measured of a model with its settings."""

    name: str
    facts: Facts
    best_pairs_per_second: float
    """Of the kind of call that had most; 0 = nothing was measured."""
    cases: Sequence[CaseFigures]
    fit: Fit | None
    """Of the unary calls of a lone caller: seconds = fixed + token x tokens."""
    room: Sequence[Room]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closeness:
    """How near a subject's scores are to those of its model's first precision, on the caller's own data."""

    subject: str
    compared_with: str
    requests: int
    top10_overlap: float
    mean_drift: float
    """Of a score between 0 and 1."""
    max_drift: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """Settings for one model on this host."""

    model: str
    precision: str
    lanes: int
    batch_tokens: int
    reasons: Sequence[str]
    toml: str
    """For the file that `rerankd serve --config` reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFacts:
    """What was ranked."""

    source: Literal["generated", "own"]
    queries: int
    documents: int
    """Different ones that calls are made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it."""

    schema_version: int
    date: str
    """ISO 8601, in UTC."""
    complete: bool
    """False where it was interrupted."""
    seconds: float
    """What it took, loading included."""
    machine: Machine
    text: TextFacts
    subjects: Sequence[SubjectFigures]
    lane_trials: Sequence[SubjectFigures] = ()
    """Other numbers of lanes that the recommended precision was tried with, and the first one again."""
    closeness: Sequence[Closeness] = ()
    recommendations: Sequence[Recommendation] = ()
    notes: Sequence[str] = ()
    """What was not even tried, and why."""
    failures: Sequence[str] = ()
    """What could not be measured, and why."""

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`, with four significant digits: more would be noise."""
        content: dict[str, Any] = rounded(dataclasses.asdict(self))
        return content


def figures_of(cells: Sequence[Cell], budgets_ms: Sequence[float]) -> list[SubjectFigures]:
    """The figures of each subject, in the order in which they come."""
    by_subject: dict[int, list[Cell]] = {}
    for cell in cells:
        by_subject.setdefault(id(cell.subject), []).append(cell)
    return [_subject(own, budgets_ms) for own in by_subject.values()]


def _subject(cells: Sequence[Cell], budgets_ms: Sequence[float]) -> SubjectFigures:
    facts = cells[0].subject.facts
    alone = [
        call for cell in cells if cell.case.kind == "unary" and cell.case.callers == 1 for call in cell.calls
    ]
    line = fit(alone)
    return SubjectFigures(
        name=facts.name,
        facts=facts,
        best_pairs_per_second=max(cell.pairs_per_second for cell in cells),
        cases=[_case(cell) for cell in cells],
        fit=line,
        room=[room(line, budget) for budget in budgets_ms] if line is not None else [],
    )


def room(line: Fit, budget_ms: float) -> Room:
    """How many candidates fit into so many milliseconds."""
    candidates = line.candidates(budget_ms / 1000)
    return Room(
        budget_ms=budget_ms,
        candidates=candidates,
        candidates_p99=line.candidates(budget_ms / 1000, margin=line.margin_p99),
        extrapolated=candidates > line.most_documents,
    )


def _case(cell: Cell) -> CaseFigures:
    case, calls = cell.case, cell.calls
    empty = CaseFigures(kind=case.kind, documents=case.documents, callers=case.callers, calls=len(calls))
    if not calls:
        return dataclasses.replace(empty, left_out=cell.left_out or "there was no time left")
    p50, p95, p99 = (
        1000 * percentile([call.seconds for call in calls], share) for share in (0.5, 0.95, 0.99)
    )
    first = [call.first_score_seconds for call in calls if call.first_score_seconds is not None]
    return dataclasses.replace(
        empty,
        pairs_per_second=cell.pairs_per_second or None,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        padding_share=cell.padding_share,
        first_score_p50_ms=1000 * percentile(first, 0.5) if first else None,
        left_out=cell.left_out,
    )


def rounded(value: Any) -> Any:
    """The same with four significant digits: more would be noise."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value
