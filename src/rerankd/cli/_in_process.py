"""Ranking without a server: the server's engine, run once in this process."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from rerankd.cli._failure import server_packages
from rerankd.cli._progress import stage_bars
from rerankd.cli._settings import usable_models
from rerankd.client import Document, RerankKeywords, RerankResponse, rerank_request

if TYPE_CHECKING:
    from rerankd.config import Config
    from rerankd.core.engine import Engine, Request
    from rerankd.core.stream_events import Chunk
    from rerankd.core.types import Ranking

CHUNK_DOCUMENTS = 128


def rerank_in_process(
    config: Config,
    query: str,
    documents: Iterator[Document],
    timeout_seconds: float | None,
    options: RerankKeywords,
) -> RerankResponse:
    """Loads the configured model and ranks with it; the timeout begins when it is loaded.

    Raises:
        Failure: The packages of the server are not installed.
        rerankd.core.errors.RerankdError: The model cannot be loaded, or the request is refused.
    """
    with server_packages():
        from rerankd.assembly import build_engine
        from rerankd.messages import convert

    async def run() -> RerankResponse:
        with usable_models():
            engine = build_engine(config)
        try:
            await _load(engine)
            ranking = await _rank(
                engine,
                # The same path from keywords to options as through a server.
                convert.request_from(rerank_request(query, **options)),
                documents,
                None if timeout_seconds is None else time.monotonic() + timeout_seconds,
            )
            return convert.response_from(ranking)
        finally:
            await engine.registry.close()
            engine.close()

    return asyncio.run(run())


async def _load(engine: Engine) -> None:
    with stage_bars() as report:
        async for event in engine.registry.follow(engine.registry.canonical("")):
            report(event.stage.value, event.progress, event.detail)


async def _rank(
    engine: Engine, request: Request, documents: Iterator[Document], deadline: float | None
) -> Ranking:
    """By one request if the documents fit one, else by a stream."""
    from rerankd.core.engine import Request
    from rerankd.core.stream_events import StreamRequest
    from rerankd.core.types import Caller, Ranking
    from rerankd.messages import convert

    caller = Caller(client="cli", deadline=deadline)
    first = list(itertools.islice(documents, engine.limits.max_documents + 1))
    if len(first) <= engine.limits.max_documents:
        everything = convert.documents_from(first)
        return await engine.rerank(
            Request(query=request.query, documents=everything, options=request.options), caller
        )
    stream = StreamRequest(query=request.query, options=request.options)
    chunks = _chunks(itertools.chain(first, documents))
    # A stream that emits nothing else has one event, its ranking.
    (ranking,) = [event async for event in engine.rerank_stream(stream, chunks, caller)]
    assert isinstance(ranking, Ranking)  # noqa: S101 - tells the type checker
    return ranking


async def _chunks(documents: Iterator[Document]) -> AsyncIterator[Chunk]:
    from rerankd.core.stream_events import Chunk
    from rerankd.messages import convert

    count = 0
    while messages := list(itertools.islice(documents, CHUNK_DOCUMENTS)):
        indexes = range(count, count + len(messages))
        yield Chunk(indexes=indexes, documents=convert.documents_from(messages, indexes))
        count += len(messages)
