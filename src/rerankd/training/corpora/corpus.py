"""A corpus on disk, read."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from rerankd.artifacts.checksums import combined, sha256_of
from rerankd.core.errors import CorpusNotFoundError
from rerankd.training.corpora import reading
from rerankd.training.corpora.profile import CorpusProfile, profile_of
from rerankd.training.corpora.records import SPLITS, CorpusDocument, Judgment, Split
from rerankd.training.corpora.splits import Qrels, SplitRule, Splits
from rerankd.training.corpora.table import DocumentTable

DOCUMENTS_FILE = "corpus.jsonl"
QUERIES_FILE = "queries.jsonl"


class Corpus:
    """A folder in BEIR layout, as it was when this was made. Reads when asked; safe from any thread.

    Keeps queries, judgments and the places of documents; their texts stay on disk.
    """

    def __init__(self, name: str, directory: Path, rule: SplitRule | None = None) -> None:
        """Raises CorpusNotFoundError where the folder has no documents."""
        documents = reading.existing(directory, DOCUMENTS_FILE)
        if documents is None:
            raise CorpusNotFoundError(f"no corpus {name!r} is kept here", metadata={"corpus_id": name})
        self._name = name
        self._directory = directory
        self._documents = documents
        self._rule = rule or SplitRule()
        self._lock = threading.RLock()

    @property
    def id(self) -> str:
        """Its name."""
        return self._name

    @property
    def directory(self) -> Path:
        """The folder."""
        return self._directory

    @property
    def groups_file(self) -> Path:
        """Where the mined groups lie."""
        return self._directory / "groups.jsonl"

    @property
    def digest(self) -> str:
        """Of the documents: `sha256:` and 12 hex digits."""
        with self._lock:
            return self._digest

    def documents(self) -> Iterator[CorpusDocument]:
        """Every document, streamed, in the order of the file."""
        return reading.documents_of(self._documents)

    def document_ids(self) -> tuple[str, ...]:
        """In the order of the file."""
        return self.table.ids

    def documents_by_id(self, ids: Collection[str]) -> dict[str, CorpusDocument]:
        """Those of the documents that exist, without reading the others."""
        return self.table.documents(ids)

    @property
    def table(self) -> DocumentTable:
        """Where the documents are in their file."""
        with self._lock:
            return self._table

    @property
    def queries(self) -> Mapping[str, str]:
        """Every query's text by its id."""
        with self._lock:
            return self._queries

    @property
    def splits(self) -> Splits:
        """The judgments, parted by query."""
        with self._lock:
            return self._splits

    def qrels(self, split: Split) -> Qrels:
        """Query id -> document id -> score, of the queries of a split; empty where it has none.

        No query of one split equals (`query_key`) a query of another.
        """
        return self.splits.qrels(split)

    def split_of(self, query: str) -> Split:
        """Where a query belongs, by its text, also one that the corpus does not have."""
        return self.splits.split_of(query)

    def profile(self) -> CorpusProfile:
        """What the corpus is like."""
        return profile_of(
            self._name,
            self.digest,
            documents=len(self.table.ids),
            queries=len(self.queries),
            qrels={split: self.qrels(split) for split in SPLITS},
            splits=self.splits,
        )

    @cached_property
    def _digest(self) -> str:
        return combined({self._documents.name: sha256_of(self._documents)})

    @cached_property
    def _table(self) -> DocumentTable:
        return DocumentTable(self._documents)

    @cached_property
    def _queries(self) -> Mapping[str, str]:
        path = reading.existing(self._directory, QUERIES_FILE)
        return {query.id: query.text for query in reading.queries_of(path)} if path else {}

    @cached_property
    def _splits(self) -> Splits:
        brought = {
            split: _qrels(reading.judgments_of(path, split))
            for split, path in reading.qrels_files(self._directory).items()
        }
        return Splits(self._queries, brought, self._rule)


def _qrels(judgments: Iterator[Judgment]) -> Qrels:
    qrels: dict[str, dict[str, int]] = {}
    for judgment in judgments:
        judged = qrels.setdefault(judgment.query_id, {})
        # Judged twice: relevant to somebody is relevant.
        judged[judgment.document_id] = max(judgment.score, judged.get(judgment.document_id, 0))
    return qrels
