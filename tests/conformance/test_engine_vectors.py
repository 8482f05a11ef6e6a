"""The vectors through the engine in this process: the doors' conversion, but no socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf import json_format
from vectors import Answer, Failed, check, check_events, each, kind_of, request_of

from rerankd.assembly import build_engine
from rerankd.config import Config
from rerankd.core.engine import Engine
from rerankd.core.errors import RerankdError
from rerankd.core.stream_events import Scores
from rerankd.core.types import Ranking
from rerankd.messages import convert
from rerankd.messages.stream_input import chunks_of, start_of
from rerankd.v1 import rerank_service_pb2 as pb

# An engine belongs to the event loop that first used it.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[Engine]:
    engine = build_engine(Config())
    yield engine
    await engine.registry.close()
    engine.close()


class Told:
    """The messages of a stream as the door hands them on."""

    def __init__(self, messages: Sequence[pb.RerankStreamRequest]) -> None:
        self._messages = iter(messages)

    def __aiter__(self) -> AsyncIterator[pb.RerankStreamRequest]:
        return self

    async def __anext__(self) -> pb.RerankStreamRequest:
        for message in self._messages:
            return message
        raise StopAsyncIteration


async def streamed(engine: Engine, messages: Sequence[pb.RerankStreamRequest]) -> tuple[list[Any], Ranking]:
    told = Told(messages)
    request = convert.stream_request_from(await start_of(told))
    events: list[Any] = [
        event async for event in engine.rerank_stream(request, chunks_of(told, engine.limits.max_chunk_bytes))
    ]
    ranking = events.pop()
    assert isinstance(ranking, Ranking)
    told_events = [
        convert.scores_from(e).scores if isinstance(e, Scores) else convert.snapshot_from(e).snapshot
        for e in events
    ]
    return told_events, ranking


def stream_messages(vector: Mapping[str, Any]) -> list[pb.RerankStreamRequest]:
    request = request_of(vector, "rerank_stream")
    emit = pb.StreamEmit.Value(f"STREAM_EMIT_{vector.get('emit', 'summary_only').upper()}")
    start = pb.RerankStreamStart(query=request.query, options=request.options, emit=emit)
    if "snapshot_interval_seconds" in vector:
        start.snapshot_interval.FromMilliseconds(round(vector["snapshot_interval_seconds"] * 1000))
    size = vector.get("chunk_documents", 128)
    return [
        pb.RerankStreamRequest(start=start),
        *(
            pb.RerankStreamRequest(documents=pb.DocumentChunk(documents=request.documents[i : i + size]))
            for i in range(0, len(request.documents), size)
        ),
    ]


async def answer_of(engine: Engine, vector: Mapping[str, Any]) -> Answer:
    match kind := kind_of(vector):
        case "stream_messages":
            messages = [json_format.ParseDict(m, pb.RerankStreamRequest()) for m in vector[kind]]
            return convert.response_from((await streamed(engine, messages))[1])
        case "rerank_stream":
            events, ranking = await streamed(engine, stream_messages(vector))
            answer = convert.response_from(ranking)
            check_events(vector, events, answer)
            return answer
    return convert.response_from(await engine.rerank(convert.request_from(request_of(vector, kind))))


def fits_the_engine(vector: Mapping[str, Any]) -> bool:
    """Whether the engine alone can run a vector; the rest is the work of doors and clients."""
    kind = kind_of(vector)
    options = vector[kind].get("options", {}) if kind in ("rerank_all", "rerank_stream") else {}
    is_put_together_by_the_door = kind == "rerank_batch"
    is_split_by_the_client = kind == "rerank_all" and vector.get("generate", {}).get("count", 0) > 1024
    needs_the_clients_memory = (
        kind == "rerank_stream" and bool(options.get("return_documents")) and not options.get("top_n")
    )
    return not (is_put_together_by_the_door or is_split_by_the_client or needs_the_clients_memory)


@each(fits_the_engine)
async def test_the_engine_agrees(engine: Engine, vector: dict[str, Any]) -> None:
    try:
        answer = await answer_of(engine, vector)
    except RerankdError as error:
        answer = Failed(
            code=error.spec.grpc,
            reason=error.spec.reason,
            metadata=error.metadata,
            fields=[error.field] if error.field else [],
        )
    check(vector, answer)
