"""The client for asyncio: the same calls as `Client`, awaited."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

import grpc

from rerankd.client._aio_stream import AsyncRerankStream, chained, each
from rerankd.client._calls import (
    HEALTH_CHECK,
    HEALTH_WATCH,
    READY_SERVICE,
    WARMUP_TIMEOUT_SECONDS,
    WATCH_AGAIN_SECONDS,
    CallPolicy,
    final_status,
    health_request,
    is_serving,
    not_ready,
)
from rerankd.client._errors import DeadlineExceededError, RerankdError, UnavailableError, typed_errors
from rerankd.client._feedback import feedback_request
from rerankd.client._limits import UnaryBudget
from rerankd.client._options import ClientOptions
from rerankd.client._requests import (
    DocumentLike,
    Emit,
    RerankKeywords,
    batch_request,
    check_documents,
    document_message,
    rerank_request,
    stream_start,
)
from rerankd.client._stream_state import StreamState
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub

if TYPE_CHECKING:
    from rerankd.training.v1alpha.training_service_pb2 import FeedbackEvent, RecordFeedbackResponse

logger = logging.getLogger(__name__)


class AsyncClient:
    """Calls a rerankd server from one event loop; make it there, and close it or use `async with`.

    Methods, keywords and errors are those of `Client`, which documents them.
    """

    def __init__(self, target: str, options: ClientOptions | None = None) -> None:
        """Prepares a channel; connects at the first call. See `Client`."""
        options = options or ClientOptions()
        credentials = options.credentials()
        arguments = options.channel_arguments()
        self._channel = (
            grpc.aio.insecure_channel(target, arguments)
            if credentials is None
            else grpc.aio.secure_channel(target, credentials, arguments)
        )
        self._stub = RerankServiceStub(self._channel)
        self._check_health: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            HEALTH_CHECK
        )
        self._watch: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(
            HEALTH_WATCH
        )
        self._policy = CallPolicy(options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the calls that are under way and frees the connections."""
        await self._channel.close()

    async def rerank(
        self,
        query: str,
        documents: Iterable[DocumentLike],
        *,
        timeout_seconds: float | None = None,
        **options: Unpack[RerankKeywords],
    ) -> pb.RerankResponse:
        """Ranks up to 1,024 documents; see `Client.rerank`."""
        request = rerank_request(query, documents, **options)
        await self._check(request)
        with typed_errors():
            return await self._stub.Rerank(request, **self._policy.unary(timeout_seconds))

    async def rerank_all(
        self,
        query: str,
        documents: Iterable[DocumentLike] | AsyncIterable[DocumentLike],
        *,
        timeout_seconds: float | None = None,
        **options: Unpack[RerankKeywords],
    ) -> pb.RerankResponse:
        """Ranks any number of documents, unary or by a stream; see `Client.rerank_all`."""
        check_documents(documents)
        await self._learn_limits()
        budget = UnaryBudget(self._policy.limits)
        first: list[pb.Document] = []
        rest = each(documents)
        async for document in rest:
            first.append(document_message(document, len(first)))
            if not budget.take(first[-1]):
                everything = chained(first, rest)
                async with self.rerank_stream(
                    query, everything, timeout_seconds=timeout_seconds, **options
                ) as stream:
                    return await stream.summary()
        return await self.rerank(query, first, timeout_seconds=timeout_seconds, **options)

    def rerank_stream(
        self,
        query: str,
        documents: Iterable[DocumentLike] | AsyncIterable[DocumentLike],
        *,
        emit: Emit = "summary_only",
        snapshot_interval_seconds: float | None = None,
        chunk_documents: int = 128,
        timeout_seconds: float | None = None,
        **options: Unpack[RerankKeywords],
    ) -> AsyncRerankStream:
        """Ranks documents while they are still being made; see `Client.rerank_stream`.

        Use the result in `async with`. The documents are read on the event loop: an iterable that waits
        should be an async one.
        """
        check_documents(documents)
        start = stream_start(query, emit, snapshot_interval_seconds, **options)
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        call = self._stub.RerankStream

        async def make_state() -> StreamState:
            await self._learn_limits()
            return self._policy.stream_state(start, chunk_documents, until)

        return AsyncRerankStream(
            lambda timeout: call(**self._policy.arguments(timeout)), make_state, each(documents)
        )

    async def rerank_batch(
        self,
        requests: Sequence[pb.RerankRequest],
        *,
        shared_documents: Iterable[DocumentLike] = (),
        timeout_seconds: float | None = None,
        **options: Unpack[RerankKeywords],
    ) -> pb.RerankBatchResponse:
        """Ranks for several queries in one call; see `Client.rerank_batch`."""
        batch = batch_request(requests, shared_documents, **options)
        await self._check(batch)
        with typed_errors():
            return await self._stub.RerankBatch(batch, **self._policy.unary(timeout_seconds))

    async def record_feedback(
        self, events: Iterable[FeedbackEvent], *, timeout_seconds: float | None = None
    ) -> RecordFeedbackResponse:
        """Tells a server that learns what was shown, clicked or rated; see `Client.record_feedback`."""
        from rerankd.training.v1alpha.training_service_pb2_grpc import TrainingServiceStub

        request = feedback_request(events)
        with typed_errors():
            stub = TrainingServiceStub(self._channel)
            return await stub.RecordFeedback(request, **self._policy.unary(timeout_seconds))

    async def status(self, *, timeout_seconds: float | None = None) -> pb.StatusResponse:
        """The server's version, limits, queue and models; see `Client.status`."""
        with typed_errors():
            status = await self._stub.Status(pb.StatusRequest(), **self._policy.unary(timeout_seconds))
        self._policy.learn(status)
        return status

    async def warmup(
        self,
        model: str = "",
        *,
        sample_queries: Sequence[str] = (),
        sample_documents: Sequence[str] = (),
        on_progress: Callable[[pb.WarmupResponse], None] | None = None,
        timeout_seconds: float = WARMUP_TIMEOUT_SECONDS,
    ) -> pb.ModelStatus:
        """Loads a model and waits until it answers requests; see `Client.warmup`."""
        request = pb.WarmupRequest(
            model=model, sample_queries=sample_queries, sample_documents=sample_documents
        )
        last: pb.WarmupResponse | None = None
        with typed_errors():
            async for last in self._stub.Warmup(request, **self._policy.arguments(timeout_seconds)):
                if on_progress is not None:
                    on_progress(last)
        return final_status(last)

    async def is_ready(self, service: str = READY_SERVICE, *, timeout_seconds: float | None = None) -> bool:
        """Whether a health name is SERVING now; see `Client.is_ready`."""
        try:
            with typed_errors():
                response = await self._check_health(
                    health_request(service), **self._policy.unary(timeout_seconds)
                )
        except RerankdError as error:
            if error.code is grpc.StatusCode.NOT_FOUND:
                return False
            raise
        return is_serving(response)

    async def wait_until_ready(self, timeout_seconds: float, service: str = READY_SERVICE) -> None:
        """Returns once the server answers and a health name is SERVING; see `Client.wait_until_ready`."""
        until = time.monotonic() + timeout_seconds
        while (remaining := until - time.monotonic()) > 0:
            arguments = self._policy.arguments(remaining, wait_for_ready=True)
            call = self._watch(health_request(service), **arguments)
            try:
                with typed_errors():
                    async for response in call:
                        if is_serving(response):
                            return
            except DeadlineExceededError:
                break
            except UnavailableError as error:
                # The server went away while it was watched; its successor may be on its way.
                logger.debug("watching again: %s", error)
            finally:
                call.cancel()
            await asyncio.sleep(min(WATCH_AGAIN_SECONDS, remaining))
        raise not_ready(service, timeout_seconds)

    async def _check(self, request: pb.RerankRequest | pb.RerankBatchRequest) -> None:
        """Refuses what the server would refuse; asks for its limits before it says no."""
        if not self._policy.limits.admits(request):
            await self._learn_limits()
        self._policy.limits.check(request)

    async def _learn_limits(self) -> None:
        if self._policy.limits_known:
            return
        try:
            await self.status()
        except RerankdError as error:
            self._policy.cannot_learn(error)
