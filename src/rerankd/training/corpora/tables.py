"""Corpora out of tables: JSON lines or Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from rerankd.training.corpora.reading import (
    document_of,
    id_in,
    objects_of,
    query_of,
    text_in,
)
from rerankd.training.corpora.records import (
    CorpusDocument,
    CorpusQuery,
    Judgment,
    Split,
    invalid,
    score_of,
    split_named,
)

_Record = TypeVar("_Record", CorpusDocument, CorpusQuery)
Row = tuple[str, Mapping[str, object]]
"""Where it stands, and its columns."""
_BATCH_ROWS = 1024
_QUERY_TEXT = ("query", "question", "anchor")
_DOCUMENT_TEXT = ("document", "passage", "text", "positive", "answer")
_QUERY_ID = ("query_id", "query-id")
_DOCUMENT_ID = ("document_id", "corpus-id", "corpus_id", "doc_id")
_SCORE = ("score", "label", "relevance")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSources:
    """Files of one corpus: .jsonl, .jsonl.gz or .parquet. Either `documents` and others, or `pairs`."""

    documents: Path | None = None
    """Columns `_id` or `id`, `title`, `text`."""
    queries: Path | None = None
    """Columns `_id` or `id`, `text` or `query`."""
    judgments: Mapping[str, Path] = field(default_factory=dict)
    """By split. Columns `query_id` or `query-id`, `document_id` or `corpus-id`, `score` or `label`."""
    pairs: Path | None = None
    """Rows of a query, a document (or `passage`) and a `label`; 1 where there is none. Optional: `query_id`,
    `document_id`, `title`, `split` (train where there is none). Without ids, equal texts are one."""

    def check(self) -> None:
        """Raises InvalidRequestError unless the files go together."""
        if (self.documents is None) == (self.pairs is None):
            raise invalid("documents", "give either a file of documents or a file of pairs")
        if self.pairs is not None and (self.queries is not None or self.judgments):
            raise invalid("pairs", "bring their own queries and judgments")
        if self.judgments and self.queries is None:
            raise invalid("queries", "are needed where there are judgments")


def documents_in(sources: TableSources) -> Iterator[CorpusDocument]:
    """The documents of the tables, each once."""
    if sources.pairs is None:
        return (document_of(row, at) for at, row in _rows(sources.documents))
    return _each_once(_document_of_pair(row, at) for at, row in _rows(sources.pairs))


def queries_in(sources: TableSources) -> Iterator[CorpusQuery]:
    """The queries of the tables, each once."""
    if sources.pairs is None:
        return (query_of(row, at) for at, row in _rows(sources.queries))
    return _each_once(_query_of_pair(row, at) for at, row in _rows(sources.pairs))


def judgments_in(sources: TableSources) -> Iterator[Judgment]:
    """The judgments of the tables."""
    for at, row in _rows(sources.pairs):
        split = split_named(text_in(row, ("split",), at, optional=True) or "train", f"{at}.split")
        query, document = _query_of_pair(row, at), _document_of_pair(row, at)
        yield _judgment(row, at, split, query.id, document.id)
    for name, path in sources.judgments.items():
        split = split_named(name, "judgments")
        for at, row in _rows(path):
            yield _judgment(row, at, split, id_in(row, _QUERY_ID, at), id_in(row, _DOCUMENT_ID, at))


def _judgment(row: Mapping[str, object], at: str, split: Split, query_id: str, document_id: str) -> Judgment:
    score = next((row[name] for name in _SCORE if row.get(name) is not None), 1)
    return Judgment(
        split=split, query_id=query_id, document_id=document_id, score=score_of(score, f"{at}.label")
    )


def _query_of_pair(row: Mapping[str, object], at: str) -> CorpusQuery:
    text = text_in(row, _QUERY_TEXT, at)
    named = any(row.get(name) is not None for name in _QUERY_ID)
    return CorpusQuery(id=id_in(row, _QUERY_ID, at) if named else id_of_text("q", text), text=text)


def _document_of_pair(row: Mapping[str, object], at: str) -> CorpusDocument:
    text = text_in(row, _DOCUMENT_TEXT, at)
    title = text_in(row, ("title",), at, optional=True)
    named = any(row.get(name) is not None for name in _DOCUMENT_ID)
    name = id_in(row, _DOCUMENT_ID, at) if named else id_of_text("d", f"{title}\n{text}")
    return CorpusDocument(id=name, title=title, text=text)


def id_of_text(prefix: str, text: str) -> str:
    """An id for a text that brings none: the same for the same text."""
    return prefix + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _each_once(records: Iterable[_Record]) -> Iterator[_Record]:
    seen: set[str] = set()
    for record in records:
        if record.id not in seen:
            seen.add(record.id)
            yield record


def _rows(path: Path | None) -> Iterator[Row]:
    if path is None:
        return
    if not path.is_file():
        raise invalid(path.name, "is no file")
    if path.suffix == ".parquet":
        yield from _parquet_rows(path)
    elif path.name.endswith((".jsonl", ".jsonl.gz")):
        yield from objects_of(path)
    else:
        raise invalid(path.name, "is neither .jsonl, .jsonl.gz nor .parquet")


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path.name}:{number}", row
    except pyarrow.ArrowException as error:
        raise invalid(path.name, "is no Parquet file that can be read") from error
