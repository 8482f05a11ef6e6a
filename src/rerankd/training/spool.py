"""Records of a corpus on their way in: kept beside until all are there, in whatever order they come."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, TypeVar

from rerankd.training.corpora import CorpusDocument, CorpusQuery, CorpusStore, ImportReport, Judgment

RecordT = TypeVar("RecordT", CorpusDocument, CorpusQuery, Judgment)


class Spool:
    """Takes records and makes a corpus of them. Blocks; a context, which leaves nothing behind."""

    def __init__(self, directory: Path) -> None:
        """`directory`: where there is room; it is made if need be."""
        directory.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(dir=directory, prefix=".import-")
        self._files: dict[str, IO[str]] = {}

    def add(self, records: Iterable[CorpusDocument | CorpusQuery | Judgment]) -> None:
        """Keeps some records."""
        for record in records:
            file = self._file(type(record).__name__)
            file.write(json.dumps(asdict(record), ensure_ascii=True) + "\n")

    def create(self, store: CorpusStore, corpus_id: str, *, replace: bool) -> ImportReport:
        """The corpus of all records; see `CorpusStore.create` for what it raises."""
        for file in self._files.values():
            file.flush()
        return store.create(
            corpus_id,
            self._records(CorpusDocument),
            self._records(CorpusQuery),
            self._records(Judgment),
            replace=replace,
        )

    def __enter__(self) -> Spool:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Deletes what was kept."""
        for file in self._files.values():
            file.close()
        self._folder.cleanup()

    def _file(self, name: str) -> IO[str]:
        if name not in self._files:
            self._files[name] = self._path(name).open("w", encoding="utf-8")
        return self._files[name]

    def _path(self, name: str) -> Path:
        return Path(self._folder.name) / f"{name}.jsonl"

    def _records(self, kind: Callable[..., RecordT]) -> Iterator[RecordT]:
        name = getattr(kind, "__name__", "")
        if name not in self._files:
            return
        with self._path(name).open(encoding="utf-8") as lines:
            for line in lines:
                yield kind(**json.loads(line))
