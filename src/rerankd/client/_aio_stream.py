"""A stream of the aio client."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
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
from rerankd.client._calls import no_summary
from rerankd.client._errors import CancelledError, RerankdError
from rerankd.client._limits import Chunker
from rerankd.client._requests import DocumentLike
from rerankd.client._stream_state import Event, StreamState
from rerankd.v1 import rerank_service_pb2 as pb

logger = logging.getLogger(__name__)

Documents = AsyncGenerator[DocumentLike, None]
OpenCall = Callable[[float | None], Call]
"""Starts a call with this timeout in seconds."""

# An iterable that never waits would keep the event loop for a whole window of documents.
_READS_IN_A_ROW = 128


class AsyncRerankStream:
    """A stream under way: iterate it for its events, then await the `summary`.

    Tasks of its own read and send the documents while the caller reads, as far as the server takes them.
    Leaving the `async with` block cancels what is not finished and waits for those tasks. An interrupted
    stream goes on, as `RerankStream` tells.

    Raises:
        RerankdError: While iterating and from `summary`; the stream ends there. What the iterable of
            documents raises ends the call and comes out in the same places.
    """

    def __init__(
        self, open_call: OpenCall, make_state: Callable[[], Awaitable[StreamState]], documents: Documents
    ) -> None:
        self._open_call = open_call
        self._make_state = make_state
        self._documents = documents
        self._state: StreamState | None = None
        self._source: _Source | None = None
        self._attempt: _Attempt | None = None
        self._closed = asyncio.Event()
        self._events: deque[Event] = deque()

    async def __aenter__(self) -> Self:
        await self._opened()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        state = await self._opened()
        while not self._events:
            if state.response is not None:
                await self.close()
                raise StopAsyncIteration
            await self._advance(state)
        return self._events.popleft()

    @property
    def resumes(self) -> int:
        """How often the stream was interrupted and opened again so far."""
        return 0 if self._state is None else self._state.resumes

    async def summary(self) -> pb.RerankResponse:
        """The final ranking; reads and drops the events that are still to come."""
        async for _ in self:
            pass
        if self._state is None or self._state.response is None:
            raise no_summary()
        return self._state.response

    async def close(self) -> None:
        """Cancels what is not finished, and waits for the tasks that read and send the documents."""
        self._closed.set()
        if self._attempt is not None:
            await self._attempt.end()
        if self._source is not None:
            await self._source.end()

    async def _opened(self) -> StreamState:
        if self._state is None:
            self._state = await self._make_state()
        if self._source is None:
            self._source = _Source(self._state, self._documents)
            self._attempt = _Attempt(self._open_call, self._state, self._source)
        return self._state

    async def _advance(self, state: StreamState) -> None:
        """Takes one message of the server, or deals with the end of an attempt."""
        assert self._attempt is not None  # noqa: S101 - made with the state
        assert self._source is not None  # noqa: S101
        try:
            message = await self._read(self._attempt)
            self._events.extend(state.events(message))
            self._source.changed.set()
        except RerankdError as error:
            if self._source.failure is not None:
                raise self._source.failure from None
            await self._after(error, state, self._attempt, self._source)

    async def _read(self, attempt: _Attempt) -> pb.RerankStreamResponse:
        try:
            message = await attempt.responses.next()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # gRPC reports its own cancelled call like a cancelled task, which this one is not.
            raise CancelledError("the stream was closed while it was read") from None
        if message is None:
            raise no_summary()
        return message

    async def _after(
        self, error: RerankdError, state: StreamState, attempt: _Attempt, source: _Source
    ) -> None:
        delay = state.after_failure(error)
        await attempt.end()
        if delay is not None:
            logger.info("the stream was interrupted (%s); going on in %.1f s", error, delay)
            if await _happens(self._closed, delay):
                raise CancelledError("the stream was closed while it was read") from error
            self._attempt = _Attempt(self._open_call, state, source)
        elif state.response is None:
            await source.read_rest()
            state.pass_through(error)


class _Source:
    """The caller's documents: one task reads them, under a bound on those without a score."""

    def __init__(self, state: StreamState, documents: Documents) -> None:
        self._state = state
        self._documents = documents
        self._pass_through = False
        self.changed = asyncio.Event()
        """Set when documents were scored or are not wanted any more; the reader waits on it."""
        self.arrived = asyncio.Event()
        """Set when the reader stops to wait or has ended; whoever sends waits on it."""
        self.failure: BaseException | None = None
        """What the documents' iterable, or one of its documents, raised."""
        self.cancel_call: Callable[[], object] = lambda: None
        self._reader = asyncio.create_task(self._read(), name="rerank-stream-reader")

    async def end(self) -> None:
        """Stops the reader."""
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def read_rest(self) -> None:
        """Reads what is left, for an answer in the original order."""
        self._pass_through = True
        self.changed.set()
        await asyncio.gather(self._reader, return_exceptions=True)
        if self.failure is not None:
            raise self.failure

    async def _read(self) -> None:
        """A failing iterable cancels the call: half of it is not the whole."""
        try:
            async with aclosing(self._documents) as documents:
                async for document in documents:
                    await self._take(document)
            self._state.exhausted = True
        except BaseException as error:
            self.failure = error
            self.cancel_call()
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            self.arrived.set()

    async def _take(self, document: DocumentLike) -> None:
        if self._pass_through:
            self._state.take_unsent(document)
            return
        self._state.take(document)
        self.arrived.set()
        if self._state.received % _READS_IN_A_ROW == 0:
            await asyncio.sleep(0)
        while not self._state.has_room() and not self._pass_through:
            self.changed.clear()
            await self.changed.wait()


class _Attempt:
    """One call of a stream, with the task that sends."""

    def __init__(self, open_call: OpenCall, state: StreamState, source: _Source) -> None:
        self._state = state
        self._source = source
        self._chunker: Chunker = state.new_chunker()
        try:
            self._call = open_call(state.remaining_seconds())
        except grpc.aio.UsageError as error:
            raise CancelledError("the client was closed while the stream was read") from error
        source.cancel_call = self._call.cancel
        self.responses = Responses(self._call)
        self._writer = asyncio.create_task(self._write(), name="rerank-stream-writer")

    async def end(self) -> None:
        """Cancels the call and waits for the task that sends."""
        self._call.cancel()
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)

    async def _write(self) -> None:
        try:
            await self._send([self._state.start_message])
            cursor = -1
            while self._source.failure is None:
                for index, document in self._state.unscored_after(cursor):
                    await self._send(self._chunker.add(index, document))
                    cursor = index
                if self._state.exhausted and not self._state.unscored_after(cursor):
                    await self._send(self._chunker.flush())
                    await self._call.done_writing()
                    return
                if not self._state.has_room():
                    await self._send(self._chunker.flush())
                self._source.arrived.clear()
                if not self._state.unscored_after(cursor) and not self._state.exhausted:
                    await self._source.arrived.wait()
        except _CallEndedError:
            return

    async def _send(self, messages: Iterable[pb.RerankStreamRequest]) -> None:
        for message in messages:
            try:
                await self._call.write(message)
            except (grpc.RpcError, asyncio.InvalidStateError) as error:
                raise _CallEndedError from error
            if self._call.done():
                raise _CallEndedError


class _CallEndedError(Exception):
    """The call ended while documents were still being sent; who reads it learns why."""


async def _happens(event: asyncio.Event, within_seconds: float) -> bool:
    """Whether the event is set within a time."""
    try:
        async with asyncio.timeout(within_seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


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
