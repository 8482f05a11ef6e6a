"""Which queries train, which stop a run early, which judge it: never the same ones."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Set
from dataclasses import dataclass

from rerankd.training.corpora.records import Split
from rerankd.training.feedback.queries import same_query

Qrels = Mapping[str, Mapping[str, int]]
"""Query id -> document id -> score."""


def query_key(text: str) -> str:
    """What two queries share that differ in case, white space, punctuation or Unicode form alone."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    # Marks belong to the letter before them: without them words of many scripts would fall apart.
    kept = "".join(char if unicodedata.category(char)[0] in "LNM" else " " for char in folded)
    return " ".join(kept.split()) or same_query(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRule:
    """How splits are made that a corpus does not bring: by a hash of each query's key.

    New queries do not move old ones. Only the train split is divided; a corpus that brings a test split and
    nothing else has nothing to train on.
    """

    dev_fraction: float = 0.1
    test_fraction: float = 0.2

    def split_of(self, key: str) -> Split:
        """Where the hash puts a query."""
        place = int.from_bytes(hashlib.sha256(key.encode("utf-8", "replace")).digest()[:8]) / 2**64
        if place < self.test_fraction:
            return "test"
        return "dev" if place < self.test_fraction + self.dev_fraction else "train"


class Splits:
    """The judgments of a corpus, parted so that no two splits share a query.

    A query that two splits of the corpus have, under one id or two, stays with the one that judges: test
    before dev before train.
    """

    def __init__(self, queries: Mapping[str, str], brought: Mapping[Split, Qrels], rule: SplitRule) -> None:
        self._rule = rule
        self._by_key: dict[str, Split] = {}
        fixed: tuple[Split, ...] = ("dev", "test")
        for split in fixed:
            for query_id in brought.get(split, {}):
                if query_id in queries:
                    self._by_key[query_key(queries[query_id])] = split
        self.derived: Set[Split] = {
            split for split in fixed if not brought.get(split) and brought.get("train")
        }
        """Splits that are made by the rule."""
        self.left_out = 0
        """Queries that are in no split, because another one judges by their text, or they have none."""
        self._qrels = self._parted(queries, brought)

    def qrels(self, split: Split) -> Qrels:
        """The judgments of a split."""
        return self._qrels[split]

    def split_of(self, query: str) -> Split:
        """Where a query belongs, by its text."""
        key = query_key(query)
        if key in self._by_key:
            return self._by_key[key]
        split = self._rule.split_of(key)
        return split if split in self.derived else "train"

    def _parted(self, queries: Mapping[str, str], brought: Mapping[Split, Qrels]) -> dict[Split, Qrels]:
        parted: dict[Split, dict[str, Mapping[str, int]]] = {"train": {}, "dev": {}, "test": {}}
        for source, qrels in brought.items():
            for query_id, judged in qrels.items():
                split = self.split_of(queries[query_id]) if query_id in queries else None
                if split == source or (source == "train" and split in self.derived):
                    parted[split or source][query_id] = judged
                else:
                    self.left_out += 1
        return dict(parted)
