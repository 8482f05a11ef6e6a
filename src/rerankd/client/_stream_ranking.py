"""The ranking of a stream, made from its score chunks and from the documents as they were sent."""

from __future__ import annotations

import heapq
import math
from array import array
from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from rerankd.v1 import rerank_service_pb2 as pb

Entry = tuple[int, pb.Document]
"""A document under its index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a score chunk says about one document."""

    score: float
    logit: float | None
    """None where the model tells none."""
    dropped_tokens: int
    passage: pb.Passage | None

    @property
    def order(self) -> tuple[float, float]:
        """Higher is better; the logit orders scores that a sigmoid rounded to the same number."""
        return (self.score, self.score if self.logit is None else self.logit)


class Collector(Protocol):
    """Takes documents and scores in any order, and gives the ranking so far."""

    def read(self, index: int, document: pb.Document) -> None:
        """Notes a document when it is read, before anything else is known of it."""

    def scored(self, index: int, document: pb.Document, score: Score) -> bool:
        """Notes a score; says whether the ranking may have changed."""

    def left_unscored(self, index: int, document: pb.Document) -> None:
        """Notes that a document will have no score."""

    def best(self) -> list[pb.RerankResult]:
        """What is scored so far, best first."""

    def ranking(self) -> list[pb.RerankResult]:
        """Best first, then the unscored ones in the order of their indexes."""

    def original_order(self) -> list[pb.RerankResult]:
        """Every document that was read, unscored."""


def collector(options: pb.RerankOptions) -> Collector:
    """The best `top_n`, or everything where the caller set no `top_n`."""
    return BestResults(options) if options.top_n > 0 else AllResults(options)


def score_rows(chunk: pb.ScoreChunk) -> Iterator[tuple[int, Score]]:
    """The rows of a score chunk by document; columns that the server left out have their default."""
    nothing: Sequence[None] = [None] * len(chunk.index)
    columns = zip(
        chunk.index,
        chunk.score,
        chunk.logit or nothing,
        chunk.dropped_tokens or nothing,
        chunk.passages or nothing,
        strict=True,
    )
    for index, score, logit, dropped, passage in columns:
        yield index, Score(score=score, logit=logit, dropped_tokens=dropped or 0, passage=passage)


class BestResults:
    """Remembers the best `top_n` results: memory does not grow with the documents."""

    def __init__(self, options: pb.RerankOptions) -> None:
        self._options = options
        self._heap: list[tuple[tuple[float, float], int, pb.RerankResult]] = []
        self._first: list[pb.RerankResult] = []
        self._unscored: list[pb.RerankResult] = []

    def read(self, index: int, document: pb.Document) -> None:
        """The beginning is remembered, because the server may leave everything in the original order."""
        if len(self._first) < self._options.top_n:
            self._first.append(_result(index, document, self._options))

    def scored(self, index: int, document: pb.Document, score: Score) -> bool:
        """Keeps the result if it is among the best so far."""
        if len(self._heap) < self._options.top_n:
            heapq.heappush(self._heap, (score.order, -index, _result(index, document, self._options, score)))
            return True
        if (score.order, -index) < self._heap[0][:2]:
            return False
        heapq.heapreplace(self._heap, (score.order, -index, _result(index, document, self._options, score)))
        return True

    def left_unscored(self, index: int, document: pb.Document) -> None:
        """Keeps the first `top_n` of them, which may come in any order."""
        if len(self._unscored) < self._options.top_n or index < self._unscored[-1].index:
            insort(self._unscored, _result(index, document, self._options), key=lambda result: result.index)
            del self._unscored[self._options.top_n :]

    def best(self) -> list[pb.RerankResult]:
        """The best, those below `min_score` left out."""
        best = (entry[2] for entry in sorted(self._heap, reverse=True))
        if self._options.HasField("min_score"):
            return _numbered(result for result in best if result.score >= self._options.min_score)
        return _numbered(best)

    def ranking(self) -> list[pb.RerankResult]:
        """Best first; unscored documents fill what the scored ones leave free."""
        best = self.best()
        if self._options.HasField("min_score"):
            return best
        return _numbered([*best, *self._unscored[: self._options.top_n - len(best)]])

    def original_order(self) -> list[pb.RerankResult]:
        """The first `top_n` documents."""
        return _numbered(self._first)


class AllResults:
    """Remembers every result by column: some 20 bytes and the id for each document.

    Documents are kept only where the caller wants them back.
    """

    def __init__(self, options: pb.RerankOptions) -> None:
        self._options = options
        self._ids: list[str] = []
        self._scores = array("f")
        self._logits = array("f")
        self._is_scored = bytearray()
        self._originals: dict[int, float] = {}
        self._details: dict[int, Score] = {}
        """Of the few documents with dropped tokens or a passage."""
        self._documents: list[pb.Document] = []
        self._has_logits = True

    def read(self, index: int, document: pb.Document) -> None:
        """Documents are read in the order of their indexes, which have no gaps."""
        self._ids.append(document.id)
        self._scores.append(0.0)
        self._logits.append(0.0)
        self._is_scored.append(0)
        if document.HasField("original_score"):
            self._originals[index] = document.original_score
        if self._options.return_documents:
            self._documents.append(document)

    def scored(self, index: int, document: pb.Document, score: Score) -> bool:
        """Fills the document's row."""
        self._scores[index] = score.score
        self._logits[index] = score.score if score.logit is None else score.logit
        self._has_logits = score.logit is not None
        self._is_scored[index] = 1
        if score.dropped_tokens or score.passage is not None:
            self._details[index] = score
        return True

    def left_unscored(self, index: int, document: pb.Document) -> None:
        """Its row says so from the start."""

    def best(self) -> list[pb.RerankResult]:
        """Every document with a score."""
        least = self._options.min_score if self._options.HasField("min_score") else -math.inf
        scored = (index for index, is_scored in enumerate(self._is_scored) if is_scored)
        return self._ranked(index for index in scored if self._scores[index] >= least)

    def ranking(self) -> list[pb.RerankResult]:
        """Every document, those without a score after the others."""
        return self.best() if self._options.HasField("min_score") else self._ranked(range(len(self._ids)))

    def original_order(self) -> list[pb.RerankResult]:
        """Every document."""
        return _numbered(self._result(index, scored=False) for index in range(len(self._ids)))

    def _ranked(self, kept: Iterable[int]) -> list[pb.RerankResult]:
        return _numbered(self._result(index, scored=True) for index in sorted(kept, key=self._order))

    def _order(self, index: int) -> tuple[float, float, int]:
        if not self._is_scored[index]:
            return (math.inf, math.inf, index)
        return (-self._scores[index], -self._logits[index], index)

    def _result(self, index: int, *, scored: bool) -> pb.RerankResult:
        result = pb.RerankResult(index=index, id=self._ids[index])
        if index in self._originals:
            result.original_score = self._originals[index]
        if self._options.return_documents:
            result.document.CopyFrom(self._documents[index])
        if scored and self._is_scored[index]:
            detail = self._details.get(index)
            _fill(
                result,
                Score(
                    score=self._scores[index],
                    logit=self._logits[index] if self._has_logits else None,
                    dropped_tokens=detail.dropped_tokens if detail else 0,
                    passage=detail.passage if detail else None,
                ),
            )
        return result


def _result(
    index: int, document: pb.Document, options: pb.RerankOptions, score: Score | None = None
) -> pb.RerankResult:
    result = pb.RerankResult(index=index, id=document.id)
    if document.HasField("original_score"):
        result.original_score = document.original_score
    if options.return_documents:
        result.document.CopyFrom(document)
    if score is not None:
        _fill(result, score)
    return result


def _fill(result: pb.RerankResult, score: Score) -> None:
    result.scored = True
    result.score = score.score
    if score.logit is not None:
        result.logit = score.logit
    result.dropped_tokens = score.dropped_tokens
    if score.passage is not None:
        result.passage.CopyFrom(score.passage)


def _numbered(results: Iterable[pb.RerankResult]) -> list[pb.RerankResult]:
    numbered = list(results)
    for rank, result in enumerate(numbered, start=1):
        result.rank = rank
    return numbered
