"""A corpus on disk, read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from rerankd.training.corpora.profile import CorpusProfile
from rerankd.training.corpora.records import CorpusDocument, Split
from rerankd.training.corpora.splits import SplitRule


class Corpus:
    """A folder in BEIR layout. Reads when asked and keeps the queries; safe from any thread."""

    def __init__(self, id: str, directory: Path, rule: SplitRule | None = None) -> None:  # noqa: A002
        raise NotImplementedError

    @property
    def id(self) -> str:
        """Its name."""
        raise NotImplementedError

    @property
    def directory(self) -> Path:
        """The folder."""
        raise NotImplementedError

    @property
    def digest(self) -> str:
        """Of the documents: `sha256:` and 12 hex digits."""
        raise NotImplementedError

    def documents(self) -> Iterator[CorpusDocument]:
        """Every document, streamed, in the order of the file."""
        raise NotImplementedError

    def document_ids(self) -> tuple[str, ...]:
        """In the order of the file."""
        raise NotImplementedError

    def documents_by_id(self, ids: Collection[str]) -> dict[str, CorpusDocument]:
        """Those of the documents that exist, without reading the others."""
        raise NotImplementedError

    @property
    def queries(self) -> Mapping[str, str]:
        """Every query's text by its id."""
        raise NotImplementedError

    def qrels(self, split: Split) -> Mapping[str, Mapping[str, float]]:
        """Query id -> document id -> score, of the queries of a split; empty where it has none.

        No query of one split equals (`query_key`) a query of another.
        """
        raise NotImplementedError

    def split_of(self, query: str) -> Split:
        """Where a query belongs, by its text, also one that the corpus does not have."""
        raise NotImplementedError

    def profile(self) -> CorpusProfile:
        """What the corpus is like."""
        raise NotImplementedError

    @property
    def groups_file(self) -> Path:
        """Where the mined groups lie."""
        raise NotImplementedError
