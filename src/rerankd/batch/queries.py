"""Rows as queries with candidates, and rankings as rows: the two shapes of a dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from rerankd.batch.formats import Row
from rerankd.batch.job import Columns, Shape
from rerankd.core.errors import InvalidRequestError, RerankdError
from rerankd.core.types import Document, Ranking, Result

GROUPED_KEY = "key"
GROUPED_ROWS = "rows"
"""Columns of the files that pairs are gathered in: a group, and all its rows."""

RANK, SCORE, ERROR, RESULTS = "rank", "score", "error", "results"

_DOCUMENT_KEYS = frozenset({"text", "fields", "id", "original_score"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query with its candidates, and the rows it came from."""

    text: str
    documents: Sequence[Document]
    rows: Sequence[Row]


class Lists:
    """A row is a query with the list of its documents."""

    def __init__(self, columns: Columns, *, return_documents: bool) -> None:
        self._columns = columns
        self._return_documents = return_documents

    def query(self, row: Row) -> Query:
        """The query of a row; raises InvalidRequestError where it has none, or no documents."""
        documents = _value(row, self._columns.documents)
        if not isinstance(documents, list):
            raise InvalidRequestError(f"{self._columns.documents} is no list", field=self._columns.documents)
        return Query(
            text=_text(row, self._columns.query),
            documents=[
                _document(value, f"{self._columns.documents}[{i}]") for i, value in enumerate(documents)
            ],
            rows=[row],
        )

    def answer(self, row: Row, ranking: Ranking | RerankdError) -> list[Row]:
        """The row with its results in place of its documents, or with the error."""
        kept = {name: value for name, value in row.items() if name != self._columns.documents}
        if isinstance(ranking, RerankdError):
            return [{**kept, RESULTS: [], ERROR: told(ranking)}]
        documents = row[self._columns.documents]
        results = [self._result(result, documents[result.index]) for result in ranking.results]
        return [{**kept, RESULTS: results, ERROR: None}]

    def schema(self, source: pa.Schema) -> pa.Schema:
        """The columns of the results of such columns."""
        fields = [
            ("rank", pa.int32()),
            ("index", pa.int64()),
            ("score", pa.float64()),
            ("id", pa.string()),
        ]
        if self._return_documents:
            fields.append(("document", source.field(self._columns.documents).type.value_type))
        kept = source.remove(source.get_field_index(self._columns.documents))
        return kept.append(pa.field(RESULTS, pa.list_(pa.struct(fields)))).append(
            pa.field(ERROR, pa.string())
        )

    def _result(self, result: Result, document: object) -> Row:
        told_result: Row = {
            "rank": result.rank,
            "index": result.index,
            "score": result.score if result.scored else None,
            "id": result.id or None,
        }
        return {**told_result, "document": document} if self._return_documents else told_result


class Pairs:
    """Rows of one group each bring a document for its query; they come here gathered."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def query(self, row: Row) -> Query:
        """The query of a group; raises InvalidRequestError where its rows disagree about it."""
        rows = rows_of_group(row)
        text = _text(rows[0], self._columns.query)
        if any(each.get(self._columns.query) != text for each in rows):
            raise InvalidRequestError(
                f"rows of the group {row[GROUPED_KEY]!r} have different queries", field=self._columns.query
            )
        documents = [_document(_value(each, self._columns.document), self._columns.document) for each in rows]
        return Query(text=text, documents=documents, rows=rows)

    def answer(self, row: Row, ranking: Ranking | RerankdError) -> list[Row]:
        """The best rows, best first, each with its rank and score; or all of them with the error."""
        rows = rows_of_group(row)
        if isinstance(ranking, RerankdError):
            return [{**each, RANK: None, SCORE: None, ERROR: told(ranking)} for each in rows]
        return [
            {
                **rows[result.index],
                RANK: result.rank,
                SCORE: result.score if result.scored else None,
                ERROR: None,
            }
            for result in ranking.results
        ]

    def schema(self, source: pa.Schema) -> pa.Schema:
        """The columns of the results of such columns."""
        added = ((RANK, pa.int32()), (SCORE, pa.float64()), (ERROR, pa.string()))
        for name, kind in added:
            source = source.append(pa.field(name, kind))
        return source


def shape_of(shape: Shape, columns: Columns, *, return_documents: bool) -> Lists | Pairs:
    """The reading and writing of a shape."""
    if shape == "pairs":
        return Pairs(columns)
    return Lists(columns, return_documents=return_documents)


def rows_of_group(row: Row) -> list[Row]:
    """The rows of a gathered group; those of JSON lines travel as text, so that no value changes its type."""
    rows: list[Row] = [json.loads(each) if isinstance(each, str) else each for each in row[GROUPED_ROWS]]
    return rows


def told(error: RerankdError) -> str:
    """An error in the column `error`."""
    return f"{error.spec.reason}: {error.message}"


def _value(row: Row, column: str) -> object:
    if row.get(column) is None:
        raise InvalidRequestError(f"the row has no {column}", field=column)
    return row[column]


def _text(row: Row, column: str) -> str:
    value = _value(row, column)
    if not isinstance(value, str):
        raise InvalidRequestError(f"{column} is no text", field=column)
    return value


def _document(value: object, field: str) -> Document:
    """A text, or what a document of the API is: text or fields, and optionally id and original_score."""
    if isinstance(value, str):
        return Document(text=value)
    if isinstance(value, Mapping):
        given: dict[str, Any] = {name: each for name, each in value.items() if each is not None}
        if _DOCUMENT_KEYS.issuperset(given) and ("text" in given) != ("fields" in given):
            return Document(**{**given, "id": str(given.get("id", ""))})
    raise InvalidRequestError(f"{field} is neither a text nor an object with text or fields", field=field)
