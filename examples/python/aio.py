"""Ranks for several queries at once, without threads: python examples/python/aio.py [TARGET]."""

from __future__ import annotations

import asyncio
import sys

from rerankd.client import AsyncClient

QUERIES = ("what causes high blood pressure", "where does electricity come from")
DOCUMENTS = [
    "Power plants burn coal or gas to make electricity.",
    "Too much salt, little exercise and alcohol raise the blood pressure.",
]


async def main(target: str) -> None:
    async with AsyncClient(target) as client:
        responses = await asyncio.gather(*(client.rerank(query, DOCUMENTS, top_n=1) for query in QUERIES))
    for query, response in zip(QUERIES, responses, strict=True):
        best = response.results[0]
        print(f"{query}: {DOCUMENTS[best.index]} ({best.score:.4f})")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051"))
