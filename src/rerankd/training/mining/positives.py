"""Which documents are good for which queries, by judgments and by feedback. Queries that train alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rerankd.config.training import MiningConfig
from rerankd.training.corpora import Corpus, query_key
from rerankd.training.corpora.tables import id_of_text
from rerankd.training.feedback import FeedbackReader
from rerankd.training.feedback.evidence import Evidence, QueryEvidence, evidence_of, texts_in
from rerankd.training.feedback.queries import same_query


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPositive:
    """A document that a group is to be made for."""

    id: str
    label: float
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedQuery:
    """A query that groups are to be made of, with what is known of its documents."""

    id: str
    text: str
    source: str
    positives: tuple[WantedPositive, ...]
    judged: tuple[str, ...]
    """Not relevant by judgment or rating: certain negatives."""
    skipped: tuple[str, ...]
    """Passed over by users."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """All that groups are to be made of."""

    queries: Sequence[WantedQuery]
    relevant: Mapping[str, set[str]]
    """Documents by query key: no negatives of any query of this key, whatever the source."""
    told_texts: Mapping[str, str]
    """Texts from the log, by document id, of documents that the corpus does not have."""
    evidence: Evidence | None
    dropped: Counter[str]


@dataclass(slots=True)
class _Collecting:
    corpus: Corpus
    queries: list[WantedQuery] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    def trains(self, query: str) -> bool:
        split = self.corpus.split_of(query)
        if split != "train":
            self.dropped[f"query_of_{split}"] += 1
        return split == "train"


def wanted_of(corpus: Corpus, feedback: FeedbackReader | None, config: MiningConfig) -> Wanted:
    """What groups are to be made of, in an order that is always the same."""
    found = _Collecting(corpus)
    judged = list(_from_qrels(corpus))
    if "qrels" in config.sources:
        found.queries += judged
    evidence = None
    texts: Mapping[str, str] = {}
    if "feedback" in config.sources and feedback is not None:
        evidence = evidence_of(lambda: feedback.events(corpus.id), config)
        found.queries += _from_feedback(found, feedback, evidence.queries)
        texts = _texts_beside(corpus, feedback, found.queries)
    relevant: dict[str, set[str]] = {}
    # Judgments protect from false negatives also where they are no source of positives.
    for query in (*judged, *found.queries):
        relevant.setdefault(query_key(query.text), set()).update(p.id for p in query.positives)
    queries = _each_pair_once(found.queries, found.dropped)
    return Wanted(
        queries=[query for query in queries if query.positives],
        relevant=relevant,
        told_texts=texts,
        evidence=evidence,
        dropped=found.dropped,
    )


def _each_pair_once(queries: Sequence[WantedQuery], dropped: Counter[str]) -> list[WantedQuery]:
    """Without judged pairs that feedback has too, with their weights: in a corpus made of the log, all."""
    clicked = {
        (query_key(query.text), positive.id)
        for query in queries
        if query.source == "feedback"
        for positive in query.positives
    }
    left = []
    for query in queries:
        key = query_key(query.text)
        own = query.source == "feedback"
        kept = tuple(p for p in query.positives if own or (key, p.id) not in clicked)
        dropped["in_feedback_too"] += len(query.positives) - len(kept)
        left.append(replace(query, positives=kept))
    return left


def limited(
    queries: Sequence[WantedQuery], pairs: int, seed: int, dropped: Counter[str]
) -> list[WantedQuery]:
    """The queries with so many pairs at most, drawn by the seed; more data do not reshuffle the choice."""
    everything = [
        (_lot(seed, query, positive), query, positive) for query in queries for positive in query.positives
    ]
    kept = {lot for lot, _, _ in sorted(everything, key=lambda each: each[0])[:pairs]}
    dropped["max_pairs"] += len(everything) - len(kept)
    left = (
        replace(query, positives=tuple(p for p in query.positives if _lot(seed, query, p) in kept))
        for query in queries
    )
    return [query for query in left if query.positives]


def _lot(seed: int, query: WantedQuery, positive: WantedPositive) -> bytes:
    name = f"{seed}\n{query.source}\n{query.id}\n{positive.id}"
    return hashlib.blake2b(name.encode(), digest_size=16).digest()


def _from_qrels(corpus: Corpus) -> Iterator[WantedQuery]:
    qrels = corpus.qrels("train")
    best = max((score for judged in qrels.values() for score in judged.values()), default=1)
    for query_id, judged in qrels.items():
        positives = (
            WantedPositive(id=document, label=score / best, weight=1.0)
            for document, score in judged.items()
            if score > 0
        )
        yield WantedQuery(
            id=query_id,
            text=corpus.queries[query_id],
            source="qrels",
            positives=tuple(positives),
            judged=tuple(document for document, score in judged.items() if score == 0),
            skipped=(),
        )


def _from_feedback(
    found: _Collecting, feedback: FeedbackReader, evidence: Sequence[QueryEvidence]
) -> Iterator[WantedQuery]:
    corpus = found.corpus
    names = {same_query(text): (query_id, text) for query_id, text in corpus.queries.items()}
    by_digest: dict[str, str] = {}
    if any(about.hashed for about in evidence):
        by_digest = {feedback.query_digest(text): text for text in corpus.queries.values()}
    for about in evidence:
        text = by_digest.get(about.query, "") if about.hashed else about.query
        if not text:
            found.dropped["query_unknown"] += 1
            continue
        if not found.trains(text):
            continue
        key = same_query(text)
        yield WantedQuery(
            id=names[key][0] if key in names else id_of_text("q", key),
            text=text,
            source="feedback",
            positives=tuple(
                WantedPositive(id=document, label=positive.label, weight=positive.weight)
                for document, positive in about.positives.items()
            ),
            judged=about.rated_bad,
            skipped=about.skipped,
        )


def _texts_beside(
    corpus: Corpus, feedback: FeedbackReader, queries: Sequence[WantedQuery]
) -> Mapping[str, str]:
    named = {
        document
        for query in queries
        if query.source == "feedback"
        for document in (*(positive.id for positive in query.positives), *query.judged, *query.skipped)
    }
    missing = {document for document in named if corpus.table.place_of(document) is None}
    return texts_in(feedback.events(corpus.id), missing) if missing else {}
