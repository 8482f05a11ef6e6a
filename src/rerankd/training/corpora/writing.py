"""New corpora: written beside, complete or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import brought."""

    documents: int
    queries: int
    judgments: int
    dropped: Mapping[str, int]
    """Judgments that were left out, by reason: `unknown_document`, `unknown_query`, `repeated`."""
