"""Streams of both Python clients, called alike."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from rerankd.client import AsyncClient, Client, ClientOptions, RerankResponse

QUERY = "red river stone"
WORDS = ("red", "river", "stone", "light", "salt")

BOTH = pytest.mark.parametrize("kind", ["sync", "aio"])


def documents(count: int) -> list[dict[str, object]]:
    """Many have equal scores, so that ties show."""
    return [
        {"id": f"d{i}", "text": " ".join(WORDS[(i // 3**k) % 5] for k in range(i % 4)), "original_score": i}
        for i in range(count)
    ]


def call(
    kind: str, target: str, docs: Sequence[Any], **options: Any
) -> tuple[RerankResponse, list[Any], int]:
    """Summary, events and number of resumes of a stream of one of the clients."""
    if kind == "sync":
        with Client(target, ClientOptions(**options.pop("client", {}))) as client:
            stream = client.rerank_stream(QUERY, docs, chunk_documents=4, **options)
            with stream:
                events = list(stream)
            return stream.summary(), events, stream.resumes
    return asyncio.run(_acall(target, docs, **options))


async def _acall(target: str, docs: Sequence[Any], **options: Any) -> tuple[RerankResponse, list[Any], int]:
    async with (
        AsyncClient(target, ClientOptions(**options.pop("client", {}))) as client,
        client.rerank_stream(QUERY, docs, chunk_documents=4, **options) as stream,
    ):
        events = [event async for event in stream]
        return await stream.summary(), events, stream.resumes


def comparable(response: RerankResponse) -> RerankResponse:
    """Without what a broken stream takes with it."""
    copy = RerankResponse()
    copy.CopyFrom(response)
    copy.ClearField("timing")
    copy.usage.tokens = 0
    return copy
