"""Each dialect's bodies: what they ask the core for, and how they show a ranking."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from dialect_cases import LIMITS, answered, body, ranking

from rerankd.core.engine import Request
from rerankd.core.errors import InvalidRequestError, TooManyDocumentsError
from rerankd.core.types import (
    Document,
    FailureMode,
    LongDocument,
    Options,
    Outcome,
    Passage,
    Priority,
    Result,
)
from rerankd.http_api.dialects.choice import UNDECIDED, dialect_of
from rerankd.http_api.dialects.cohere import COHERE
from rerankd.http_api.dialects.dialect import Dialect
from rerankd.http_api.dialects.jina import JINA
from rerankd.http_api.dialects.kreuzberg import KREUZBERG
from rerankd.http_api.dialects.native import NATIVE
from rerankd.http_api.dialects.tei import TEI
from rerankd.http_api.dialects.voyage import VOYAGE
from rerankd.http_api.failures import NoDocumentsError
from rerankd.messages import convert
from rerankd.messages.json_messages import object_from

TWO = [Document(text="a"), Document(text="b")]
META: dict[str, Any] = {
    "api_version": {"version": "2", "is_experimental": False},
    "billed_units": {"search_units": 3},
    "tokens": {"input_tokens": 21},
}


def options_of(dialect: Dialect, **more: object) -> Options:
    return dialect.parse(body(**more), LIMITS).request.options


def config(**model: object) -> dict[str, object]:
    return {"config": {"model": model}}


@pytest.mark.parametrize(
    ("dialect", "more", "expected"),
    [
        (COHERE, {}, Options()),
        (COHERE, {"model": None, "top_n": None, "max_tokens_per_doc": None, "priority": None}, Options()),
        (
            COHERE,
            {"model": "m", "top_n": 1, "max_tokens_per_doc": 7, "relevant_spans": {"mode": "disabled"}},
            Options(model="m", top_n=1, max_tokens_per_document=7),
        ),
        (COHERE, {"priority": 1}, Options(priority=Priority.BULK)),
        (COHERE, {"priority": 0, "top_n": 2.0}, Options(top_n=2)),
        (COHERE, {"top_n": 10**17}, Options(top_n=2**31 - 1)),
        (JINA, {}, Options(return_documents=True, document_fields=("text",))),
        (JINA, {"return_documents": False}, Options(document_fields=("text",))),
        (
            JINA,
            {"use_activation": False, "return_documents": False},
            Options(raw_scores=True, document_fields=("text",)),
        ),
        (
            JINA,
            {"raw_scores": True, "return_documents": False},
            Options(raw_scores=True, document_fields=("text",)),
        ),
        (
            JINA,
            {"rank_fields": ["title", "text"], "return_documents": False},
            Options(document_fields=("title", "text")),
        ),
        (VOYAGE, {"top_k": None, "truncation": None}, Options()),
        (VOYAGE, {"truncation": True, "top_k": 1, "model": "m"}, Options(top_n=1, model="m")),
        (
            VOYAGE,
            {"truncation": False, "return_documents": True},
            Options(long_document=LongDocument.REJECT, return_documents=True),
        ),
        (KREUZBERG, config(type="preset", name="fast"), Options(model="fast", return_documents=True)),
        (KREUZBERG, config(type="plugin", name="p"), Options(model="p", return_documents=True)),
        (
            KREUZBERG,
            config(type="custom", model_id="o/m", max_length=512),
            Options(model="o/m", max_tokens_per_document=512, return_documents=True),
        ),
        (
            KREUZBERG,
            config(type="llm", llm={"model": "cohere/rerank-v3.5", "api_key": None}),
            Options(model="cohere/rerank-v3.5", return_documents=True),
        ),
        (
            KREUZBERG,
            {"config": {"model": "fast", "top_k": 1}},
            Options(model="fast", top_n=1, return_documents=True),
        ),
        (KREUZBERG, {"config": {}}, Options(return_documents=True)),
    ],
)
def test_options(dialect: Dialect, more: dict[str, object], expected: Options) -> None:
    asked = dialect.parse(body(**more), LIMITS)
    assert asked.request == Request(query="q", documents=TWO, options=expected)
    assert asked.warnings == ()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, Options()),
        ({"truncate": None, "truncation_direction": None, "top_n": None}, Options()),
        ({"truncation_direction": "Left"}, Options(long_document=LongDocument.TRUNCATE_START)),
        ({"truncation_direction": "right"}, Options()),
        ({"truncate": False, "truncation_direction": "Left"}, Options(long_document=LongDocument.REJECT)),
        ({"raw_scores": True, "return_text": True}, Options(raw_scores=True, return_documents=True)),
        ({"top_n": 1, "model": "ignored", "anything": {}}, Options(top_n=1)),
    ],
)
def test_options_of_tei(more: dict[str, object], expected: Options) -> None:
    asked = TEI.parse({"query": "q", "texts": ["a", "b"], **more}, LIMITS)
    assert asked.request == Request(query="q", documents=TWO, options=expected)


def test_options_of_the_native_request() -> None:
    asked = NATIVE.parse(
        {
            "query": "q",
            "documents": [
                {"text": "a", "id": "1"},
                {"text": ""},
                {"fields": {"n": 1, "t": ["x", None]}, "originalScore": 0.1, "id": None, "text": None},
            ],
            "options": {"top_n": 1, "longDocument": "LONG_DOCUMENT_REJECT", "onFailure": None},
        },
        LIMITS,
    )
    assert asked.request == Request(
        query="q",
        documents=[
            Document(id="1", text="a"),
            Document(text=""),
            Document(fields={"n": 1, "t": ["x", None]}, original_score=0.10000000149011612),
        ],
        options=Options(top_n=1, long_document=LongDocument.REJECT),
    )
    failing = NATIVE.parse(
        {"query": "q", "documents": [{"text": ""}], "options": {"onFailure": "FAILURE_MODE_FAIL"}}, LIMITS
    )
    assert failing.request.options.on_failure is FailureMode.FAIL


def test_documents_of_jina_may_be_objects() -> None:
    documents = ["plain", {"text": "t", "id": 7}, {"text": "u"}]
    asked = JINA.parse({"query": {"text": "q"}, "documents": documents}, LIMITS)
    assert asked.request.query == "q"
    assert list(asked.request.documents) == [
        Document(text="plain"),
        Document(fields={"text": "t", "id": 7}),
        Document(fields={"text": "u"}),
    ]


WRONG: list[tuple[Dialect, dict[str, object], str]] = [
    (COHERE, {"query": None}, "query is missing"),
    (COHERE, {"query": 5}, "query must be a string"),
    (COHERE, {"documents": None}, "documents is missing"),
    (COHERE, {"documents": "secret"}, "documents must be a list"),
    (COHERE, {"documents": {"secret": 1}}, "documents must be a list"),
    (COHERE, {"documents": ["a", {"text": "secret"}]}, r"documents\[1\] must be a string"),
    (COHERE, {"documents": ["a", None]}, r"documents\[1\] must be a string"),
    (COHERE, {"model": ["secret"]}, "model must be a string"),
    (COHERE, {"top_n": -1}, r"top_n must be 0 \(no limit\) or more"),
    (COHERE, {"top_n": "1"}, "top_n must be a whole number"),
    (COHERE, {"top_n": True}, "top_n must be a whole number"),
    (COHERE, {"top_n": 1.5}, "top_n must be a whole number"),
    (COHERE, {"max_tokens_per_doc": -1}, "max_tokens_per_doc must be 0"),
    (COHERE, {"priority": "secret"}, "priority must be a number"),
    (COHERE, {"relevant_spans": {"mode": "enabled"}}, "relevant_spans is not supported by this model"),
    (COHERE, {"relevant_spans": {"mode": "secret"}}, "relevant_spans.mode must be enabled or disabled"),
    (COHERE, {"relevant_spans": []}, "relevant_spans must be an object"),
    (JINA, {"return_documents": "true"}, "return_documents must be true or false"),
    (JINA, {"return_documents": 1}, "return_documents must be true or false"),
    (JINA, {"documents": [{"image": "secret"}]}, r"documents\[0\] has none of the fields to rank by: text"),
    (JINA, {"documents": [{"text": 5}]}, r"documents\[0\].text must be a string"),
    (JINA, {"documents": [["secret"]]}, r"documents\[0\] must be a string or an object"),
    (JINA, {"documents": [{"text": "a"}], "rank_fields": ["b"]}, "none of the fields to rank by: b"),
    (JINA, {"rank_fields": "text"}, "rank_fields must be a list of strings"),
    (JINA, {"rank_fields": [""]}, "rank_fields must be at most 32 names, none of them empty"),
    (JINA, {"query": {"text": 5}}, "query.text must be a string"),
    (JINA, {"query": {}}, "query.text is missing"),
    (VOYAGE, {"truncation": "false"}, "truncation must be true or false"),
    (VOYAGE, {"top_k": -3}, "top_k must be 0"),
    (TEI, {"texts": ["a"], "truncation_direction": "Up"}, "truncation_direction must be Left or Right"),
    (TEI, {"texts": [{"text": "secret"}]}, r"texts\[0\] must be a string"),
    (KREUZBERG, config(type="secret"), "config.model.type must be preset, custom, llm or plugin"),
    (KREUZBERG, config(name="secret"), "config.model.type is missing"),
    (KREUZBERG, config(type="preset"), "config.model.name is missing"),
    (
        KREUZBERG,
        config(type="llm", llm={"model": "m", "api_key": "secret"}),
        "api_key is not taken from a request",
    ),
    (KREUZBERG, {"config": "secret"}, "config must be an object"),
    (NATIVE, {"documents": ["secret"]}, r"documents\[0\] must be an object"),
    (NATIVE, {"documents": [{}]}, r"documents\[0\] has neither text nor fields"),
    (
        NATIVE,
        {"documents": [{"text": "secret", "fields": {}}]},
        r"documents\[0\] has both text and fields",
    ),
    (NATIVE, {"documents": [{"text": 5}]}, r"documents\[0\].text has a value of a wrong type"),
    (NATIVE, {"documents": [{"text": "a", "tekst": "secret"}]}, r"documents\[0\].tekst is no field"),
    (NATIVE, {"options": {"topN": "secret"}}, "options.topN has a value of a wrong type"),
    (NATIVE, {"options": {"rawScores": "true"}}, "options.rawScores has a value of a wrong type"),
    (NATIVE, {"options": {"longDocument": "SECRET"}}, "options.longDocument has a value of a wrong type"),
    (NATIVE, {"options": {"topN": True}}, "options.topN has a value of a wrong type"),
    (NATIVE, {"options": {"priority": False}}, "options.priority has a value of a wrong type"),
    (NATIVE, {"options": {"priority": 1.0}}, "options.priority has a value of a wrong type"),
    (NATIVE, {"options": {"on_failure": "1"}}, "options.on_failure has a value of a wrong type"),
    (NATIVE, {"options": {"longDocument": 99}}, "options.long_document is 99"),
    (NATIVE, {"documents": [{"fields": "secret"}]}, r"documents\[0\].fields has a value of a wrong type"),
    (NATIVE, {"documents": [{"text": "", "id": 5}]}, r"documents\[0\].id has a value of a wrong type"),
    (
        NATIVE,
        {"documents": [{"text": "", "originalScore": "1"}]},
        "originalScore has a value of a wrong type",
    ),
    (NATIVE, {"documents": [{"text": "", "original_score": 1e39}]}, "originalScore is beyond the range"),
    (NATIVE, {"options": {"documentFields": ["x"] * 33}}, "documentFields has 33 names; send at most 32"),
    (NATIVE, {"query": 5}, "query has a value of a wrong type"),
    (NATIVE, {"top_n": 5}, "top_n is no field of this request"),
]


@pytest.mark.parametrize(("dialect", "more", "said"), WRONG)
def test_wrong_fields_are_named_and_never_shown(dialect: Dialect, more: dict[str, object], said: str) -> None:
    plain = [{"text": "a"}] if dialect is NATIVE else ["a"]
    sent: dict[str, object] = {"query": "q", "texts" if dialect is TEI else "documents": plain, **more}
    with pytest.raises(InvalidRequestError, match=said) as caught:
        dialect.parse(sent, LIMITS)
    assert "secret" not in caught.value.message.lower()
    assert caught.value.field


@pytest.mark.parametrize("dialect", [COHERE, JINA, VOYAGE, KREUZBERG, TEI, NATIVE], ids=lambda d: d.name)
def test_how_many_documents_is_checked_before_any_is_read(dialect: Dialect) -> None:
    name = "texts" if dialect is TEI else "documents"
    with pytest.raises(NoDocumentsError, match=f"{name} is empty") as empty:
        dialect.parse({"query": "q", name: []}, LIMITS)
    assert empty.value.field == name
    with pytest.raises(TooManyDocumentsError, match=f"4 {name}; one request takes at most 3") as many:
        dialect.parse({"query": "q", name: [None] * 4}, LIMITS)
    assert many.value.metadata == {"documents": "4", "limit": "3"}


@pytest.mark.parametrize("dialect", [COHERE, JINA, VOYAGE, KREUZBERG], ids=lambda d: d.name)
def test_fields_that_mean_nothing_are_told_by_name(dialect: Dialect) -> None:
    asked = dialect.parse(body(config={}, foo=1, bar=None, **{"x" * 100: 1}), LIMITS)
    names = [warning.split("'")[1] for warning in asked.warnings]
    assert set(names) - {"config"} == {"foo", "x" * 64}


def test_settings_of_kreuzberg_that_mean_nothing_are_told() -> None:
    asked = KREUZBERG.parse(body(config={"top_k": 1, "batch_size": 32, "download": None}), LIMITS)
    assert asked.warnings == ("field 'config.batch_size' has no effect here",)


def test_what_a_body_of_rerank_is_told_by_its_keys() -> None:
    assert dialect_of({"texts": []}) is TEI
    assert dialect_of({"texts": ["a"], "documents": None}) is TEI
    assert dialect_of({"documents": ["a"], "texts": None, "config": None}) is JINA
    assert dialect_of({"documents": [], "config": {}}) is KREUZBERG
    with pytest.raises(InvalidRequestError, match="exclude each other"):
        dialect_of({"texts": ["a"], "documents": ["a"]})
    with pytest.raises(InvalidRequestError, match="documents is missing"):
        dialect_of({"query": "q"})
    assert UNDECIDED.choose is dialect_of


def test_a_ranking_as_cohere_shows_it() -> None:
    assert COHERE.render(answered()) == {
        "id": "id-1",
        "results": [{"index": 1, "relevance_score": 0.72511953}, {"index": 0, "relevance_score": 1e-7}],
        "meta": META,
    }


def test_a_ranking_as_jina_shows_it() -> None:
    documents = (Document(text="one"), Document(fields={"text": "two", "id": 7}))
    assert JINA.render(answered(ranking(documents=documents))) == {
        "id": "id-1",
        "object": "list",
        "model": "m",
        "results": [
            {"index": 1, "relevance_score": 0.72511953, "document": {"text": "two", "id": 7}},
            {"index": 0, "relevance_score": 1e-7, "document": {"text": "one"}},
        ],
        "usage": {"total_tokens": 21, "prompt_tokens": 21},
        "meta": {**META, "api_version": {"version": "1", "is_experimental": False}},
    }


def test_a_ranking_as_tei_shows_it() -> None:
    documents = (Document(text="one"), Document(text="two"))
    assert TEI.render(answered()) == [{"index": 1, "score": 0.72511953}, {"index": 0, "score": 1e-7}]
    assert TEI.render(answered(ranking(documents=documents))) == [
        {"index": 1, "text": "two", "score": 0.72511953},
        {"index": 0, "text": "one", "score": 1e-7},
    ]
    assert TEI.headers(answered()) == {
        "x-compute-type": "onnx",
        "x-compute-time": "38",
        "x-compute-characters": "13",
        "x-compute-tokens": "21",
        "x-total-time": "38",
        "x-tokenization-time": "1",
        "x-queue-time": "2",
        "x-inference-time": "31",
    }


def test_a_ranking_as_voyage_shows_it() -> None:
    documents = (Document(text="one"), Document(text="two"))
    assert VOYAGE.render(answered(ranking(documents=documents))) == {
        "object": "list",
        "data": [
            {"relevance_score": 0.72511953, "index": 1, "document": "two"},
            {"relevance_score": 1e-7, "index": 0, "document": "one"},
        ],
        "model": "m",
        "usage": {"total_tokens": 21},
    }


def test_a_ranking_as_kreuzberg_shows_it() -> None:
    documents = (Document(text="one"), Document(text="two"))
    assert KREUZBERG.render(answered(ranking(documents=documents))) == {
        "results": [
            {"index": 1, "score": 0.72511953, "document": "two"},
            {"index": 0, "score": 1e-7, "document": "one"},
        ]
    }


def test_a_ranking_as_its_message() -> None:
    told: Any = NATIVE.render(answered(replace(ranking(), results=ranking().results[1:])))
    assert told["results"] == [
        {"index": 0, "id": "", "score": 1e-7, "rank": 2, "logit": -16.1, "droppedTokens": 0, "scored": True}
    ]
    assert told["usage"]["tokens"] == "21"
    assert told["timing"]["totalDuration"] == "0.038400s"
    assert (told["outcome"], told["outcomeReason"]) == ("OUTCOME_RERANKED", "")


def test_results_are_written_as_protobuf_writes_them() -> None:
    results = (
        Result(index=0, score=0.0, rank=1),
        Result(index=3, score=1 / 3, rank=2, id="x", logit=-2 / 3, original_score=1e-30, dropped_tokens=4),
        Result(
            index=1,
            score=7.0,
            rank=3,
            logit=0.0,
            original_score=0.0,
            passage=Passage(start_char=0, end_char=9),
        ),
        Result(index=2, score=-1e10, rank=4, document=Document(id="d", text="")),
        Result(
            index=4,
            score=0.1,
            rank=5,
            scored=False,
            document=Document(fields={"a": [1.0, {}]}, original_score=2.5),
        ),
    )
    told = replace(ranking(), results=results)
    assert NATIVE.render(answered(told)) == object_from(convert.response_from(told))


@pytest.mark.parametrize("dialect", [COHERE, JINA, VOYAGE, KREUZBERG], ids=lambda d: d.name)
def test_what_is_out_of_the_ordinary_is_said(dialect: Dialect) -> None:
    unusual = ranking(outcome=Outcome.PASSTHROUGH, documents=(Document(text="one"), Document(text="two")))
    unusual.usage.truncated_documents = 2
    told: Any = dialect.render(answered(unusual, "field 'x' has no effect here"))
    assert told.get("meta", told)["warnings"] == [
        "field 'x' has no effect here",
        "documents that were cut to what the model reads: 2",
        "PASSTHROUGH: MODEL_LOADING: soon",
    ]
