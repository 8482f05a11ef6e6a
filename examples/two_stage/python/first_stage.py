"""The first stage: BM25 of SQLite's full-text index, which comes with Python."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping


class FirstStage:
    """A full-text index in memory; give `sqlite3.connect` a file instead to keep it."""

    def __init__(self, documents: Iterable[Mapping[str, str]]) -> None:
        self._database = sqlite3.connect(":memory:")
        self._database.execute(
            "CREATE VIRTUAL TABLE documents USING fts5(id UNINDEXED, text, tokenize = 'porter unicode61')"
        )
        self._database.executemany("INSERT INTO documents (id, text) VALUES (:id, :text)", documents)

    def best(self, query: str, limit: int) -> list[dict[str, str]]:
        """The documents that share a word with the query, best BM25 first; of equals the one added first."""
        rows = self._database.execute(
            "SELECT id, text FROM documents WHERE documents MATCH ? ORDER BY bm25(documents), rowid LIMIT ?",
            (any_word_of(query), limit),
        )
        return [{"id": id_, "text": text} for id_, text in rows]

    def close(self) -> None:
        self._database.close()


def any_word_of(query: str) -> str:
    """The query for FTS5. Words are quoted, so that AND or a hyphen in a query is no operator."""
    return " OR ".join(f'"{word}"' for word in re.findall(r"\w+", query))
