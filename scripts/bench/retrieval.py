"""Real collections for benchmarks of quality: BM25 candidates, judgments and nDCG@10."""

from __future__ import annotations

import csv
import gzip
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from passages import SHARED

COLLECTIONS = ("scifact", "cranfield", "liveqa-med", "stackfaq", "xquad-en", "xquad-de")

_WORD = re.compile(r"\w+")
_K1, _B = 0.9, 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One query with its candidates, best first by BM25."""

    query: str
    texts: Sequence[str]
    bm25: Sequence[float]
    """Score of each candidate in the first stage."""
    gains: Sequence[float]
    """Of each candidate."""
    ideal: Sequence[float]
    """Gains of all judged documents, best first; BM25 may have missed some."""


def judged_queries(collection: str, queries: int, candidates: int = 100) -> list[Judged]:
    """A sample of the test queries, always the same one."""
    folder = SHARED / collection
    ids, texts = _corpus(folder)
    judgments = _judgments(folder / "qrels" / "test.tsv")
    with (folder / "queries.jsonl").open(encoding="utf-8") as lines:
        asked = {row["_id"]: row["text"] for row in map(json.loads, lines)}
    names = sorted(name for name in judgments if name in asked and max(judgments[name].values()) > 0)
    sample = random.Random(4).sample(names, min(queries, len(names)))
    index = Bm25(texts)
    return [_judge(asked[name], judgments[name], ids, texts, index, candidates) for name in sample]


def ndcg_at_10(gains: Sequence[float], ideal: Sequence[float]) -> float:
    """Of gains in ranked order."""
    best = _dcg(ideal)
    return _dcg(gains) / best if best else 0.0


class Bm25:
    """Okapi BM25 over words in lower case."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(_words(text)) for text in texts]
        lengths = np.array([sum(count.values()) for count in counts], dtype=np.float64)
        self._norm = _K1 * (1 - _B + _B * lengths / lengths.mean())
        postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, count in enumerate(counts):
            for word, times in count.items():
                postings[word].append((number, times))
        self._postings = {word: np.array(rows) for word, rows in postings.items()}

    def best(self, query: str, count: int) -> list[tuple[int, float]]:
        """Numbers and scores of the best documents, best first."""
        scores = np.zeros(len(self._norm))
        for word in set(_words(query)):
            if word in self._postings:
                rows, times = self._postings[word].T
                weight = np.log(1 + (len(scores) - len(rows) + 0.5) / (len(rows) + 0.5))
                scores[rows] += weight * times / (times + self._norm[rows])
        return [(int(number), float(scores[number])) for number in np.argsort(-scores, kind="stable")[:count]]


def _judge(
    query: str,
    judgments: Mapping[str, float],
    ids: Sequence[str],
    texts: Sequence[str],
    index: Bm25,
    candidates: int,
) -> Judged:
    found = index.best(query, candidates)
    return Judged(
        query=query,
        texts=[texts[number] for number, _ in found],
        bm25=[score for _, score in found],
        gains=[judgments.get(ids[number], 0.0) for number, _ in found],
        ideal=sorted(judgments.values(), reverse=True),
    )


def _corpus(folder: Path) -> tuple[list[str], list[str]]:
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [row["_id"] for row in rows], [f"{row.get('title', '')} {row['text']}".strip() for row in rows]


def _judgments(path: Path) -> dict[str, dict[str, float]]:
    judgments: dict[str, dict[str, float]] = defaultdict(dict)
    with path.open(encoding="utf-8", newline="") as lines:
        for query, document, score in list(csv.reader(lines, delimiter="\t"))[1:]:
            judgments[query][document] = max(0.0, float(score))
    return judgments


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _dcg(gains: Sequence[float]) -> float:
    top = np.asarray(gains[:10], dtype=np.float64)
    return float(((2**top - 1) / np.log2(np.arange(2, len(top) + 2))).sum())
