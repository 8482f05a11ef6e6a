"""`rerankd.v1.RerankService`: one method for each RPC, none with ranking logic."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

import grpc.aio

from rerankd.access.access import identity
from rerankd.core.engine import Engine, Request
from rerankd.core.errors import InvalidRequestError, RerankdError
from rerankd.core.limits import Limits
from rerankd.core.rights import check_model
from rerankd.core.stream_events import Scores, Snapshot
from rerankd.core.types import Caller, Document, Ranking
from rerankd.core.warmup import Warmup, WarmupRequest
from rerankd.messages import convert
from rerankd.messages.status import server_status, warmup_event
from rerankd.messages.stream_input import chunks_of, not_idle, start_of
from rerankd.telemetry.calls import note_ranking
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]


class RerankService(RerankServiceServicer):
    """The engine as an RPC service.

    Args:
        engine: Ranks.
        warmup: Takes models to a warm path.
        offered: Names of the models that the operator configured; Status lists them always.
        default_timeout_seconds: Of a Warmup that brings neither a timeout nor a deadline.
        stream_idle_seconds: Longest pause of a caller within a stream; 0 = as long as they like.
    """

    def __init__(
        self,
        engine: Engine,
        warmup: Warmup,
        *,
        offered: Sequence[str] = ("",),
        default_timeout_seconds: float = 300.0,
        stream_idle_seconds: float = 0.0,
    ) -> None:
        self._engine = engine
        self._warmup = warmup
        self._offered = offered
        self._default_timeout_seconds = default_timeout_seconds
        self._stream_idle_seconds = stream_idle_seconds
        self._started = time.monotonic()

    async def Rerank(self, request: pb.RerankRequest, context: Context) -> pb.RerankResponse:  # noqa: N802
        """Ranks the documents of one request."""
        _check_count(self._engine.limits, request.documents)
        ranking = await self._engine.rerank(convert.request_from(request), _caller(context))
        _tell(context, [ranking])
        return convert.response_from(ranking)

    async def RerankStream(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.RerankStreamRequest], context: Context
    ) -> AsyncIterator[pb.RerankStreamResponse]:
        """Ranks a stream of documents; reads the next message only when the engine asks for it."""
        messages = not_idle(request_iterator, self._stream_idle_seconds)
        start = await start_of(messages)
        request = convert.stream_request_from(start)
        chunks = chunks_of(messages, self._engine.limits.max_chunk_bytes)
        events = self._engine.rerank_stream(request, chunks, _caller(context))
        async with aclosing(events):
            async for event in events:
                match event:
                    case Scores():
                        yield convert.scores_from(event)
                    case Snapshot():
                        yield convert.snapshot_from(event)
                    case Ranking():
                        _tell(context, [event])
                        yield pb.RerankStreamResponse(summary=convert.response_from(event))

    async def RerankBatch(  # noqa: N802
        self, request: pb.RerankBatchRequest, context: Context
    ) -> pb.RerankBatchResponse:
        """Answers several requests; one that fails has its error in its own result."""
        # Refused before its documents are looked at.
        self._engine.limits.check_batch_size(len(request.requests))
        items = _batch_items(request, self._engine.limits)
        outcomes = await self._engine.rerank_batch(items, _caller(context))
        _tell(context, [outcome for outcome in outcomes if isinstance(outcome, Ranking)])
        return pb.RerankBatchResponse(results=[_batch_result(outcome) for outcome in outcomes])

    async def Status(self, request: pb.StatusRequest, context: Context) -> pb.StatusResponse:  # noqa: N802
        """The state of the server now."""
        return server_status(
            self._engine.registry,
            self._engine.limits,
            offered=self._offered,
            uptime_seconds=time.monotonic() - self._started,
        )

    async def Warmup(  # noqa: N802
        self, request: pb.WarmupRequest, context: Context
    ) -> AsyncIterator[pb.WarmupResponse]:
        """Loads and exercises a model; leaving early does not stop the load."""
        registry = self._engine.registry
        check_model(_caller(context), registry, request.model)
        wanted = WarmupRequest(
            model=request.model,
            samples=self._samples(request),
            timeout_seconds=self._timeout_seconds(request, context),
        )
        async with aclosing(self._warmup.run(wanted)) as events:
            async for event in events:
                yield warmup_event(event, registry.report(event.model_id))

    def _samples(self, request: pb.WarmupRequest) -> list[Request]:
        queries, texts = request.sample_queries, request.sample_documents
        if not queries and not texts:
            return []
        limits = self._engine.limits
        for field, values, limit in (
            ("sample_queries", queries, limits.max_batch_requests),
            ("sample_documents", texts, limits.max_documents),
        ):
            if not 1 <= len(values) <= limit:
                raise InvalidRequestError(
                    f"{len(values)} {field}; samples need 1 to {limit} of them",
                    field=field,
                    metadata={"count": str(len(values)), "limit": str(limit)},
                )
        documents = [Document(text=text) for text in texts]
        return [Request(query=query, documents=documents) for query in queries]

    def _timeout_seconds(self, request: pb.WarmupRequest, context: Context) -> float:
        if not request.HasField("timeout"):
            remaining = context.time_remaining()
            return self._default_timeout_seconds if remaining is None else remaining
        seconds = convert.seconds_from(request.timeout, "timeout")
        if seconds <= 0:
            raise InvalidRequestError(
                "timeout must be above 0; leave it out for the default", field="timeout"
            )
        return seconds


def _caller(context: Context) -> Caller:
    remaining = context.time_remaining()
    return identity.get().caller(
        peer_host(context.peer()), None if remaining is None else time.monotonic() + remaining
    )


def peer_host(peer: str) -> str:
    """The host of a peer such as `ipv4:10.0.0.7:51234`: connections of one host share its turn."""
    scheme, _, address = peer.partition(":")
    return address.rpartition(":")[0] if scheme in ("ipv4", "ipv6") else peer


def _tell(context: Context, rankings: Sequence[Ranking]) -> None:
    """Puts model and times into the trailers, for proxies, and into the call's log line."""
    for ranking in rankings:
        note_ranking(ranking)
    if not rankings:
        return
    queue = max(ranking.timing.queue_seconds for ranking in rankings)
    inference = sum(ranking.timing.inference_seconds for ranking in rankings)
    context.set_trailing_metadata(
        (
            # Metadata is ASCII; a configured name need not be.
            ("x-rerankd-model", quote(rankings[0].model.id, safe="/:@ +,;=")),
            ("x-rerankd-queue-ms", f"{1000 * queue:.3f}"),
            ("x-rerankd-inference-ms", f"{1000 * inference:.3f}"),
        )
    )


def _check_count(limits: Limits, documents: Sequence[pb.Document]) -> None:
    """Refuses too many documents before any is converted: one message has room for millions."""
    if len(documents) > limits.max_documents:
        limits.check_document_count(len(documents))


def _batch_items(batch: pb.RerankBatchRequest, limits: Limits) -> list[Request | RerankdError]:
    """Each request with what the batch lends it; one that cannot be read is its own error."""
    try:
        _check_count(limits, batch.shared_documents)
        shared: list[Document] | RerankdError = convert.documents_from(batch.shared_documents)
    except InvalidRequestError as error:
        shared = error
    items: list[Request | RerankdError] = []
    for request in batch.requests:
        try:
            _check_count(limits, request.documents)
            documents = convert.documents_from(request.documents) if request.documents else shared
            options = convert.options_from(request.options if request.HasField("options") else batch.options)
        except InvalidRequestError as error:
            items.append(error)
            continue
        if isinstance(documents, RerankdError):
            items.append(documents)
        else:
            items.append(Request(query=request.query, documents=documents, options=options))
    return items


def _batch_result(outcome: Ranking | RerankdError) -> pb.RerankBatchResult:
    if isinstance(outcome, Ranking):
        return pb.RerankBatchResult(response=convert.response_from(outcome))
    return pb.RerankBatchResult(error=pb.RerankError(reason=outcome.spec.reason, message=outcome.message))
