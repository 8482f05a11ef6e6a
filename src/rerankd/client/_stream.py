"""A stream of the synchronous client."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self

from rerankd.client._calls import event_of, no_summary
from rerankd.client._errors import typed_errors
from rerankd.client._limits import Chunker
from rerankd.client._requests import DocumentLike, check_documents
from rerankd.v1 import rerank_service_pb2 as pb


class Call(Protocol):
    """What a stream needs of gRPC's call object, whose own type is private."""

    def __next__(self) -> pb.RerankStreamResponse: ...

    def cancel(self) -> object:
        """Ends the call at once."""


class RerankStream:
    """A stream under way: iterate it for its events, then ask for the `summary`.

    Documents are read and sent in a thread of their own while the caller reads, as far as the server
    takes them: a caller who stops reading stops the sending too. Leaving the `with` block cancels what
    is not finished. Of one stream, only one thread may read.

    Raises:
        RerankdError: While iterating and from `summary`; the stream ends there. What the iterable of
            documents raises ends the call and comes out in the same places.
    """

    def __init__(self, open_call: Callable[[Iterator[pb.RerankStreamRequest]], Call], feed: Feed) -> None:
        self._feed = feed
        self._summary: pb.RerankResponse | None = None
        with typed_errors():
            self._call = open_call(feed.messages())
        feed.opened(self._call.cancel)
        # A stream that is dropped half-way must not keep the server at work.
        self._close = weakref.finalize(self, self._call.cancel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[pb.ScoreChunk | pb.Snapshot]:
        return self

    def __next__(self) -> pb.ScoreChunk | pb.Snapshot:
        while True:
            message = self._read()
            if message is None:
                raise StopIteration
            if message.HasField("summary"):
                self._summary = message.summary
            if (event := event_of(message)) is not None:
                return event

    def summary(self) -> pb.RerankResponse:
        """The final ranking; reads and drops the events that are still to come."""
        for _ in self:
            pass
        if self._summary is None:
            raise no_summary()
        return self._summary

    def close(self) -> None:
        """Cancels what is not finished. The thread that reads the documents ends after its next one."""
        self._feed.stop()
        self._close()

    def _read(self) -> pb.RerankStreamResponse | None:
        try:
            with typed_errors():
                return next(self._call, None)
        except Exception:
            if self._feed.failure is not None:
                raise self._feed.failure from None
            raise


class Feed:
    """The caller's side of a stream; gRPC iterates it in a thread of its own."""

    def __init__(
        self, start: pb.RerankStreamRequest, documents: Iterable[DocumentLike], chunker: Chunker
    ) -> None:
        check_documents(documents)
        self._start = start
        self._documents = documents
        self._chunker = chunker
        self._stopped = False
        self._opened = threading.Event()
        self._cancel: Callable[[], object] = lambda: None
        self.failure: BaseException | None = None
        """What the documents' iterable, or one of its documents, raised."""

    def opened(self, cancel: Callable[[], object]) -> None:
        """Says how to cancel the call, once it exists."""
        self._cancel = cancel
        self._opened.set()

    def stop(self) -> None:
        """Lets the iterable of documents go at its next item."""
        self._stopped = True

    def messages(self) -> Iterator[pb.RerankStreamRequest]:
        """Start, then chunks. A failing iterable cancels the call: half of it is not the whole."""
        yield self._start
        try:
            for document in self._documents:
                if self._stopped:
                    return
                yield from self._chunker.add(document)
            yield from self._chunker.flush()
        except GeneratorExit:
            raise
        except BaseException as error:
            # gRPC's thread would die of a SystemExit without a word, and the reader would wait for ever.
            self.failure = error
            self._opened.wait()
            self._cancel()
