from __future__ import annotations

from array import array

import pytest
from google.protobuf.duration_pb2 import Duration

from rerankd.core.engine import Request
from rerankd.core.errors import InvalidRequestError
from rerankd.core.stream_events import Emit, Scores, StreamRequest
from rerankd.core.types import (
    DeadlineMode,
    Document,
    FailureMode,
    LongDocument,
    ModelRef,
    Options,
    Outcome,
    Passage,
    Priority,
    Ranking,
    Result,
    Timing,
    Usage,
)
from rerankd.messages import convert
from rerankd.v1 import rerank_service_pb2 as pb


def test_an_empty_request_has_the_defaults_of_the_core() -> None:
    assert convert.request_from(pb.RerankRequest()) == Request(query="", documents=[], options=Options())


def test_every_option_arrives() -> None:
    message = pb.RerankOptions(
        model="m",
        top_n=1,
        return_documents=True,
        raw_scores=True,
        max_tokens_per_document=2,
        min_score=0.0,
        document_fields=["a", "b"],
        long_document=pb.LONG_DOCUMENT_BEST_PASSAGE,
        max_scored_documents=3,
        original_score_weight=0.5,
        on_failure=pb.FAILURE_MODE_ORIGINAL_ORDER,
        on_deadline=pb.DEADLINE_MODE_PARTIAL,
        priority=pb.PRIORITY_BULK,
        instruction="i",
    )
    assert {field.name for field, _ in message.ListFields()} == set(message.DESCRIPTOR.fields_by_name)
    assert convert.options_from(message) == Options(
        model="m",
        top_n=1,
        return_documents=True,
        raw_scores=True,
        max_tokens_per_document=2,
        min_score=0.0,
        document_fields=("a", "b"),
        long_document=LongDocument.BEST_PASSAGE,
        max_scored_documents=3,
        original_score_weight=0.5,
        on_failure=FailureMode.ORIGINAL_ORDER,
        on_deadline=DeadlineMode.PARTIAL,
        priority=Priority.BULK,
        instruction="i",
    )


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("long_document", pb.LongDocument),
        ("on_failure", pb.FailureMode),
        ("on_deadline", pb.DeadlineMode),
        ("priority", pb.Priority),
    ],
)
def test_every_enum_value_is_known_and_no_other(field: str, kind: object) -> None:
    values = [value.number for value in kind.DESCRIPTOR.values]  # type: ignore[attr-defined]
    for value in values:
        convert.options_from(pb.RerankOptions(**{field: value}))  # type: ignore[arg-type]
    for value in (max(values) + 1, -1):
        with pytest.raises(InvalidRequestError, match=f"options.{field} is {value}") as caught:
            convert.options_from(pb.RerankOptions(**{field: value}))  # type: ignore[arg-type]
        assert caught.value.field == f"options.{field}"


def test_a_stream_starts_with_its_defaults() -> None:
    assert convert.stream_request_from(pb.RerankStreamStart(query="q")) == StreamRequest(query="q")
    start = pb.RerankStreamStart(
        query="q", emit=pb.STREAM_EMIT_SNAPSHOTS, snapshot_interval=Duration(seconds=1, nanos=500_000_000)
    )
    assert convert.stream_request_from(start) == StreamRequest(
        query="q", emit=Emit.SNAPSHOTS, snapshot_interval_seconds=1.5
    )


def test_documents_keep_what_presence_tells() -> None:
    messages = [
        pb.Document(text=""),
        pb.Document(id="x", text="t", original_score=0.0),
        pb.Document(),
    ]
    assert convert.documents_from(messages[:2]) == [
        Document(text=""),
        Document(id="x", text="t", original_score=0.0),
    ]
    with pytest.raises(InvalidRequestError, match="neither text nor fields") as caught:
        convert.documents_from(messages, [7, 9, 42])
    assert caught.value.field == "documents[42]"


def test_a_struct_is_a_plain_mapping() -> None:
    message = pb.Document()
    message.fields.update({"s": "x", "n": 1.5, "b": True, "z": None, "l": [1, {"a": []}], "o": {"p": {}}})
    (document,) = convert.documents_from([message])
    assert document.fields == {
        "s": "x",
        "n": 1.5,
        "b": True,
        "z": None,
        "l": [1.0, {"a": []}],
        "o": {"p": {}},
    }


def test_an_empty_struct_is_fields_and_not_text() -> None:
    message = pb.Document()
    message.fields.SetInParent()
    assert convert.documents_from([message]) == [Document(fields={})]


def test_a_ranking_is_told_whole() -> None:
    ranking = Ranking(
        results=(
            Result(
                index=1,
                score=0.0,
                rank=1,
                id="x",
                logit=-3.5,
                original_score=0.0,
                document=Document(id="x", fields={"a": 1.0}, original_score=0.0),
                dropped_tokens=2,
                passage=Passage(start_char=0, end_char=9),
            ),
            Result(index=0, score=0.0, rank=2, scored=False),
        ),
        model=ModelRef(id="m", revision="r", backend="b"),
        usage=Usage(
            documents=1,
            scored_documents=2,
            tokens=3,
            truncated_documents=4,
            cache_hits=5,
            deduplicated=6,
            provider_units=7,
            provider_cost=8.0,
            provider_units_estimated=True,
        ),
        timing=Timing(queue_seconds=0.001, tokenize_seconds=0.5, inference_seconds=1.25, total_seconds=61.0),
        outcome=Outcome.PARTIAL,
        outcome_reason="DEADLINE_EXCEEDED",
    )
    message = convert.response_from(ranking)
    first, second = message.results
    assert first.HasField("passage")
    assert first.passage.end_char == 9
    assert first.HasField("original_score")
    assert first.document.fields["a"] == 1.0
    assert (first.logit, first.rank, first.dropped_tokens, first.scored) == (-3.5, 1, 2, True)
    assert not any(second.HasField(name) for name in ("passage", "original_score", "logit", "document"))
    assert not second.scored
    told = [getattr(message.usage, f) for f in message.usage.DESCRIPTOR.fields_by_name]
    assert told == [*range(1, 9), True]
    assert message.timing.queue_duration == Duration(nanos=1_000_000)
    assert message.timing.total_duration == Duration(seconds=61)
    assert (message.outcome, message.outcome_reason) == (pb.OUTCOME_PARTIAL, "DEADLINE_EXCEEDED")
    assert (message.model.id, message.model.revision, message.model.backend) == ("m", "r", "b")


def test_scores_are_columns() -> None:
    scores = Scores(
        unscored=array("q", [7]),
        indexes=array("q", [3, 1]),
        scores=array("f", [0.5, 0.25]),
        logits=array("f", [1.5, -1.0]),
        dropped_tokens=array("q", [0, 7]),
        passages=[Passage(start_char=0, end_char=4), Passage(start_char=2, end_char=9)],
        model=ModelRef(id="m", revision="r", backend="b"),
    )
    assert convert.scores_from(scores).scores == pb.ScoreChunk(
        index=[3, 1],
        score=[0.5, 0.25],
        logit=[1.5, -1.0],
        dropped_tokens=[0, 7],
        unscored_index=[7],
        passages=[pb.Passage(start_char=0, end_char=4), pb.Passage(start_char=2, end_char=9)],
        model=pb.ModelRef(id="m", revision="r", backend="b"),
    )


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        (0.0, Duration()),
        (1.5, Duration(seconds=1, nanos=500_000_000)),
        (0.9999999999, Duration(seconds=1)),
        (86_400.0, Duration(seconds=86_400)),
    ],
)
def test_durations_are_exact_to_the_nanosecond(seconds: float, message: Duration) -> None:
    assert convert.duration_from(seconds) == message
    assert convert.seconds_from(message, "f") == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    "message", [Duration(nanos=2_000_000_000), Duration(seconds=1, nanos=-1), Duration(seconds=-1, nanos=1)]
)
def test_what_is_no_duration_is_refused(message: Duration) -> None:
    with pytest.raises(InvalidRequestError, match="timeout is not a valid Duration"):
        convert.seconds_from(message, "timeout")
