"""The caller's side of a stream: its messages in order, as chunks for the engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from rerankd.core.errors import DeadlineExceededError, InvalidRequestError, StreamProtocolError
from rerankd.core.stream_events import Chunk
from rerankd.messages import convert
from rerankd.v1 import rerank_service_pb2 as pb

SLICE = 256
"""Documents of a stream that are converted in one turn of the event loop."""


ItemT = TypeVar("ItemT")


async def not_idle(items: AsyncIterator[ItemT], idle_seconds: float) -> AsyncIterator[ItemT]:
    """The same items, as long as the caller is not silent for too long; 0 = they may be.

    Only the time counts in which the next item is waited for: a caller that is held back is not idle.

    Raises:
        DeadlineExceededError: The next item did not come in time.
    """
    iterator = aiter(items)
    while True:
        try:
            async with asyncio.timeout(idle_seconds or None):
                item = await anext(iterator)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise DeadlineExceededError(
                f"the stream brought nothing for {idle_seconds:g} s; end it, or send what it still needs",
                metadata={"limit_seconds": f"{idle_seconds:g}"},
            ) from error
        yield item


async def start_of(messages: AsyncIterator[pb.RerankStreamRequest]) -> pb.RerankStreamStart:
    """The first message of a stream; raises StreamProtocolError for any other than `start`."""
    async for message in messages:
        if message.WhichOneof("message") == "start":
            return message.start
        raise StreamProtocolError("the first message of a stream must be start", field="start")
    raise StreamProtocolError("the stream ended before its start", field="start")


async def chunks_of(
    messages: AsyncIterator[pb.RerankStreamRequest], max_chunk_bytes: int
) -> AsyncIterator[Chunk]:
    """The documents of the messages after `start`.

    Raises:
        StreamProtocolError: A message brings no documents.
        InvalidRequestError: A chunk is too large, or its indexes or a document are wrong.
    """
    following = 0
    async for message in messages:
        kind = message.WhichOneof("message")
        if kind != "documents":
            what = "start came twice" if kind == "start" else "a message is empty"
            raise StreamProtocolError(f"{what}; each message after start brings documents", field="documents")
        chunk = message.documents
        _check_size(chunk, max_chunk_bytes)
        indexes = indexes_of(chunk.index, len(chunk.documents), following)
        following = indexes[-1] + 1 if indexes else following
        # A chunk of very short documents can hold a quarter of a million: the loop must not stand
        # still for all of them.
        for begin in range(0, len(indexes), SLICE):
            part = indexes[begin : begin + SLICE]
            documents = convert.documents_from(chunk.documents[begin : begin + SLICE], part)
            yield Chunk(indexes=part, documents=documents)


def _check_size(chunk: pb.DocumentChunk, max_chunk_bytes: int) -> None:
    size = chunk.ByteSize()
    if size > max_chunk_bytes:
        raise InvalidRequestError(
            f"a chunk has {size} bytes; the limit is {max_chunk_bytes}: send smaller chunks",
            field="documents",
            metadata={"bytes": str(size), "limit": str(max_chunk_bytes)},
        )


def indexes_of(given: Sequence[int], count: int, following: int) -> Sequence[int]:
    """The index of each of `count` documents: the caller's, or counted on from the chunk before.

    Raises:
        InvalidRequestError: There are more or fewer than documents, or they do not ascend.
    """
    if not given:
        return range(following, following + count)
    if len(given) != count:
        raise InvalidRequestError(
            f"index has {len(given)} entries for {count} documents; send one for each, or none",
            field="index",
            metadata={"indexes": str(len(given)), "documents": str(count)},
        )
    least = following
    for index in given:
        if index < least:
            raise InvalidRequestError(
                f"index {index} comes where {least} is the least allowed; "
                "indexes ascend over the whole stream, from 0",
                field="index",
                metadata={"value": str(index), "least": str(least)},
            )
        least = index + 1
    return given[:]
