"""Queries with their candidates and what is known of them: what every evaluation starts from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rerankd.core.errors import InvalidRequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedQuery:
    """One query, its candidates in the first stage's order, and the judgments of its documents."""

    id: str
    query: str
    document_ids: Sequence[str]
    texts: Sequence[str]
    first_stage: Sequence[float]
    """Score of each candidate, falling."""
    judgments: Mapping[str, float]
    """Document -> grade; above 0 = relevant. Documents that are no candidates count as well."""

    @property
    def relevant(self) -> int:
        """How many documents are judged relevant."""
        return sum(grade > 0 for grade in self.judgments.values())


class FirstStage(Protocol):
    """What finds candidates."""

    @property
    def name(self) -> str:
        """For reports: `bm25`."""

    def search(self, queries: Sequence[str], depth: int) -> list[list[tuple[str, float]]]:
        """For each query at most `depth` ids of documents with their scores, best first."""


class JudgedCorpus(Protocol):
    """A corpus as evaluation sees it."""

    @property
    def id(self) -> str:
        """Its name."""

    def text_of(self, document_id: str) -> str:
        """Title and text of a document."""

    def queries(self) -> Mapping[str, str]:
        """Query id -> query."""

    def qrels(self, split: str) -> Mapping[str, Mapping[str, float]]:
        """Query id -> document id -> grade, of one split."""

    def first_stage(self) -> FirstStage:
        """Its index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedQueries:
    """The queries of a split that can be evaluated."""

    queries: tuple[JudgedQuery, ...]
    skipped: int
    """Queries of the split without a document judged relevant, or without a text."""


def judged_queries(
    corpus: JudgedCorpus, split: str, *, depth: int, max_queries: int = 0, seed: int = 13
) -> JudgedQueries:
    """The queries of a split with their candidates, in the order of their ids.

    `max_queries`: a sample of so many, the same for the same seed; 0 = all.

    Raises:
        InvalidRequestError: No query of the split can be evaluated.
    """
    texts, qrels = corpus.queries(), corpus.qrels(split)
    usable = sorted(_usable(texts, qrels))
    if not usable:
        raise InvalidRequestError(
            f"corpus {corpus.id} has no query with a relevant document in split {split}; "
            "add judgments, or choose another split",
            field="split",
            metadata={"corpus": corpus.id, "split": split},
        )
    chosen = usable
    if 0 < max_queries < len(usable):
        chosen = sorted(np.random.default_rng(seed).choice(usable, max_queries, replace=False).tolist())
    found = corpus.first_stage().search([texts[query_id] for query_id in chosen], depth)
    return JudgedQueries(
        queries=tuple(
            JudgedQuery(
                id=query_id,
                query=texts[query_id],
                document_ids=[document_id for document_id, _ in candidates],
                texts=[corpus.text_of(document_id) for document_id, _ in candidates],
                first_stage=[score for _, score in candidates],
                judgments=qrels[query_id],
            )
            for query_id, candidates in zip(chosen, found, strict=True)
        ),
        skipped=len(qrels) - len(usable),
    )


def _usable(texts: Mapping[str, str], qrels: Mapping[str, Mapping[str, float]]) -> Iterable[str]:
    for query_id, judgments in qrels.items():
        if texts.get(query_id, "").strip() and any(grade > 0 for grade in judgments.values()):
            yield query_id
