"""The dev queries of a run with their candidates, and the queries that may not train."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rerankd.core.errors import CorpusNotFoundError
from rerankd.training.corpora import Bm25Index, Corpus
from rerankd.training.runs.dev import DevGroup
from rerankd.training.runs.groups import Split, query_rank
from rerankd.training.types import TrainingGroup

_CANDIDATES = 20
"""Ranks of BM25 that a dev query of the corpus' own is evaluated on, beside its judged positives."""

_MOST_POSITIVES = 5
_LEAST_PAIRS, _MOST_PAIRS = 1000, 6000
_SHARE = 0.3
"""Pairs of an evaluation, as a part of those of an epoch: it must stay short beside the steps between two."""

Texts = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusJudgments:
    """What a corpus itself says about splits."""

    corpus: Corpus | None
    """None where it has no documents."""

    @classmethod
    def of(cls, corpus_id: str, directory: Path) -> CorpusJudgments:
        """Reads the corpus in a folder."""
        try:
            return cls(corpus=Corpus(corpus_id, directory))
        except CorpusNotFoundError:
            return cls(corpus=None)

    def queries(self, split: str) -> list[str]:
        """Texts of the judged queries of `dev` or `test`."""
        if self.corpus is None:
            return []
        texts = self.corpus.queries
        judged = self.corpus.qrels("dev" if split == "dev" else "test")
        return [texts[query_id] for query_id in judged if query_id in texts]


def pair_budget(pairs_per_epoch: int) -> int:
    """Most pairs of one evaluation."""
    return min(_MOST_PAIRS, max(_LEAST_PAIRS, round(_SHARE * pairs_per_epoch)))


def dev_groups(
    judgments: CorpusJudgments,
    groups: Callable[[], Iterator[TrainingGroup]],
    split: Split,
    *,
    budget: int,
    shorten_query: Texts,
    cut: Texts,
) -> list[DevGroup]:
    """Dev queries with candidates: BM25's first where the corpus has dev judgments, else mined groups."""
    corpus = judgments.corpus
    if corpus is not None and judgments.queries("dev"):
        found = _of_corpus(corpus, budget // _CANDIDATES)
    else:
        found = _of_groups(groups, split)
    kept: list[DevGroup] = []
    pairs = 0
    for group in found:
        if kept and pairs + len(group.texts) > budget:
            break
        pairs += len(group.texts)
        texts = tuple(map(cut, group.texts))
        kept.append(DevGroup(query=shorten_query(group.query), ids=group.ids, texts=texts, gains=group.gains))
    return kept


def _of_groups(groups: Callable[[], Iterator[TrainingGroup]], split: Split) -> list[DevGroup]:
    chosen = sorted((group for group in groups() if split.stops(group)), key=lambda g: query_rank(g.query))
    return [
        DevGroup(
            query=group.query,
            ids=tuple(document.id for document in group.documents),
            texts=tuple(document.text for document in group.documents),
            gains={document.id: document.label for document in group.documents},
        )
        for group in chosen
    ]


def _of_corpus(corpus: Corpus, most: int) -> list[DevGroup]:
    judged = corpus.qrels("dev")
    texts = corpus.queries
    wanted = sorted((query for query in judged if query in texts), key=lambda query: query_rank(texts[query]))
    index = Bm25Index.of(corpus)
    chosen = {
        query_id: _candidates(index.search(texts[query_id], _CANDIDATES).ids, judged[query_id])
        for query_id in wanted[:most]
    }
    documents = corpus.documents_by_id({name for ids in chosen.values() for name in ids})
    made = []
    for query_id, ids in chosen.items():
        known = tuple(name for name in ids if name in documents)
        if known:
            made.append(
                DevGroup(
                    query=texts[query_id],
                    ids=known,
                    texts=tuple(documents[name].content for name in known),
                    gains=judged[query_id],
                )
            )
    return made


def _candidates(found: Sequence[str], judged: Mapping[str, float]) -> list[str]:
    """BM25's first ones, and what it missed: without a positive no order is better than another."""
    positives = sorted((name for name, score in judged.items() if score > 0), key=lambda name: -judged[name])
    missed = [name for name in positives if name not in found]
    return [*found, *missed[:_MOST_POSITIVES]]
