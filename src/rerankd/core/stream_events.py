"""What goes into a stream and what comes out of it before its ranking."""

from __future__ import annotations

import enum
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from rerankd.core.types import Document, ModelRef, Options, Passage, Result


class Emit(enum.Enum):
    """What a stream sends before its summary."""

    SUMMARY_ONLY = "summary_only"
    SCORES = "scores"
    """Each micro-batch's scores as it finishes."""
    SNAPSHOTS = "snapshots"
    """The running top n whenever it changed, at most every interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """What a stream's first message says."""

    query: str
    options: Options = field(default_factory=Options)
    emit: Emit = Emit.SUMMARY_ONLY
    snapshot_interval_seconds: float = 0.25

    @property
    def wants_snapshots(self) -> bool:
        """Whether the running top n is sent."""
        return self.emit is Emit.SNAPSHOTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some documents of a stream, each under the index that results, scores and errors name it by."""

    indexes: Sequence[int]
    """As many as there are documents, ascending over the whole stream."""
    documents: Sequence[Document]

    def __len__(self) -> int:
        return len(self.documents)

    def part(self, start: int, stop: int | None = None) -> Chunk:
        """The documents from `start` up to `stop`."""
        return Chunk(indexes=self.indexes[start:stop], documents=self.documents[start:stop])


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Scores of documents whose micro-batch has finished, in no order, by column."""

    indexes: array[int]
    scores: array[float]
    logits: array[float]
    """Empty where the model tells none."""
    dropped_tokens: array[int]
    """Empty when nothing was dropped from any of the documents."""
    passages: Sequence[Passage]
    """Best passages; empty unless they were asked for."""
    model: ModelRef | None
    """Set in the first event of a stream only."""
    unscored: array[int]
    """Indexes of documents that will have no score in this stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The running top n."""

    results: Sequence[Result]
    received: int
    scored: int


StreamEvent = Scores | Snapshot


class ScoreBuffer:
    """Collects results until the next `Scores` is sent."""

    def __init__(self, model: ModelRef) -> None:
        self._model: ModelRef | None = model
        self._clear()

    def __len__(self) -> int:
        return len(self._indexes) + len(self._unscored)

    def add_unscored(self, index: int) -> None:
        """Takes a document that will have no score."""
        self._unscored.append(index)

    def add(self, result: Result) -> None:
        """Takes a scored result."""
        self._indexes.append(result.index)
        self._scores.append(result.score)
        if result.logit is not None:
            self._logits.append(result.logit)
        self._dropped_tokens.append(result.dropped_tokens)
        if result.passage is not None:
            self._passages.append(result.passage)

    def take(self) -> Scores:
        """What was collected since the last time."""
        taken = Scores(
            indexes=self._indexes,
            scores=self._scores,
            logits=self._logits,
            dropped_tokens=self._dropped_tokens if any(self._dropped_tokens) else array("q"),
            passages=self._passages,
            model=self._model,
            unscored=self._unscored,
        )
        self._model = None
        self._clear()
        return taken

    def _clear(self) -> None:
        self._indexes = array("q")
        self._unscored = array("q")
        self._scores = array("f")
        self._logits = array("f")
        self._dropped_tokens = array("q")
        self._passages: list[Passage] = []
