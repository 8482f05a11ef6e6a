"""The rows of a part through the engine, several queries side by side."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from rerankd.batch.formats import Row
from rerankd.batch.queries import Lists, Pairs, Query
from rerankd.core.engine import Engine, Request
from rerankd.core.errors import InvalidRequestError, RerankdError
from rerankd.core.stream_events import Chunk, StreamRequest
from rerankd.core.types import Caller, Document, FailureMode, Options, Priority, Ranking

CHUNK_DOCUMENTS = 128

# Nobody waits for an answer: a part takes as long as it takes.
_CALLER = Caller(client="batch", deadline=math.inf)


@dataclass(slots=True, kw_only=True)
class Ranked:
    """The results of a part."""

    rows: list[Row]
    queries: int = 0
    documents: int = 0
    errors: int = 0
    models: set[str] = field(default_factory=set)
    """Model and revision of the scores; of a part without any, none."""


async def rank_rows(
    engine: Engine, rows: Sequence[Row], shape: Lists | Pairs, options: Options, concurrent_queries: int
) -> Ranked:
    """Ranks each row's query; one that cannot be ranked as it is has its error in its result.

    Raises:
        RerankdError: The model failed, for no fault of a row.
    """
    room = asyncio.Semaphore(concurrent_queries)

    async def outcome(row: Row) -> tuple[Ranking | RerankdError, int]:
        async with room:
            try:
                query = shape.query(row)
                return await _rank(engine, query, options), len(query.documents)
            except InvalidRequestError as error:
                return error, 0

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(outcome(row)) for row in rows]
    ranked = Ranked(rows=[])
    for row, task in zip(rows, tasks, strict=True):
        ranking, documents = task.result()
        ranked.rows += shape.answer(row, ranking)
        ranked.queries += 1
        ranked.documents += documents
        if isinstance(ranking, RerankdError):
            ranked.errors += 1
        else:
            ranked.models.add(f"{ranking.model.id}@{ranking.model.revision}")
    return ranked


async def _rank(engine: Engine, query: Query, options: Options) -> Ranking:
    """By one request if the documents fit one, else by a stream, which keeps as many results as it may."""
    # A ranking that is none would be found in the results only much later.
    options = replace(options, priority=Priority.BULK, on_failure=FailureMode.FAIL)
    if len(query.documents) <= engine.limits.max_documents:
        return await engine.rerank(
            Request(query=query.text, documents=query.documents, options=options), _CALLER
        )
    stream = StreamRequest(query=query.text, options=options)
    # A stream that emits nothing else has one event, its ranking.
    (ranking,) = [event async for event in engine.rerank_stream(stream, _chunks(query.documents), _CALLER)]
    assert isinstance(ranking, Ranking)  # noqa: S101 - tells the type checker
    return ranking


async def _chunks(documents: Sequence[Document]) -> AsyncIterator[Chunk]:
    for start in range(0, len(documents), CHUNK_DOCUMENTS):
        part = documents[start : start + CHUNK_DOCUMENTS]
        yield Chunk(indexes=range(start, start + len(part)), documents=part)
