"""Which queries a model helps and which it harms."""

from __future__ import annotations

from dataclasses import dataclass

from rerankd.training.evaluation.report import EvaluationReport
from rerankd.training.evaluation.systems import SAME


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryChange:
    """What became of one query."""

    id: str
    text: str
    before: float
    after: float

    @property
    def delta(self) -> float:
        """Above 0 = better."""
        return self.after - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The queries that changed most, the largest change first."""

    improved: tuple[QueryChange, ...]
    harmed: tuple[QueryChange, ...]


def changes(
    report: EvaluationReport, system: str, *, over: str = "", metric: str = "ndcg@10", count: int = 10
) -> Changes:
    """The most improved and the most harmed queries of a system.

    `over`: the system that it is compared with; empty = the first stage.
    """
    before = report.system(over or report.first_stage).values[metric]
    after = report.system(system).values[metric]
    found = [
        QueryChange(id=query.id, text=query.text, before=old, after=new)
        for query, old, new in zip(report.queries, before, after, strict=True)
    ]
    found.sort(key=lambda change: change.delta)
    return Changes(
        improved=tuple(change for change in reversed(found) if change.delta > SAME)[:count],
        harmed=tuple(change for change in found if change.delta < -SAME)[:count],
    )
