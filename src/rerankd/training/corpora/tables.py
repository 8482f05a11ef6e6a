"""Corpora out of tables: JSON lines or Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSources:
    """Files of one corpus: .jsonl, .jsonl.gz or .parquet. Either `documents` and `queries`, or `pairs`."""

    documents: Path | None = None
    """Columns `_id` or `id`, `title`, `text`."""
    queries: Path | None = None
    """Columns `_id` or `id`, `text` or `query`."""
    judgments: Mapping[str, Path] = field(default_factory=dict)
    """By split. Columns `query-id` or `query_id`, `corpus-id` or `document_id`, `score` or `label`."""
    pairs: Path | None = None
    """Rows of a query's text, a document's text and a label (columns `query`, `document` or `passage`,
    `label`; optional: `query_id`, `document_id`, `title`, `split`). Without ids, equal texts are one."""
