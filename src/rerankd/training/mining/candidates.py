"""Candidates for negatives: BM25's ranking in its whole depth, the model's, and the corpus at random.

sentence-transformers' `mine_hard_negatives` has the same ideas and does not fit: it ranks by the embeddings
of a bi-encoder that it has to be given, knows neither BM25 nor a ranking from elsewhere, and takes positives
as texts, so that judged and skipped documents, graded labels and click weights could not be told to it.

Negatives from the head of BM25 alone teach that shared words mean "not relevant"; drawn over the whole depth,
with some of the whole corpus, they do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rerankd.config.training import MiningConfig
from rerankd.core.errors import NonFiniteScoreError
from rerankd.training.corpora import Bm25Index, Corpus
from rerankd.training.mining.positives import WantedQuery
from rerankd.training.types import Scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """All documents that a query's groups may be made of, scored."""

    bm25: tuple[str, ...]
    """Drawn over the ranks of BM25; the model's negatives are the highest scored of them."""
    random: tuple[str, ...]
    judged: tuple[str, ...]
    skipped: tuple[str, ...]
    texts: Mapping[str, str]
    teachers: Mapping[str, Mapping[str, float]]
    """Scores by teacher and document."""

    @property
    def logits(self) -> Mapping[str, float]:
        """The model's scores; empty where no model scored."""
        return self.teachers.get("model", {})


class CandidateSource:
    """Finds and scores the candidates of a query."""

    def __init__(
        self,
        corpus: Corpus,
        scorer: Scorer | None,
        config: MiningConfig,
        told_texts: Mapping[str, str],
    ) -> None:
        self._corpus = corpus
        self._index = Bm25Index.of(corpus)
        self._scorer = scorer
        self._config = config
        self._told_texts = told_texts

    def of(self, query: WantedQuery, relevant: Set[str], rng: np.random.Generator) -> Candidates:
        """The candidates of a query, none of them relevant as far as anybody knows."""
        judged = self._known(query.judged, relevant)
        skipped = self._known(query.skipped, relevant)
        taken = {*relevant, *judged, *skipped}
        ranked = [i for i in self._index.search(query.text, self._config.depth).ids if i not in taken]
        ranked = _drawn(ranked, self._room(len(query.positives)), rng)
        taken.update(ranked)
        random = self._at_random(len(query.positives), taken, rng)
        ids = list(dict.fromkeys((*(p.id for p in query.positives), *judged, *skipped, *ranked, *random)))
        texts = self._texts(ids)
        return Candidates(
            bm25=tuple(i for i in ranked if texts.get(i)),
            random=tuple(i for i in random if texts.get(i)),
            judged=tuple(i for i in judged if texts.get(i)),
            skipped=tuple(i for i in skipped if texts.get(i)),
            texts=texts,
            teachers=self._teachers(query.text, texts),
        )

    def _room(self, positives: int) -> int:
        room = self._config.model_candidates
        return (
            room if self._scorer is not None else max(room, self._config.negatives_per_positive * positives)
        )

    def _known(self, ids: tuple[str, ...], relevant: Set[str]) -> list[str]:
        return [document for document in ids if document not in relevant]

    def _at_random(self, positives: int, taken: Set[str], rng: np.random.Generator) -> list[str]:
        wanted = self._config.random_negatives * positives
        everything = self._corpus.document_ids()
        # Some more, for those that are taken or that a guard refuses.
        places = rng.integers(len(everything), size=2 * wanted + 2 if wanted else 0)
        found = dict.fromkeys(everything[place] for place in places)
        return [document for document in found if document not in taken]

    def _texts(self, ids: list[str]) -> Mapping[str, str]:
        documents = self._corpus.documents_by_id(ids)
        texts = {i: documents[i].content if i in documents else self._told_texts.get(i, "") for i in ids}
        return {document: text for document, text in texts.items() if text}

    def _teachers(self, query: str, texts: Mapping[str, str]) -> dict[str, dict[str, float]]:
        # A document from the log alone has no score of BM25, and a made-up 0 would mislead.
        indexed = [i for i in texts if self._corpus.table.place_of(i) is not None]
        teachers = {"bm25": _by_id(indexed, self._index.scores(query, indexed))}
        if self._scorer is not None:
            teachers["model"] = _by_id(list(texts), self._logits(self._scorer, query, list(texts.values())))
        return teachers

    def _logits(self, scorer: Scorer, query: str, texts: list[str]) -> npt.NDArray[np.float64]:
        logits = scorer.score(query, texts)
        if not np.isfinite(logits).all():
            raise NonFiniteScoreError(f"model {scorer.name} gave NaN or infinity while mining")
        return logits


def _by_id(ids: list[str], scores: npt.NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(ids, scores.tolist(), strict=True))


def _drawn(ids: list[str], count: int, rng: np.random.Generator) -> list[str]:
    if len(ids) <= count:
        return ids
    return [ids[place] for place in sorted(rng.choice(len(ids), size=count, replace=False))]
