"""The synchronous client."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

import grpc

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
from rerankd.client._stream import RerankStream
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub

if TYPE_CHECKING:
    from rerankd.training.v1alpha.training_service_pb2 import FeedbackEvent, RecordFeedbackResponse

logger = logging.getLogger(__name__)


class Client:
    """Calls a rerankd server. Safe to share between threads; close it, or use it in a `with` block.

    The reranking methods take the options of `RerankKeywords` as keywords. Every method raises a
    `RerankdError` when its call fails.
    """

    def __init__(self, target: str, options: ClientOptions | None = None) -> None:
        """Prepares a channel; connects at the first call.

        Args:
            target: A gRPC target, for example `localhost:50051` or `dns:///rerankd.default:50051`.
            options: Choices of the client; None means the defaults.
        """
        options = options or ClientOptions()
        credentials = options.credentials()
        arguments = options.channel_arguments()
        self._channel = (
            grpc.insecure_channel(target, arguments)
            if credentials is None
            else grpc.secure_channel(target, credentials, arguments)
        )
        self._stub = RerankServiceStub(self._channel)
        self._check_health: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            HEALTH_CHECK
        )
        self._watch: grpc.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(HEALTH_WATCH)
        self._policy = CallPolicy(options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the calls that are under way and frees the connections."""
        self._channel.close()

    def rerank(
        self,
        query: str,
        documents: Iterable[DocumentLike],
        *,
        timeout_seconds: float | None = None,
        **options: Unpack[RerankKeywords],
    ) -> pb.RerankResponse:
        """Ranks up to 1,024 documents; calls that meet an unavailable server are retried twice.

        Args:
            query: The text to rank by.
            documents: Texts, mappings or `Document` messages.
            timeout_seconds: Deadline of this call; None means the client's.
            options: See `RerankKeywords`.

        Raises:
            TooManyDocumentsError, MessageTooLargeError: Nothing was sent; use `rerank_all`.
            RerankdError: Any other failure, as its subclass tells.
        """
        request = rerank_request(query, documents, **options)
        self._check(request)
        with typed_errors():
            return self._stub.Rerank(request, **self._policy.unary(timeout_seconds))

    def rerank_all(
        self,
        query: str,
        documents: Iterable[DocumentLike],
        *,
        timeout_seconds: float | None = None,
        **options: Unpack[RerankKeywords],
    ) -> pb.RerankResponse:
        """Ranks any number of documents: by `rerank` if they fit one message, else by a stream.

        A stream has no deadline unless `timeout_seconds` gives one, it goes on after an interruption, and
        it refuses `original_score_weight`, which needs the whole set at once.
        """
        check_documents(documents)
        self._learn_limits()
        budget = UnaryBudget(self._policy.limits)
        first: list[pb.Document] = []
        rest = iter(documents)
        for index, document in enumerate(rest):
            first.append(document_message(document, index))
            if not budget.take(first[-1]):
                everything = itertools.chain(first, rest)
                with self.rerank_stream(
                    query, everything, timeout_seconds=timeout_seconds, **options
                ) as stream:
                    return stream.summary()
        return self.rerank(query, first, timeout_seconds=timeout_seconds, **options)

    def rerank_stream(
        self,
        query: str,
        documents: Iterable[DocumentLike],
        *,
        emit: Emit = "summary_only",
        snapshot_interval_seconds: float | None = None,
        chunk_documents: int = 128,
        timeout_seconds: float | None = None,
        **options: Unpack[RerankKeywords],
    ) -> RerankStream:
        """Ranks documents while they are still being made, and goes on after an interruption.

        Of all documents, ids and scores are kept; with `top_n`, those of the best only, so that memory
        stays the same for any number.

        Args:
            query: The text to rank by.
            documents: Any iterable. It is read in another thread, and only as fast as the server scores.
            emit: What the stream yields: nothing, `ScoreChunk` or `Snapshot`.
            snapshot_interval_seconds: Least time between two snapshots; None means the server's default.
            chunk_documents: Most documents of one message. A chunk is sent when it is full: choose 1
                where documents come slowly and each should be scored at once.
            timeout_seconds: Deadline of the whole stream; None means none.
            options: See `RerankKeywords`.
        """
        check_documents(documents)
        start = stream_start(query, emit, snapshot_interval_seconds, **options)
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self._learn_limits()
        state = self._policy.stream_state(start, chunk_documents, until)
        return RerankStream(
            lambda messages, timeout: self._stub.RerankStream(messages, **self._policy.arguments(timeout)),
            state,
            documents,
        )

    def rerank_batch(
        self,
        requests: Sequence[pb.RerankRequest],
        *,
        shared_documents: Iterable[DocumentLike] = (),
        timeout_seconds: float | None = None,
        **options: Unpack[RerankKeywords],
    ) -> pb.RerankBatchResponse:
        """Ranks for several queries in one call; one that fails has its error in its own result.

        Args:
            requests: Made by `rerank_request`.
            shared_documents: For every request that brings none.
            timeout_seconds: Deadline of this call; None means the client's.
            options: For every request that brings none; see `RerankKeywords`.
        """
        batch = batch_request(requests, shared_documents, **options)
        self._check(batch)
        with typed_errors():
            return self._stub.RerankBatch(batch, **self._policy.unary(timeout_seconds))

    def record_feedback(
        self, events: Iterable[FeedbackEvent], *, timeout_seconds: float | None = None
    ) -> RecordFeedbackResponse:
        """Tells a server that learns what was shown, clicked or rated; see `shown`, `clicked` and `rated`.

        The events are on disk when it returns: all of them or, where one is not valid, none. It may be
        called again with the same events.

        Args:
            events: 1 to 1,000 of them.
            timeout_seconds: Deadline of this call; None means the client's.
        """
        from rerankd.training.v1alpha.training_service_pb2_grpc import TrainingServiceStub

        request = feedback_request(events)
        with typed_errors():
            stub = TrainingServiceStub(self._channel)
            return stub.RecordFeedback(request, **self._policy.unary(timeout_seconds))

    def status(self, *, timeout_seconds: float | None = None) -> pb.StatusResponse:
        """The server's version, limits, queue and models. Answers also while models load."""
        with typed_errors():
            status = self._stub.Status(pb.StatusRequest(), **self._policy.unary(timeout_seconds))
        self._policy.learn(status)
        return status

    def warmup(
        self,
        model: str = "",
        *,
        sample_queries: Sequence[str] = (),
        sample_documents: Sequence[str] = (),
        on_progress: Callable[[pb.WarmupResponse], None] | None = None,
        timeout_seconds: float = WARMUP_TIMEOUT_SECONDS,
    ) -> pb.ModelStatus:
        """Loads a model and waits until it answers requests; a load under way is joined.

        Args:
            model: Id, preset or alias; empty means the server's default.
            sample_queries: Queries like those that will come.
            sample_documents: Documents like those that will come.
            on_progress: Called with each message of the server.
            timeout_seconds: How long to wait. The load itself goes on afterwards.
        """
        request = pb.WarmupRequest(
            model=model, sample_queries=sample_queries, sample_documents=sample_documents
        )
        last: pb.WarmupResponse | None = None
        with typed_errors():
            for last in self._stub.Warmup(request, **self._policy.arguments(timeout_seconds)):
                if on_progress is not None:
                    on_progress(last)
        return final_status(last)

    def is_ready(self, service: str = READY_SERVICE, *, timeout_seconds: float | None = None) -> bool:
        """Whether a health name is SERVING now; False too for one that the server does not know.

        Args:
            service: Health name; `rerankd.model/ID` stands for one model.
            timeout_seconds: Deadline of this call; None means the client's.
        """
        try:
            with typed_errors():
                response = self._check_health(health_request(service), **self._policy.unary(timeout_seconds))
        except RerankdError as error:
            if error.code is grpc.StatusCode.NOT_FOUND:
                return False
            raise
        return is_serving(response)

    def wait_until_ready(self, timeout_seconds: float, service: str = READY_SERVICE) -> None:
        """Returns once the server answers and a health name is SERVING.

        Args:
            timeout_seconds: How long to wait, for the server to start and the model to load.
            service: Health name; `rerankd.model/ID` stands for one model.

        Raises:
            DeadlineExceededError: It is not SERVING by then.
        """
        until = time.monotonic() + timeout_seconds
        while (remaining := until - time.monotonic()) > 0:
            arguments = self._policy.arguments(remaining, wait_for_ready=True)
            call = self._watch(health_request(service), **arguments)
            try:
                with typed_errors():
                    if any(is_serving(response) for response in call):
                        return
            except DeadlineExceededError:
                break
            except UnavailableError as error:
                # The server went away while it was watched; its successor may be on its way.
                logger.debug("watching again: %s", error)
            finally:
                call.cancel()
            time.sleep(min(WATCH_AGAIN_SECONDS, remaining))
        raise not_ready(service, timeout_seconds)

    def _check(self, request: pb.RerankRequest | pb.RerankBatchRequest) -> None:
        """Refuses what the server would refuse; asks for its limits before it says no."""
        if not self._policy.limits.admits(request):
            self._learn_limits()
        self._policy.limits.check(request)

    def _learn_limits(self) -> None:
        if self._policy.limits_known:
            return
        try:
            self.status()
        except RerankdError as error:
            self._policy.cannot_learn(error)
