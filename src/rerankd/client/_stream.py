"""A stream of the synchronous client."""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self

from rerankd.client._calls import no_summary
from rerankd.client._errors import CancelledError, RerankdError, typed_errors
from rerankd.client._limits import Chunker
from rerankd.client._requests import DocumentLike, check_documents
from rerankd.client._stream_ranking import Entry
from rerankd.client._stream_state import Event, StreamState
from rerankd.v1 import rerank_service_pb2 as pb

logger = logging.getLogger(__name__)


class Call(Protocol):
    """What a stream needs of gRPC's call object, whose own type is private."""

    def __next__(self) -> pb.RerankStreamResponse: ...

    def cancel(self) -> object:
        """Ends the call at once."""


OpenCall = Callable[[Iterator[pb.RerankStreamRequest], float | None], Call]
"""Starts a call with these messages and this timeout in seconds."""


class RerankStream:
    """A stream under way: iterate it for its events, then ask for the `summary`.

    Documents are read and sent in a thread of their own while the caller reads, as far as the server
    takes them: a caller who stops reading stops the sending too. Leaving the `with` block cancels what
    is not finished. Of one stream, only one thread may read.

    A stream that is interrupted, because its server restarts or the connection breaks, is opened again
    for the documents that have no score yet. The answer is that of a stream without interruption.

    Raises:
        RerankdError: While iterating and from `summary`; the stream ends there. What the iterable of
            documents raises ends the call and comes out in the same places.
    """

    def __init__(self, open_call: OpenCall, state: StreamState, documents: Iterable[DocumentLike]) -> None:
        check_documents(documents)
        self._state = state
        self._source = _Source(state, documents)
        self._attempts = _Attempts(open_call, state, self._source)
        self._events: deque[Event] = deque()
        # A stream that is dropped half-way must not keep the server at work.
        self._close = weakref.finalize(self, self._attempts.close)
        self._attempts.open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        while not self._events:
            if self._state.response is not None:
                self._close()
                raise StopIteration
            self._advance()
        return self._events.popleft()

    @property
    def resumes(self) -> int:
        """How often the stream was interrupted and opened again so far."""
        return self._state.resumes

    def summary(self) -> pb.RerankResponse:
        """The final ranking; reads and drops the events that are still to come."""
        for _ in self:
            pass
        if self._state.response is None:
            raise no_summary()
        return self._state.response

    def close(self) -> None:
        """Cancels what is not finished. The thread that reads the documents ends after its next one."""
        self._close()

    def _advance(self) -> None:
        """Takes one message of the server, or deals with the end of an attempt."""
        try:
            message = self._attempts.read()
            with self._source.condition:
                self._events.extend(self._state.events(message))
                self._source.condition.notify_all()
        except RerankdError as error:
            self._after(error)

    def _after(self, error: RerankdError) -> None:
        if self._source.failure is not None:
            raise self._source.failure from None
        with self._source.condition:
            try:
                delay = self._state.after_failure(error)
            except RerankdError:
                self.close()
                raise
        if delay is not None:
            logger.info("the stream was interrupted (%s); going on in %.1f s", error, delay)
            self._attempts.reopen(delay, error)
        elif self._state.response is None:
            self._attempts.close()
            self._source.read_rest()
            self._state.pass_through(error)


class _Source:
    """The caller's documents: read by one thread at a time, under a bound on those without a score."""

    def __init__(self, state: StreamState, documents: Iterable[DocumentLike]) -> None:
        self._state = state
        self._documents = iter(documents)
        self._reading = threading.Lock()
        self.condition = threading.Condition()
        """Guards the state; notified when documents were scored, read, or are not wanted any more."""
        self.failure: BaseException | None = None
        """What the documents' iterable, or one of its documents, raised."""

    def read_more(self, attempt: Attempt) -> bool:
        """Reads the next document into the state; False at their end or when the attempt has ended.

        Waits while another thread reads, which a former attempt may have left in the iterable.
        """
        with self._reading:
            with self.condition:
                if attempt.ended or self._state.exhausted or self._state.unscored_after(attempt.cursor):
                    return not attempt.ended and not self._state.exhausted
            document = next(self._documents, None)
            with self.condition:
                if document is None:
                    self._state.exhausted = True
                else:
                    self._state.take(document)
                return document is not None

    def wait_for_room(self, attempt: Attempt) -> None:
        """Returns when another document may be read, or the attempt has ended."""
        with self.condition:
            self.condition.wait_for(lambda: attempt.ended or self._state.has_room())

    def read_rest(self) -> None:
        """Reads what is left, for an answer in the original order."""
        with self._reading:
            for document in self._documents:
                self._state.take_unsent(document)
            self._state.exhausted = True


class Attempt:
    """One call of a stream: the messages that gRPC sends in a thread of its own."""

    def __init__(self, state: StreamState, source: _Source) -> None:
        self._state = state
        self._source = source
        self._chunker: Chunker = state.new_chunker()
        self._opened = threading.Event()
        self._call: Call | None = None
        self.cursor = -1
        """Index of the last document that was packed."""
        self.ended = False

    def opened(self, call: Call) -> None:
        """Says which call this is, once it exists."""
        self._call = call
        self._opened.set()

    def read(self) -> pb.RerankStreamResponse:
        """The next message of the server."""
        assert self._call is not None  # noqa: S101 - opened before anyone reads
        with typed_errors():
            message = next(self._call, None)
        if message is None:
            raise no_summary()
        return message

    def end(self) -> None:
        """Cancels the call, and lets the iterable of documents go at its next item."""
        with self._source.condition:
            self.ended = True
            self._source.condition.notify_all()
        if self._call is not None:
            self._call.cancel()

    def messages(self) -> Iterator[pb.RerankStreamRequest]:
        """Start, then chunks. A failing iterable cancels the call: half of it is not the whole."""
        yield self._state.start_message
        try:
            yield from self._chunks()
        except GeneratorExit:
            raise
        except BaseException as error:
            # gRPC's thread would die of a SystemExit without a word, and the reader would wait for ever.
            self._source.failure = error
            self._opened.wait()
            self.end()

    def _chunks(self) -> Iterator[pb.RerankStreamRequest]:
        while not self.ended:
            for index, document in self._unsent():
                yield from self._chunker.add(index, document)
                self.cursor = index
            if not self._state.has_room():
                yield from self._chunker.flush()
                self._source.wait_for_room(self)
            elif not self._source.read_more(self) and not self._unsent():
                break
        if not self.ended:
            yield from self._chunker.flush()

    def _unsent(self) -> list[Entry]:
        with self._source.condition:
            return self._state.unscored_after(self.cursor)


class _Attempts:
    """The attempts of a stream, one after the other. Does not know the stream, which may be dropped."""

    def __init__(self, open_call: OpenCall, state: StreamState, source: _Source) -> None:
        self._open_call = open_call
        self._state = state
        self._source = source
        self._current: Attempt | None = None
        self._closed = threading.Event()

    def open(self) -> None:
        """Starts the next attempt."""
        attempt = self._current = Attempt(self._state, self._source)
        try:
            with typed_errors():
                attempt.opened(self._open_call(attempt.messages(), self._state.remaining_seconds()))
        except ValueError as error:
            raise CancelledError("the client was closed while the stream was read") from error
        if self._closed.is_set():
            attempt.end()

    def reopen(self, delay_seconds: float, error: RerankdError) -> None:
        """Ends the attempt and starts the next one after a delay; raises if the stream is closed first."""
        if self._current is not None:
            self._current.end()
        if self._closed.wait(delay_seconds):
            raise CancelledError("the stream was closed while it was read") from error
        self.open()

    def read(self) -> pb.RerankStreamResponse:
        """The next message of the server."""
        assert self._current is not None  # noqa: S101 - opened with the stream
        return self._current.read()

    def close(self) -> None:
        """Ends the attempt, for good."""
        self._closed.set()
        if self._current is not None:
            self._current.end()
