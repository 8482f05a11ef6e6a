"""A server with a model of its own code: python examples/plugins/registered.py"""

from __future__ import annotations

import sys

import rerankd
from rerankd.app import run
from rerankd.config import load


class SharedWords:
    """Scores a document by the words that it shares with the query."""

    def name(self) -> str:
        return "shared-words"

    def version(self) -> str:
        return "1.0"

    async def rerank(self, query: str, documents: list[str]) -> list[float]:
        wanted = set(query.lower().split())
        return [float(len(wanted & set(document.lower().split()))) for document in documents]


if __name__ == "__main__":
    rerankd.register_backend(SharedWords())
    sys.exit(run(load({"model": "shared-words"})))
