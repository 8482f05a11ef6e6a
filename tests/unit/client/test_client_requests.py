from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from google.protobuf.json_format import MessageToDict

from rerankd.client import Document, InvalidRequestError, RerankKeywords, rerank_request
from rerankd.client._requests import batch_request, options_message, stream_start
from rerankd.v1 import rerank_service_pb2 as pb

EVERY_OPTION: RerankKeywords = {
    "model": "m",
    "top_n": 3,
    "return_documents": True,
    "raw_scores": True,
    "max_tokens_per_document": 100,
    "min_score": 0.0,
    "document_fields": ["title", "body"],
    "long_document": "best_passage",
    "max_scored_documents": 50,
    "original_score_weight": 0.25,
    "on_failure": "original_order",
    "on_deadline": "partial",
    "priority": "bulk",
    "instruction": "i",
}


def test_every_option_of_the_contract_is_a_keyword_and_arrives() -> None:
    names = {field.name for field in pb.RerankOptions.DESCRIPTOR.fields}
    assert set(get_type_hints(RerankKeywords)) == names == set(EVERY_OPTION)
    sent = MessageToDict(options_message(**EVERY_OPTION), preserving_proto_field_name=True)
    enums = {
        "long_document": "LONG_DOCUMENT_BEST_PASSAGE",
        "on_failure": "FAILURE_MODE_ORIGINAL_ORDER",
        "on_deadline": "DEADLINE_MODE_PARTIAL",
        "priority": "PRIORITY_BULK",
    }
    assert sent == {**EVERY_OPTION, **enums}


@pytest.mark.parametrize("name", ["long_document", "on_failure", "on_deadline", "priority"])
def test_every_enum_value_of_the_contract_has_a_word(name: str) -> None:
    enum = pb.RerankOptions.DESCRIPTOR.fields_by_name[name].enum_type
    assert enum is not None
    words = {str(word).upper() for word in get_type_hints(RerankKeywords)[name].__args__}
    known = {value.name for value in enum.values if value.number}
    prefix = known.pop().partition(sorted(words, key=len)[-1])[0]
    assert all(any(value.name.endswith(word) for word in words) for value in enum.values if value.number), (
        prefix
    )
    assert len(words) == len(enum.values) - 1


def test_min_score_zero_is_not_the_same_as_none() -> None:
    assert options_message(min_score=0.0).HasField("min_score")
    assert not options_message(min_score=None).HasField("min_score")


def test_documents_come_in_three_shapes() -> None:
    request = rerank_request(
        "q",
        [
            "plain",
            Document(id="proto", text="message"),
            {"id": "map", "text": "mapping", "original_score": 0.5},
            {"fields": {"title": "t", "year": 1999, "tags": ["a"], "none": None}},
            {"text": ""},
            {"fields": {}},
        ],
    )
    first, second, third, fourth, fifth, sixth = request.documents
    assert (first.text, first.id) == ("plain", "")
    assert (second.id, second.text) == ("proto", "message")
    assert (third.id, third.text, third.original_score) == ("map", "mapping", 0.5)
    assert MessageToDict(fourth.fields) == {"title": "t", "year": 1999.0, "tags": ["a"], "none": None}
    assert (fifth.WhichOneof("content"), sixth.WhichOneof("content")) == ("text", "fields")


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (7, "documents[1]"),
        (None, "documents[1]"),
        ({"txt": "a"}, "documents[1]"),
        ({"text": "a", "fields": {"b": "c"}}, "documents[1]"),
        ({"text": 7}, "documents[1].text"),
        ({"text": "a", "id": 7}, "documents[1].id"),
        ({"text": "a", "original_score": "high"}, "documents[1].original_score"),
        ({"fields": "text"}, "documents[1].fields"),
        ({"fields": {"a": object()}}, "documents[1].fields"),
        ("\ud800", "documents[1].text"),
    ],
)
def test_a_document_that_cannot_be_sent_is_named(document: Any, field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        rerank_request("q", ["fine", document])
    assert [violation.field for violation in caught.value.field_violations] == [field]
    assert caught.value.metadata["field"] == field


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("long_document", "middle"),
        ("priority", "unspecified"),
        ("top_n", 2**40),
        ("top_n", "3"),
        ("document_fields", "title"),
        ("model", 5),
    ],
)
def test_an_option_that_cannot_be_sent_is_named(name: str, value: Any) -> None:
    options: Any = {name: value}
    with pytest.raises(InvalidRequestError) as caught:
        options_message(**options)
    assert caught.value.field_violations[0].field == f"options.{name}"


def test_an_unknown_keyword_is_a_type_error_as_in_any_function() -> None:
    options: Any = {"top_k": 3}
    with pytest.raises(TypeError, match="top_k"):
        rerank_request("q", ["a"], **options)


def test_a_query_that_is_no_text_is_named() -> None:
    query: Any = 5
    with pytest.raises(InvalidRequestError, match="query"):
        rerank_request(query, ["a"])


def test_options_stay_unset_unless_given_so_that_a_batch_can_share_its_own() -> None:
    assert not rerank_request("q", ["a"]).HasField("options")
    assert not batch_request([rerank_request("q")], ["a"]).HasField("options")
    assert batch_request([rerank_request("q")], ["a"], top_n=1).options.top_n == 1


def test_the_start_of_a_stream() -> None:
    start = stream_start("q", "snapshots", 0.5, top_n=2)
    assert (start.query, start.emit, start.options.top_n) == ("q", pb.STREAM_EMIT_SNAPSHOTS, 2)
    assert start.snapshot_interval.ToMilliseconds() == 500
    assert not stream_start("q", "scores", None).HasField("snapshot_interval")
    word: Any = "everything"
    with pytest.raises(InvalidRequestError, match="emit is 'everything'; it takes one of summary_only"):
        stream_start("q", word, None)
