"""Words that the rooms of the learning reranker share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt


class FeedbackKind(StrEnum):
    """What a feedback event tells."""

    SHOWN = "shown"
    CLICKED = "clicked"
    RATED = "rated"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDocument:
    """A document as a user saw it."""

    id: str
    text: str = ""
    """Empty where only the id is told; the corpus then has the text."""
    rank: int = 0
    """Place in the list, from 1; 0 = not known."""
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackEvent:
    """One thing that happened to the results of one request."""

    id: str
    """Given by the caller or made here; the same id again is not counted twice."""
    time: float
    """Seconds since the epoch."""
    kind: FeedbackKind
    request_id: str
    """The `x-request-id` of the call whose results were shown; joins clicks and ratings to what was shown."""
    corpus_id: str
    query: str = ""
    """Needed on SHOWN; clicks and ratings find it by the request id."""
    shown: tuple[ShownDocument, ...] = ()
    """SHOWN: the whole list, in the order of the screen."""
    document: ShownDocument | None = None
    """CLICKED, RATED: which one."""
    rating: float | None = None
    """RATED: 0 (bad) to 1 (best)."""
    hashed: bool = False
    """The log keeps no texts: `query` is a digest (`FeedbackReader.query_digest`), texts are empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDocument:
    """A candidate of a training group."""

    id: str
    text: str
    label: float
    """0 = not relevant, 1 = relevant; in between for graded judgments and ratings."""
    teachers: Mapping[str, float] = field(default_factory=dict)
    """Scores of teachers, by the teacher's name (`bm25`, `model`); not normalised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingGroup:
    """A query with at least one positive and one negative: (query, positive, negative) triplets in one line.

    In groups.jsonl one JSON object a line: query_id, query, documents[{id, text, label, teachers}], weight,
    source.
    """

    query_id: str
    query: str
    documents: tuple[GroupDocument, ...]
    weight: float = 1.0
    source: str = ""
    """`feedback` or `qrels`."""

    @property
    def triplets(self) -> int:
        """Pairs of a document with a higher label and one with label 0."""
        positives = sum(document.label > 0 for document in self.documents)
        return positives * (len(self.documents) - positives)


class Scorer(Protocol):
    """A model as mining and evaluation see it: offline, blocking, not on the event loop."""

    @property
    def name(self) -> str:
        """Id and revision, for reports."""

    def score(self, query: str, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Logits, one for each text, higher is better."""


class RunStatus(StrEnum):
    """Where a training run is."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLED = "cancelled"
    FAILED = "failed"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What came of a run, in its primary metric on the dev queries."""

    best: float
    final: float
    best_step: int
    seconds_to_best: float
    stability: float
    """Standard deviation over the last evaluations, at most five."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """A training run, as it is told to callers."""

    id: str
    corpus_id: str
    status: RunStatus
    created: float
    """Seconds since the epoch, like the others."""
    started: float | None = None
    ended: float | None = None
    settings: Mapping[str, object]
    """The section `training.run` as it was when the run was made."""
    primary_metric: str
    primary_k: int
    progress: float = 0.0
    """Fraction of the steps that are done."""
    summary: RunSummary | None = None
    error: str = ""
    base_revision: str = ""
    """Revision of the model that was fine-tuned."""
    dataset: Mapping[str, object] = field(default_factory=dict)
    """Profile of the groups: queries, documents, triplets, average and p95 of positives a query, label
    kind."""


class RunEventType(StrEnum):
    """Kinds of events of a run."""

    STATE = "state"
    PROGRESS = "progress"
    METRICS = "metrics"
    LOG = "log"
    ERROR = "error"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """One line of a run's events.jsonl; streams replay them from any sequence number."""

    sequence: int
    """From 1, without gaps."""
    time: float
    type: RunEventType
    step: int = 0
    epoch: float = 0.0
    percent: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    """`ndcg@10`, `mrr@10`, ..., `loss`, `learning_rate`, `grad_norm`, `step_seconds`, `pairs_per_second`."""
    message: str = ""
