"""Messages of `rerankd.v1` to the core's types and back."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

from google.protobuf.duration_pb2 import Duration
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.struct_pb2 import Struct, Value

from rerankd.core.engine import Request
from rerankd.core.errors import InvalidRequestError
from rerankd.core.stream_events import Emit, Scores, Snapshot, StreamRequest
from rerankd.core.types import (
    DeadlineMode,
    Document,
    FailureMode,
    LongDocument,
    ModelRef,
    Options,
    Outcome,
    Priority,
    Ranking,
    Result,
)
from rerankd.v1 import rerank_service_pb2 as pb

EnumT = TypeVar("EnumT", bound=enum.Enum)

_DEFAULTS = Options()


class _EnumWrapper(Protocol):
    """What the generated code offers for each enum."""

    def Value(self, name: str) -> int: ...  # noqa: N802 - protobuf's name


def _by_value(kind: type[EnumT], wrapper: _EnumWrapper, prefix: str) -> dict[int, EnumT]:
    return {wrapper.Value(f"{prefix}_{member.name}"): member for member in kind}


_LONG_DOCUMENTS = _by_value(LongDocument, pb.LongDocument, "LONG_DOCUMENT")
_FAILURE_MODES = _by_value(FailureMode, pb.FailureMode, "FAILURE_MODE")
_DEADLINE_MODES = _by_value(DeadlineMode, pb.DeadlineMode, "DEADLINE_MODE")
_PRIORITIES = _by_value(Priority, pb.Priority, "PRIORITY")
_EMITS = _by_value(Emit, pb.StreamEmit, "STREAM_EMIT")
_OUTCOMES = {outcome: pb.Outcome.Value(f"OUTCOME_{outcome.name}") for outcome in Outcome}


def request_from(message: pb.RerankRequest) -> Request:
    """A request of `Rerank`, or one of a batch.

    Raises:
        InvalidRequestError: An enum value is unknown or a document has no content.
    """
    return Request(
        query=message.query,
        documents=documents_from(message.documents),
        options=options_from(message.options),
    )


def stream_request_from(message: pb.RerankStreamStart) -> StreamRequest:
    """What a stream's first message says; raises InvalidRequestError as `request_from`."""
    emit = _member(_EMITS, message.emit, "emit")
    interval = StreamRequest(query="").snapshot_interval_seconds
    if message.HasField("snapshot_interval"):
        interval = seconds_from(message.snapshot_interval, "snapshot_interval")
        if interval < 0:
            raise InvalidRequestError(
                "snapshot_interval is negative; it must be 0 or more", field="snapshot_interval"
            )
    return StreamRequest(
        query=message.query,
        options=options_from(message.options),
        emit=emit or Emit.SUMMARY_ONLY,
        snapshot_interval_seconds=interval,
    )


def options_from(message: pb.RerankOptions) -> Options:
    """Options with the defaults filled in; bounds are the core's to check."""
    return Options(
        model=message.model,
        top_n=message.top_n,
        return_documents=message.return_documents,
        raw_scores=message.raw_scores,
        max_tokens_per_document=message.max_tokens_per_document,
        min_score=message.min_score if message.HasField("min_score") else None,
        document_fields=tuple(message.document_fields),
        long_document=_member(_LONG_DOCUMENTS, message.long_document, "options.long_document")
        or _DEFAULTS.long_document,
        max_scored_documents=message.max_scored_documents,
        original_score_weight=message.original_score_weight,
        on_failure=_member(_FAILURE_MODES, message.on_failure, "options.on_failure") or _DEFAULTS.on_failure,
        on_deadline=_member(_DEADLINE_MODES, message.on_deadline, "options.on_deadline")
        or _DEFAULTS.on_deadline,
        priority=_member(_PRIORITIES, message.priority, "options.priority"),
        instruction=message.instruction,
    )


def documents_from(messages: Sequence[pb.Document], indexes: Sequence[int] | None = None) -> list[Document]:
    """Documents in order; `indexes` are theirs within the request, from 0 without it.

    Raises:
        InvalidRequestError: One has neither text nor fields.
    """
    documents = []
    for index, message in zip(indexes or range(len(messages)), messages, strict=True):
        content = message.WhichOneof("content")
        if content is None:
            raise InvalidRequestError(
                f"documents[{index}] has neither text nor fields; empty text must be set as text",
                field=f"documents[{index}]",
                metadata={"index": str(index)},
            )
        documents.append(
            Document(
                id=message.id,
                text=message.text,
                fields=_fields_from(message.fields) if content == "fields" else None,
                original_score=message.original_score if message.HasField("original_score") else None,
            )
        )
    return documents


def response_from(ranking: Ranking) -> pb.RerankResponse:
    """A ranking as its message."""
    usage, timing = ranking.usage, ranking.timing
    response = pb.RerankResponse(
        model=_model_ref(ranking.model),
        usage=pb.Usage(
            documents=usage.documents,
            scored_documents=usage.scored_documents,
            tokens=usage.tokens,
            truncated_documents=usage.truncated_documents,
            cache_hits=usage.cache_hits,
            deduplicated=usage.deduplicated,
            provider_units=usage.provider_units,
            provider_cost=usage.provider_cost,
            provider_units_estimated=usage.provider_units_estimated,
        ),
        timing=pb.Timing(
            queue_duration=duration_from(timing.queue_seconds),
            tokenize_duration=duration_from(timing.tokenize_seconds),
            inference_duration=duration_from(timing.inference_seconds),
            total_duration=duration_from(timing.total_seconds),
        ),
        outcome=_OUTCOMES[ranking.outcome],
        outcome_reason=ranking.outcome_reason,
    )
    _add_results(response.results, ranking.results)
    return response


def scores_from(scores: Scores) -> pb.RerankStreamResponse:
    """One micro-batch's scores as a message of the stream."""
    chunk = pb.ScoreChunk(
        index=scores.indexes,
        score=scores.scores,
        logit=scores.logits,
        dropped_tokens=scores.dropped_tokens,
        unscored_index=scores.unscored,
        passages=[pb.Passage(start_char=p.start_char, end_char=p.end_char) for p in scores.passages],
    )
    if scores.model is not None:
        chunk.model.CopyFrom(_model_ref(scores.model))
    return pb.RerankStreamResponse(scores=chunk)


def snapshot_from(snapshot: Snapshot) -> pb.RerankStreamResponse:
    """The running top n as a message of the stream."""
    message = pb.RerankStreamResponse()
    message.snapshot.received = snapshot.received
    message.snapshot.scored = snapshot.scored
    _add_results(message.snapshot.results, snapshot.results)
    return message


def _model_ref(model: ModelRef) -> pb.ModelRef:
    return pb.ModelRef(id=model.id, revision=model.revision, backend=model.backend)


def duration_from(seconds: float) -> Duration:
    """A time span as its message, to the nanosecond."""
    nanos = round(seconds * 1e9)
    return Duration(seconds=nanos // 1_000_000_000, nanos=nanos % 1_000_000_000)


def seconds_from(message: Duration, field: str) -> float:
    """A time span in seconds; raises InvalidRequestError for what is no valid Duration."""
    if abs(message.nanos) >= 1_000_000_000 or message.seconds * message.nanos < 0:
        raise InvalidRequestError(f"{field} is not a valid Duration", field=field)
    return float(message.seconds) + message.nanos / 1e9


def _member(members: Mapping[int, EnumT], value: int, field: str) -> EnumT | None:
    """The member that an enum value stands for; None for UNSPECIFIED."""
    if value == 0:
        return None
    member = members.get(value)
    if member is None:
        known = ", ".join(f"{known.name} ({number})" for number, known in members.items())
        raise InvalidRequestError(
            f"{field} is {value}; this server knows {known}", field=field, metadata={"value": str(value)}
        )
    return member


def _fields_from(message: Struct) -> dict[str, object]:
    # The parser refuses messages nested more than 100 deep, so the recursion is bounded.
    return {name: _value_from(value) for name, value in message.fields.items()}


def _value_from(message: Value) -> object:
    match message.WhichOneof("kind"):
        case "string_value":
            return message.string_value
        case "number_value":
            return message.number_value
        case "bool_value":
            return message.bool_value
        case "struct_value":
            return _fields_from(message.struct_value)
        case "list_value":
            return [_value_from(value) for value in message.list_value.values]
        case _:
            return None


def _add_results(target: RepeatedCompositeFieldContainer[pb.RerankResult], results: Iterable[Result]) -> None:
    # Filled in place, one at a time: results of a long stream exist only while they are looked at.
    for result in results:
        message = target.add(
            index=result.index,
            id=result.id,
            score=result.score,
            rank=result.rank,
            logit=result.logit,
            original_score=result.original_score,
            dropped_tokens=result.dropped_tokens,
            scored=result.scored,
        )
        if result.passage is not None:
            message.passage.start_char = result.passage.start_char
            message.passage.end_char = result.passage.end_char
        if result.document is not None:
            _fill_document(message.document, result.document)


def message_of(document: Document) -> pb.Document:
    """A document as its message."""
    message = pb.Document()
    _fill_document(message, document)
    return message


def _fill_document(message: pb.Document, document: Document) -> None:
    message.id = document.id
    if document.fields is None:
        message.text = document.text
    else:
        message.fields.SetInParent()
        # The stub wants a type that it does not export; every value came out of a Struct.
        message.fields.update(cast("Any", document.fields))
    if document.original_score is not None:
        message.original_score = document.original_score
