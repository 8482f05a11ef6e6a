"""Which pairs of a query and a passage are trained on."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SEED = 7

PER_SOURCE = {
    "debian-pkg": 2200,
    "squad-sent": 2500,
    "squad-para": 2500,
    "medquad": 2500,
    "foldoc": 1000,
    "nq-swap": 1800,
    "dolly-openqa": 1500,
    "climatefever-ev": 1500,
}
"""Pairs of sources that would outweigh the others; the rest is taken whole."""

OTHER_PASSAGES = 16_000
"""Passages that answer no chosen query, so that BM25 has more to be wrong about."""

CLOZE_PASSAGES = 5500
"""Passages a sentence of which becomes a query for the rest (inverse cloze, Lee et al. 2019): long queries
that state something, which the sources lack."""

_DEV_PERCENT = 2


@dataclass(slots=True)
class Asked:
    """A query with the passages that answer it."""

    source: str
    query: str
    passages: list[str] = field(default_factory=list)
    origin: str = ""
    """Of an inverse-cloze query: the passage it was taken from, which is no negative."""

    @property
    def is_dev(self) -> bool:
        """Whether it is kept from training, for choosing a checkpoint; decided by the words of the query."""
        return int(hashlib.sha1(folded(self.query).encode(), usedforsecurity=False).hexdigest(), 16) % 100 < (
            _DEV_PERCENT
        )


@dataclass(frozen=True, slots=True)
class Material:
    """What there is to train on."""

    queries: Sequence[Asked]
    passages: Sequence[str]


def folded(text: str) -> str:
    """A text by its words alone: equal for queries that differ in case, spaces or punctuation."""
    return re.sub(r"\W+", " ", text.lower()).strip()


def material(pairs: Path, banned: Iterable[str]) -> Material:
    """Reads the pairs; queries that judge the model, `banned`, are left out, whatever their case."""
    chance = random.Random(SEED)
    excluded = {folded(query) for query in banned}
    with gzip.open(pairs, "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if folded(row["query"]) not in excluded]
    chosen = _chosen(rows, chance)
    others = [row["passage"] for row in rows]
    chance.shuffle(others)
    passages = list(dict.fromkeys([*(row["passage"] for row in chosen), *others[:OTHER_PASSAGES]]))
    cloze = [
        row
        for passage in chance.sample(passages, min(CLOZE_PASSAGES, len(passages)))
        if (row := _cloze(passage, chance))
    ]
    queries = _grouped(chosen) + _grouped(cloze)
    chance.shuffle(queries)
    return Material(queries, passages)


def _chosen(rows: Sequence[dict[str, str]], chance: random.Random) -> list[dict[str, str]]:
    shuffled = list(rows)
    chance.shuffle(shuffled)
    taken = Counter[str]()
    kept = []
    for row in shuffled:
        taken[row["source"]] += 1
        if taken[row["source"]] <= PER_SOURCE.get(row["source"], len(rows)):
            kept.append(row)
    return kept


def _grouped(rows: Sequence[dict[str, str]]) -> list[Asked]:
    groups: dict[str, Asked] = {}
    for row in rows:
        key = folded(row["query"])
        if not key:
            continue
        asked = groups.setdefault(key, Asked(row["source"], row["query"], origin=row.get("origin", "")))
        if row["passage"] not in asked.passages:
            asked.passages.append(row["passage"])
    return list(groups.values())


def _cloze(passage: str, chance: random.Random) -> dict[str, str] | None:
    sentences = [part.strip() for part in re.split(r"(?<=[.!?;])\s+", passage) if len(part.split()) >= 5]
    if len(sentences) < 3:
        return None
    count = chance.choice([1, 1, 1, 2, 3]) if len(sentences) > 4 else 1
    first = chance.randrange(len(sentences) - count + 1)
    query = " ".join(sentences[first : first + count])[:600]
    rest = " ".join(sentences[:first] + sentences[first + count :])
    # Now and then the sentence stays where it was, so that a verbatim match is not taken for a bad sign.
    kept = rest if chance.random() < 0.85 else passage
    if len(kept.split()) < 8:
        return None
    shouted = query.upper() if chance.random() < 0.04 else query
    return {"source": "cloze", "query": shouted, "passage": kept, "origin": passage}
