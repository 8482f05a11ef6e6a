"""What an evaluation found out, in numbers that can be stored and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from rerankd.core.errors import InvalidRequestError

FORMAT = 1
"""Raised when a stored report can no longer be read as it was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over queries, with the interval that resampling the queries gives."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """How much one ranking of the same queries is better than another, query by query."""

    mean: float
    low: float
    high: float
    p_value: float
    """Two-sided, of the paired randomisation test: how often chance alone gives a mean this far from 0."""
    wins: int
    losses: int
    ties: int


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One way to rank the candidates of every query."""

    name: str
    scorer: str = ""
    """Name of the scorer; empty for the first stage itself."""
    original_score_weight: float = 0.0
    """Share of the first stage's score, as the request option of that name; 0 = the model alone."""
    metrics: Mapping[str, Estimate]
    values: Mapping[str, tuple[float, ...]]
    """Metric -> its value for each query, in the order of `EvaluationReport.queries`."""
    gains: Mapping[str, Mapping[str, Gain]]
    """Name of another system -> metric -> gain over it. Each system tells of the first stage, and each but
    the first scorer's of the first scorer's in the same blend."""
    refused_queries: int = 0
    """Queries that the model cannot read (too long for a pair); they keep the first stage's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedQuery:
    """A query that was evaluated."""

    id: str
    text: str
    candidates: int
    relevant: int
    """Documents judged relevant, whether they are among the candidates or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport:
    """An evaluation of one or several models on the judged queries of one corpus."""

    corpus_id: str
    split: str
    first_stage: str
    """Name of the system that ranked first, which is the first of `systems`."""
    depth: int
    """Documents of the first stage that were reranked."""
    max_tokens: int
    confidence: float
    bootstrap_samples: int
    permutations: int
    seed: int
    queries: tuple[EvaluatedQuery, ...]
    skipped_queries: int
    """Queries of the split without a document judged relevant: nothing can be gained or lost there."""
    systems: tuple[System, ...]
    seconds: float
    format: int = FORMAT

    def system(self, name: str) -> System:
        """A system by its name; raises KeyError for one that was not evaluated."""
        for system in self.systems:
            if system.name == name:
                return system
        raise KeyError(name)

    def model(self, scorer: str, original_score_weight: float = 0.0) -> System:
        """The system of a scorer, alone or in a blend; raises KeyError for one that was not evaluated."""
        for system in self.systems:
            if system.scorer == scorer and system.original_score_weight == original_score_weight:
                return system
        raise KeyError(scorer)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusGain:
    """One corpus in a summary."""

    corpus_id: str
    queries: int
    before: Estimate
    after: Estimate
    gain: Gain


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The mean gain over several corpora; each counts the same, however many queries it has."""

    metric: str
    system: str
    over: str
    """Name of the system that it is compared with."""
    corpora: tuple[CorpusGain, ...]
    mean: float
    low: float
    high: float
    """Interval for these corpora: the queries of each are drawn anew."""
    low_new_corpora: float
    high_new_corpora: float
    """Interval for corpora like these: the corpora are drawn anew as well. Wide, as they are few."""
    p_value: float
    """Two-sided, of the randomisation test that flips the sign of each query's gain."""


Report = TypeVar("Report", EvaluationReport, Summary)


def to_json(report: EvaluationReport | Summary) -> dict[str, object]:
    """A report as JSON values."""
    return asdict(report)


def from_json(kind: type[Report], value: object) -> Report:
    """A report that `to_json` wrote.

    Raises:
        InvalidRequestError: It is none, or of another format.
    """
    try:
        report: Report = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidRequestError(f"not a report of an evaluation: {where}: {first['msg']}") from error
    if isinstance(report, EvaluationReport) and report.format != FORMAT:
        raise InvalidRequestError(f"the report has format {report.format}; {FORMAT} is read here")
    return report
