"""Files of the BEIR layout, read as streams of records."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, cast

from rerankd.training.corpora.records import (
    CorpusDocument,
    CorpusQuery,
    Judgment,
    Split,
    invalid,
    score_of,
    split_named,
)

MAX_LINE_BYTES = 8 * 1024 * 1024
"""A document within bounds takes less, however its characters are escaped."""
_ID_NAMES = ("_id", "id")


def existing(directory: Path, name: str) -> Path | None:
    """A file of a corpus, plain or with .gz; None where it has neither."""
    found = (path for path in (directory / name, directory / f"{name}.gz") if path.is_file())
    return next(found, None)


def opened(path: Path) -> BinaryIO:
    """The content of a file, plain or with .gz."""
    return cast("BinaryIO", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def lines_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """Lines that are not blank, each with its place (`queries.jsonl:7`).

    Raises:
        InvalidRequestError: A line is too long, or the file is no valid gzip.
    """
    number = 0
    try:
        with opened(path) as file:
            while line := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                at = f"{path.name}:{number}"
                if len(line) > MAX_LINE_BYTES:
                    raise invalid(at, f"is longer than {MAX_LINE_BYTES} bytes, which is the limit")
                if line.strip():
                    yield at, line
    except (EOFError, gzip.BadGzipFile) as error:
        raise invalid(f"{path.name}:{number + 1}", "the file is no whole gzip file") from error


def objects_of(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """JSON objects, one a line."""
    for at, line in lines_of(path):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            raise invalid(at, "is no JSON") from None
        if not isinstance(record, dict):
            raise invalid(at, "is no JSON object")
        yield at, record


def documents_of(path: Path) -> Iterator[CorpusDocument]:
    """The documents of a corpus.jsonl."""
    for at, record in objects_of(path):
        yield document_of(record, at)


def queries_of(path: Path) -> Iterator[CorpusQuery]:
    """The queries of a queries.jsonl."""
    for at, record in objects_of(path):
        yield query_of(record, at)


def judgments_of(path: Path, split: Split) -> Iterator[Judgment]:
    """The judgments of a qrels file: query, document and score, parted by tabs; the header may be absent."""
    for at, line in lines_of(path):
        try:
            parts = line.decode().rstrip("\r\n").split("\t")
        except UnicodeDecodeError:
            raise invalid(at, "is not UTF-8") from None
        if len(parts) != 3:
            raise invalid(at, "must be query-id, corpus-id and score, parted by tabs")
        if parts[2] == "score" and at.endswith(":1"):
            continue
        score = score_of(parts[2], f"{at}.score")
        yield Judgment(split=split, query_id=parts[0], document_id=parts[1], score=score)


def qrels_files(directory: Path) -> dict[Split, Path]:
    """The files of judgments of a corpus, by split."""
    folder = directory / "qrels"
    files = sorted(folder.glob("*.tsv")) if folder.is_dir() else []
    return {split_named(path.stem, f"qrels/{path.name}"): path for path in files}


def document_of(record: Mapping[str, object], at: str) -> CorpusDocument:
    """A record as a document."""
    return CorpusDocument(
        id=id_in(record, _ID_NAMES, at),
        title=text_in(record, ("title",), at, optional=True),
        text=text_in(record, ("text", "contents", "document", "passage"), at, optional=True),
    )


def query_of(record: Mapping[str, object], at: str) -> CorpusQuery:
    """A record as a query."""
    return CorpusQuery(id=id_in(record, _ID_NAMES, at), text=text_in(record, ("text", "query"), at))


def id_in(record: Mapping[str, object], names: tuple[str, ...], at: str) -> str:
    """An id under the first of some names; whole numbers are taken too."""
    value = _first(record, names)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise invalid(f"{at}.{names[0]}", "must be a text or a whole number")
    return value


def text_in(record: Mapping[str, object], names: tuple[str, ...], at: str, *, optional: bool = False) -> str:
    """A text under the first of some names."""
    value = _first(record, names)
    if value is None and optional:
        return ""
    if not isinstance(value, str):
        raise invalid(f"{at}.{names[0]}", "must be a text")
    return value


def _first(record: Mapping[str, object], names: tuple[str, ...]) -> object:
    return next((record[name] for name in names if record.get(name) is not None), None)
