"""Every corpus under the directory of the setting `training.directory`."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from rerankd.config.training import MiningConfig
from rerankd.training.corpora import reading, tables
from rerankd.training.corpora.corpus import DOCUMENTS_FILE, QUERIES_FILE, Corpus
from rerankd.training.corpora.from_feedback import FeedbackSource
from rerankd.training.corpora.records import (
    CorpusDocument,
    CorpusLimits,
    CorpusQuery,
    Judgment,
    check_corpus_id,
    invalid,
)
from rerankd.training.corpora.splits import SplitRule
from rerankd.training.corpora.tables import TableSources
from rerankd.training.corpora.writing import CorpusWriter, ImportReport
from rerankd.training.durable import locked_file, sync_directory
from rerankd.training.feedback.reader import FeedbackReader
from rerankd.training.layout import CORPUS_ID, Layout

_NEW = ".new-"
_OLD = ".old-"
_LOCK = ".lock"


class CorpusStore:
    """Lists, gives, makes and deletes corpora. Blocks; safe from any thread and process.

    All makers refuse an id that exists unless `replace`, and raise InvalidRequestError for ids, records and
    sizes out of bounds, naming the record. A corpus appears whole or not at all; what a crash leaves is
    cleared away by the next store.
    """

    def __init__(
        self, layout: Layout, limits: CorpusLimits | None = None, rule: SplitRule | None = None
    ) -> None:
        self._layout = layout
        self._limits = limits or CorpusLimits()
        self._rule = rule
        if layout.corpora.is_dir():
            with self._locked():
                self._clear_up()

    def ids(self) -> list[str]:
        """Names of the corpora, sorted."""
        if not self._layout.corpora.is_dir():
            return []
        names = (path.name for path in self._layout.corpora.iterdir() if path.is_dir())
        return sorted(name for name in names if CORPUS_ID.fullmatch(name))

    def get(self, corpus_id: str) -> Corpus:
        """A corpus, as it is now.

        Raises:
            InvalidRequestError: The id can be nobody's.
            CorpusNotFoundError: There is none of this name.
        """
        check_corpus_id(corpus_id)
        return Corpus(corpus_id, self._layout.corpus(corpus_id), self._rule)

    def create(
        self,
        corpus_id: str,
        documents: Iterable[CorpusDocument],
        queries: Iterable[CorpusQuery] = (),
        judgments: Iterable[Judgment] = (),
        *,
        replace: bool = False,
    ) -> ImportReport:
        """A corpus out of streams of records, which are read one after the other."""
        check_corpus_id(corpus_id)
        self._check_free(corpus_id, replace)
        with self._staged(corpus_id) as staged:
            report = CorpusWriter(staged, self._limits).write(documents, queries, judgments)
            with self._locked():
                self._check_free(corpus_id, replace)
                self._place(staged, corpus_id)
        return report

    def import_beir(self, corpus_id: str, source: Path, *, replace: bool = False) -> ImportReport:
        """A corpus out of a folder in BEIR layout: corpus.jsonl, queries.jsonl, qrels/<split>.tsv.

        The first two may be .gz; the folder need not have queries and judgments.
        """
        documents = reading.existing(source, DOCUMENTS_FILE)
        queries = reading.existing(source, QUERIES_FILE)
        if documents is None:
            raise invalid("source", f"the folder has neither {DOCUMENTS_FILE} nor {DOCUMENTS_FILE}.gz")
        judgments = [reading.judgments_of(path, s) for s, path in reading.qrels_files(source).items()]
        return self.create(
            corpus_id,
            reading.documents_of(documents),
            reading.queries_of(queries) if queries else (),
            chain.from_iterable(judgments),
            replace=replace,
        )

    def import_tables(self, corpus_id: str, sources: TableSources, *, replace: bool = False) -> ImportReport:
        """A corpus out of JSON lines or Parquet."""
        sources.check()
        return self.create(
            corpus_id,
            tables.documents_in(sources),
            tables.queries_in(sources),
            tables.judgments_in(sources),
            replace=replace,
        )

    def build_from_feedback(
        self,
        corpus_id: str,
        feedback: FeedbackReader,
        *,
        replace: bool = False,
        config: MiningConfig | None = None,
    ) -> ImportReport:
        """A corpus out of what the log holds of `corpus_id`: shown texts, queries, judgments."""
        source = FeedbackSource(feedback, corpus_id, config or MiningConfig())
        return self.create(
            corpus_id, source.documents(), source.queries(), source.judgments(), replace=replace
        )

    def delete(self, corpus_id: str) -> None:
        """Takes a corpus away, with its index and its groups.

        Raises:
            InvalidRequestError: The id can be nobody's.
            CorpusNotFoundError: There is none of this name.
        """
        self.get(corpus_id)
        with self._locked(), contextlib.suppress(FileNotFoundError):
            gone = self._layout.corpora / f"{_NEW}deleted-{corpus_id}"
            self._layout.corpus(corpus_id).rename(gone)
            sync_directory(self._layout.corpora)
            shutil.rmtree(gone)

    def _check_free(self, corpus_id: str, replace: bool) -> None:
        if not replace and self._layout.corpus(corpus_id).exists():
            raise invalid("corpus_id", f"{corpus_id!r} exists; delete it, or say that it is to be replaced")

    def _place(self, staged: Path, corpus_id: str) -> None:
        target = self._layout.corpus(corpus_id)
        aside = self._layout.corpora / f"{_OLD}{corpus_id}"
        if target.exists():
            shutil.rmtree(aside, ignore_errors=True)
            target.rename(aside)
        # A crash here leaves the old one aside, and the next store takes it back.
        staged.rename(target)
        sync_directory(self._layout.corpora)
        shutil.rmtree(aside, ignore_errors=True)

    @contextlib.contextmanager
    def _staged(self, corpus_id: str) -> Iterator[Path]:
        self._layout.corpora.mkdir(parents=True, exist_ok=True)
        with self._locked():
            staged = Path(tempfile.mkdtemp(prefix=f"{_NEW}{corpus_id}-", dir=self._layout.corpora))
            guard = locked_file(staged / _LOCK)
        try:
            yield staged
        finally:
            # The lock goes with the folder, not with the corpus that it has become by now.
            (self._layout.corpus(corpus_id) / _LOCK).unlink(missing_ok=True)
            shutil.rmtree(staged, ignore_errors=True)
            os.close(guard)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        guard = locked_file(self._layout.corpora / _LOCK)
        try:
            yield
        finally:
            os.close(guard)

    def _clear_up(self) -> None:
        for aside in self._layout.corpora.glob(f"{_OLD}*"):
            target = self._layout.corpus(aside.name.removeprefix(_OLD))
            if target.exists():
                shutil.rmtree(aside, ignore_errors=True)
            else:
                aside.rename(target)
        for staged in self._layout.corpora.glob(f"{_NEW}*"):
            # Whoever still writes it holds its lock.
            with contextlib.suppress(BlockingIOError):
                guard = locked_file(staged / _LOCK, wait=False)
                shutil.rmtree(staged, ignore_errors=True)
                os.close(guard)
