"""A stream of the aio client."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Sequence,
)
from contextlib import aclosing
from types import TracebackType
from typing import Self

import grpc

from rerankd.client._aio_responses import Call, Responses
from rerankd.client._calls import event_of, no_summary
from rerankd.client._errors import CancelledError
from rerankd.client._limits import Chunker
from rerankd.client._requests import DocumentLike
from rerankd.v1 import rerank_service_pb2 as pb

Documents = AsyncGenerator[DocumentLike, None]


class AsyncRerankStream:
    """A stream under way: iterate it for its events, then await the `summary`.

    A task of its own reads and sends the documents while the caller reads, as far as the server takes
    them. Leaving the `async with` block cancels what is not finished and waits for that task.

    Raises:
        RerankdError: While iterating and from `summary`; the stream ends there. What the iterable of
            documents raises ends the call and comes out in the same places.
    """

    def __init__(
        self,
        open_call: Callable[[], Call],
        start: pb.RerankStreamRequest,
        documents: Documents,
        make_chunker: Callable[[], Awaitable[Chunker]],
    ) -> None:
        self._open_call = open_call
        self._start = start
        self._documents = documents
        self._make_chunker = make_chunker
        self._call: Call | None = None
        self._responses: Responses | None = None
        self._writer: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._summary: pb.RerankResponse | None = None

    async def __aenter__(self) -> Self:
        self._opened()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[pb.ScoreChunk | pb.Snapshot]:
        return self

    async def __anext__(self) -> pb.ScoreChunk | pb.Snapshot:
        while True:
            message = await self._read()
            if message is None:
                raise StopAsyncIteration
            if message.HasField("summary"):
                self._summary = message.summary
            if (event := event_of(message)) is not None:
                return event

    async def summary(self) -> pb.RerankResponse:
        """The final ranking; reads and drops the events that are still to come."""
        async for _ in self:
            pass
        if self._summary is None:
            raise no_summary()
        return self._summary

    async def close(self) -> None:
        """Cancels what is not finished, and waits for the task that reads the documents."""
        if self._call is None or self._writer is None:
            return
        self._call.cancel()
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)

    def _opened(self) -> Responses:
        if self._responses is None:
            self._call = self._open_call()
            self._responses = Responses(self._call)
            self._writer = asyncio.create_task(self._write(self._call), name="rerank-stream-writer")
        return self._responses

    async def _read(self) -> pb.RerankStreamResponse | None:
        try:
            return await self._opened().next()
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            if self._failure is not None:
                raise self._failure from None
            # gRPC reports its own cancelled call like a cancelled task, which this one is not.
            if isinstance(error, asyncio.CancelledError):
                raise CancelledError("the stream was closed while it was read") from None
            raise

    async def _write(self, call: Call) -> None:
        """Sends start, then chunks. A failing iterable cancels the call: half of it is not the whole."""
        try:
            chunker = await self._make_chunker()
            await _send(call, [self._start])
            async with aclosing(self._documents) as documents:
                async for document in documents:
                    await _send(call, chunker.add(document))
            await _send(call, chunker.flush())
            await call.done_writing()
        except _CallEndedError:
            return
        except BaseException as error:
            self._failure = error
            call.cancel()
            if isinstance(error, asyncio.CancelledError):
                raise


class _CallEndedError(Exception):
    """The call ended while documents were still being sent; who reads it learns why."""


async def _send(call: Call, messages: Iterable[pb.RerankStreamRequest]) -> None:
    for message in messages:
        try:
            await call.write(message)
        except (grpc.RpcError, asyncio.InvalidStateError) as error:
            raise _CallEndedError from error
        if call.done():
            raise _CallEndedError


async def each(documents: Iterable[DocumentLike] | AsyncIterable[DocumentLike]) -> Documents:
    """The documents of either kind of iterable."""
    if isinstance(documents, AsyncIterable):
        async for document in documents:
            yield document
    else:
        for document in documents:
            yield document


async def chained(first: Sequence[DocumentLike], rest: Documents) -> Documents:
    """The documents that were read already, then the others."""
    for document in first:
        yield document
    async with aclosing(rest):
        async for document in rest:
            yield document
