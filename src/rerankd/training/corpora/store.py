"""Every corpus under the directory of the setting `training.directory`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rerankd.training.corpora.corpus import Corpus
from rerankd.training.corpora.records import CorpusDocument, CorpusLimits, CorpusQuery, Judgment
from rerankd.training.corpora.tables import TableSources
from rerankd.training.corpora.writing import ImportReport
from rerankd.training.feedback.reader import FeedbackReader
from rerankd.training.layout import Layout


class CorpusStore:
    """Lists, gives, makes and deletes corpora. Blocks; safe from any thread.

    All makers refuse an id that exists unless `replace`, and raise InvalidRequestError for ids, records and
    sizes out of bounds, naming the record.
    """

    def __init__(self, layout: Layout, limits: CorpusLimits | None = None) -> None:
        raise NotImplementedError

    def ids(self) -> list[str]:
        """Names of the corpora, sorted."""
        raise NotImplementedError

    def get(self, corpus_id: str) -> Corpus:
        """Raises CorpusNotFoundError where there is none of this name."""
        raise NotImplementedError

    def create(
        self,
        corpus_id: str,
        documents: Iterable[CorpusDocument],
        queries: Iterable[CorpusQuery] = (),
        judgments: Iterable[Judgment] = (),
        *,
        replace: bool = False,
    ) -> ImportReport:
        """A corpus out of streams of records."""
        raise NotImplementedError

    def import_beir(self, corpus_id: str, source: Path, *, replace: bool = False) -> ImportReport:
        """A corpus out of a folder in BEIR layout."""
        raise NotImplementedError

    def import_tables(self, corpus_id: str, sources: TableSources, *, replace: bool = False) -> ImportReport:
        """A corpus out of JSON lines or Parquet."""
        raise NotImplementedError

    def build_from_feedback(
        self, corpus_id: str, feedback: FeedbackReader, *, replace: bool = False
    ) -> ImportReport:
        """A corpus out of what the log holds of `corpus_id`: shown texts, queries, judgments."""
        raise NotImplementedError

    def delete(self, corpus_id: str) -> None:
        """Raises CorpusNotFoundError where there is none of this name."""
        raise NotImplementedError
