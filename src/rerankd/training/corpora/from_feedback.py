"""Corpora out of the feedback log: what was shown, asked and chosen."""

from __future__ import annotations

from collections.abc import Iterator

from rerankd.config.training import MiningConfig
from rerankd.training.corpora.records import CorpusDocument, CorpusQuery, Judgment, invalid
from rerankd.training.corpora.tables import id_of_text
from rerankd.training.feedback.evidence import evidence_of, queries_in, texts_in
from rerankd.training.feedback.queries import same_query
from rerankd.training.feedback.reader import FeedbackReader

_CLICKED = 1
_RATED_GOOD = 2
"""What somebody took the trouble to praise is more certain than what somebody opened."""


class FeedbackSource:
    """The documents, queries and judgments that the log has about a corpus."""

    def __init__(self, feedback: FeedbackReader, corpus_id: str, config: MiningConfig) -> None:
        self._feedback = feedback
        self._corpus_id = corpus_id
        self._config = config

    def documents(self) -> Iterator[CorpusDocument]:
        """Raises InvalidRequestError where the log has no texts, because it has nothing or is hashed."""
        texts = texts_in(self._feedback.events(self._corpus_id))
        if not texts:
            raise invalid(
                "corpus_id",
                f"the feedback log has no document texts of {self._corpus_id!r}; it keeps them only with "
                "training.feedback.text = plain, and where shown events bring them",
            )
        for document_id, text in texts.items():
            yield CorpusDocument(id=document_id, text=text)

    def queries(self) -> Iterator[CorpusQuery]:
        """Each query once, as it was asked last."""
        for text in queries_in(self._feedback.events(self._corpus_id)):
            yield CorpusQuery(id=_id_of(text), text=text)

    def judgments(self) -> Iterator[Judgment]:
        """2 = rated good, 1 = clicked, 0 = rated bad. All train; dev and test are derived from them."""
        evidence = evidence_of(lambda: self._feedback.events(self._corpus_id), self._config)
        for found in evidence.queries:
            if found.hashed:
                continue
            scores = {d: _RATED_GOOD if p.rated else _CLICKED for d, p in found.positives.items()}
            for document_id, score in (scores | dict.fromkeys(found.rated_bad, 0)).items():
                yield Judgment(
                    split="train", query_id=_id_of(found.query), document_id=document_id, score=score
                )


def _id_of(query: str) -> str:
    return id_of_text("q", same_query(query))
