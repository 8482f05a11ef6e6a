"""A server whose streams end before their time, as told by a plan."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from rerankd.core.ranking import sigmoid
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceServicer, add_RerankServiceServicer_to_server
from support.fake_backend import expected_logit

REVISION = "r1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """How one stream ends."""

    after: int
    """Documents answered by then."""
    reason: str = "DRAINING"
    """Empty: the status has no details, as when a connection breaks."""
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    retry_seconds: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The streams of a server, in their order; those beyond the plan end well."""

    breaks: Sequence[Break] = ()
    revisions: Sequence[str] = ()
    """Of the model in each stream; REVISION beyond."""
    window: int = 16
    seed: int = 0
    """Of the order in which documents are scored."""
    unscored_from: int | None = None
    """Documents from this index on are left unscored; None = all are scored."""
    answer: pb.RerankResponse = field(default_factory=lambda: pb.RerankResponse(outcome=pb.OUTCOME_RERANKED))
    """Outcome, reason and further usage of the streams that end well."""
    tells_model: bool = True
    """Whether the first chunk of scores tells the model, as servers since 0.2 do."""


@dataclass(slots=True)
class Seen:
    """What one stream brought."""

    start: pb.RerankStreamStart
    indexes: list[int] = field(default_factory=list)
    """Of its documents, as the server counts them."""


class InterruptedServer(RerankServiceServicer):
    """Scores as the fake backend does, in no order, with at most `window` documents read ahead."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.streams: list[Seen] = []
        self._random = random.Random(plan.seed)
        self._server = grpc.server(ThreadPoolExecutor(8))
        add_RerankServiceServicer_to_server(self, self._server)
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(None).wait(10)

    def Status(self, request: pb.StatusRequest, context: Any) -> pb.StatusResponse:
        limits = pb.Limits(stream_window_documents=self.plan.window, max_chunk_bytes=4096)
        return pb.StatusResponse(limits=limits)

    def RerankStream(
        self, request_iterator: Iterator[pb.RerankStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.RerankStreamResponse]:
        seen = Seen(next(request_iterator).start)
        number = len(self.streams)
        self.streams.append(seen)
        planned = self.plan.breaks[number] if number < len(self.plan.breaks) else None
        revision = self.plan.revisions[number] if number < len(self.plan.revisions) else REVISION
        answered = 0
        model = pb.ModelRef(id="test/fake", revision=revision, backend="fake")
        for batch in self._batches(request_iterator, seen):
            left = len(batch) if planned is None else min(len(batch), planned.after - answered)
            if left:
                chunk = _score_chunk(seen.start, batch[:left], self.plan.unscored_from)
                if not answered and self.plan.tells_model:
                    chunk.model.CopyFrom(model)
                yield pb.RerankStreamResponse(scores=chunk)
            answered += left
            if planned is not None and answered >= planned.after:
                _abort(context, planned)
        if planned is not None:
            _abort(context, planned)
        usage = pb.Usage(documents=len(seen.indexes), scored_documents=answered, tokens=answered)
        summary = pb.RerankResponse(model=model, usage=usage)
        summary.MergeFrom(self.plan.answer)
        yield pb.RerankStreamResponse(summary=summary)

    def _batches(
        self, messages: Iterator[pb.RerankStreamRequest], seen: Seen
    ) -> Iterator[list[tuple[int, pb.Document]]]:
        waiting: list[tuple[int, pb.Document]] = []
        following = 0
        for message in messages:
            chunk = message.documents
            indexes = list(chunk.index) or range(following, following + len(chunk.documents))
            following = indexes[-1] + 1
            seen.indexes += indexes
            waiting += zip(indexes, chunk.documents, strict=True)
            while len(waiting) > self.plan.window:
                yield self._pick(waiting)
        while waiting:
            yield self._pick(waiting)

    def _pick(self, waiting: list[tuple[int, pb.Document]]) -> list[tuple[int, pb.Document]]:
        count = self._random.randint(1, 5)
        return [waiting.pop(self._random.randrange(len(waiting))) for _ in range(min(count, len(waiting)))]


def _score_chunk(
    start: pb.RerankStreamStart, batch: Sequence[tuple[int, pb.Document]], unscored_from: int | None
) -> pb.ScoreChunk:
    chunk = pb.ScoreChunk()
    for index, document in batch:
        if unscored_from is not None and index >= unscored_from:
            chunk.unscored_index.append(index)
            continue
        logit = expected_logit(start.query, document.text)
        chunk.index.append(index)
        chunk.logit.append(logit)
        chunk.score.append(logit if start.options.raw_scores else sigmoid(logit))
    return chunk


def _abort(context: grpc.ServicerContext, planned: Break) -> None:
    if not planned.reason:
        context.abort(planned.code, "the connection broke")
    info = error_details_pb2.ErrorInfo(reason=planned.reason, domain="rerankd", metadata=planned.metadata)
    packed = [_packed(info)]
    if planned.retry_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(planned.retry_seconds * 1000))
        packed.append(_packed(retry))
    code = code_pb2.Code.Value(planned.code.name)
    status = status_pb2.Status(code=code, message="ended by the plan", details=packed)
    context.abort_with_status(rpc_status.to_status(status))


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
