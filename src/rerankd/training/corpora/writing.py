"""New corpora: written beside, complete or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from rerankd.training.corpora.corpus import DOCUMENTS_FILE, QUERIES_FILE
from rerankd.training.corpora.records import (
    CorpusDocument,
    CorpusLimits,
    CorpusQuery,
    Judgment,
    Split,
    invalid,
)
from rerankd.training.durable import new_file, sync_directory

_Record = TypeVar("_Record", CorpusDocument, CorpusQuery)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import brought."""

    documents: int
    queries: int
    judgments: int
    dropped: Mapping[str, int]
    """Judgments that were left out, by reason: `unknown_document`, `unknown_query`."""


class CorpusWriter:
    """Writes the files of a corpus into an empty folder. Use once."""

    def __init__(self, directory: Path, limits: CorpusLimits) -> None:
        self._directory = directory
        self._limits = limits
        self._bytes = 0

    def write(
        self,
        documents: Iterable[CorpusDocument],
        queries: Iterable[CorpusQuery],
        judgments: Iterable[Judgment],
    ) -> ImportReport:
        """Checks and writes all records; on disk when this returns.

        Raises:
            InvalidRequestError: A record is out of bounds or there twice, there are too many, or no
                document.
        """
        limits = self._limits
        document_ids = self._write_records(
            DOCUMENTS_FILE, documents, limits.max_documents, limits.check_document, _document_record
        )
        if not document_ids:
            raise invalid("documents", "there is none; a corpus needs at least one")
        query_ids = self._write_records(
            QUERIES_FILE, queries, limits.max_queries, limits.check_query, _query_record
        )
        written, dropped = self._write_judgments(judgments, document_ids, query_ids)
        sync_directory(self._directory)
        return ImportReport(
            documents=len(document_ids), queries=len(query_ids), judgments=written, dropped=dropped
        )

    def _write_records(
        self,
        name: str,
        records: Iterable[_Record],
        limit: int,
        check: Callable[[_Record, str], None],
        object_of: Callable[[_Record], Mapping[str, str]],
    ) -> set[str]:
        ids: set[str] = set()
        with new_file(self._directory / name) as file:
            for number, record in enumerate(records, start=1):
                at = f"{name}:{number}"
                check(record, at)
                if record.id in ids:
                    raise invalid(f"{at}._id", f"{record.id!r} is there twice")
                ids.add(record.id)
                self._limits.check_count(len(ids), limit, name)
                self._put(file, json.dumps(object_of(record), ensure_ascii=False) + "\n")
        return ids

    def _write_judgments(
        self, judgments: Iterable[Judgment], document_ids: set[str], query_ids: set[str]
    ) -> tuple[int, dict[str, int]]:
        written = 0
        dropped: dict[str, int] = {}
        files: dict[Split, BinaryIO] = {}
        folder = self._directory / "qrels"
        folder.mkdir()
        with ExitStack() as stack:
            for judgment in judgments:
                reason = _reason_to_drop(judgment, document_ids, query_ids)
                if reason:
                    dropped[reason] = dropped.get(reason, 0) + 1
                    continue
                if judgment.split not in files:
                    files[judgment.split] = stack.enter_context(new_file(folder / f"{judgment.split}.tsv"))
                    self._put(files[judgment.split], "query-id\tcorpus-id\tscore\n")
                line = f"{judgment.query_id}\t{judgment.document_id}\t{judgment.score}\n"
                self._put(files[judgment.split], line)
                written += 1
                self._limits.check_count(written, self._limits.max_judgments, "qrels")
        sync_directory(folder)
        return written, dropped

    def _put(self, file: BinaryIO, line: str) -> None:
        self._bytes += file.write(line.encode())
        if self._bytes > self._limits.max_bytes:
            raise invalid("corpus", f"takes more than {self._limits.max_bytes} bytes, which is the limit")


def _reason_to_drop(judgment: Judgment, document_ids: set[str], query_ids: set[str]) -> str:
    if judgment.query_id not in query_ids:
        return "unknown_query"
    return "" if judgment.document_id in document_ids else "unknown_document"


def _document_record(document: CorpusDocument) -> Mapping[str, str]:
    return {"_id": document.id, "title": document.title, "text": document.text}


def _query_record(query: CorpusQuery) -> Mapping[str, str]:
    return {"_id": query.id, "text": query.text}
