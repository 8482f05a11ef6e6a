"""SDKs that were written for other services, pointed at this server: the ranking that gRPC gives."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sdk_runs import Ask, Outcome, Sdks
from shared_vectors import COUNT, vectors
from support.servers import ServerProcess

from rerankd.client import Client

APIS = {
    "cohere": ("v1", "v2", "v2_async"),
    "haystack": ("tei",),
    "langchain": ("rerank", "compress_documents"),
    "litellm": ("cohere", "hosted_vllm", "huggingface", "infinity", "jina_ai", "voyage"),
    "llama-index": ("tei", "cohere"),
    "rerankers": ("cohere", "jina", "text-embeddings-inference", "voyage"),
    "voyageai": ("rerank",),
}
EACH_API = [(sdk, api) for sdk, apis in APIS.items() for api in apis]

LONG = [" ".join(f"w{i}x{k}" for i in range(90)) + " needle" * (k % 3) for k in range(6)]
LONG_QUERY = "needle w3x1 w80x2"
FIELDS = [{"title": "the needle", "text": "hay"}, {"title": "hay", "text": "more hay", "note": "needle"}]


@functools.cache
def asked() -> list[Ask]:
    return [Ask(api="", query=v.query, documents=v.documents, top_n=v.top_n) for v in vectors()]


@pytest.fixture(scope="module")
def expected(grpc_client: Client) -> list[list[tuple[int, float]]]:
    """What the gRPC client gets for each vector, from the same server."""
    return [
        grpc_ranking(grpc_client, ask.query, ask.documents, **({"top_n": ask.top_n} if ask.top_n else {}))
        for ask in asked()
    ]


def grpc_ranking(
    client: Client, query: str, documents: Sequence[Any], **options: Any
) -> list[tuple[int, float]]:
    response = client.rerank(query, documents, **options)
    return [(result.index, result.score) for result in response.results]


def assert_same(got: Outcome, wanted: list[tuple[int, float]]) -> None:
    assert got.ranking is not None, got.error
    assert [index for index, _ in got.ranking] == [index for index, _ in wanted]
    assert [score for _, score in got.ranking] == pytest.approx(
        [score for _, score in wanted], abs=1e-6, rel=0
    )


def test_the_vectors_tell_right_from_wrong(expected: list[list[tuple[int, float]]]) -> None:
    assert len(expected) == COUNT == 100
    orders = [[index for index, _ in ranking] for ranking in expected]
    assert sum(order != sorted(order) for order in orders) > 70
    assert len({round(score, 6) for ranking in expected for _, score in ranking}) > 100


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("sdk", "api"), EACH_API)
def test_each_sdk_ranks_as_grpc_does(
    sdk: str, api: str, sdks: Sdks, expected: list[list[tuple[int, float]]]
) -> None:
    for ask, wanted in zip(asked(), expected, strict=True):
        assert_same(sdks.ask(sdk, replace(ask, api=api)), wanted)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("sdk", "api"), [("cohere", "v2"), ("voyageai", "rerank"), ("llama-index", "tei")])
def test_the_bundled_model_ranks_for_sdks_too(sdk: str, api: str, sdks: Sdks, server: ServerProcess) -> None:
    with Client(server.target) as client:
        for ask in asked()[:10]:
            got = sdks.ask(sdk, replace(ask, api=api, model="default"), url=server.http_url)
            top_n = {"top_n": ask.top_n} if ask.top_n else {}
            assert_same(got, grpc_ranking(client, ask.query, ask.documents, **top_n))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("sdk", "api", "options", "meaning"),
    [
        ("cohere", "v1", {}, {}),
        ("cohere", "v1", {"return_documents": True}, {}),
        ("cohere", "v2", {}, {}),
        ("cohere", "v2", {"max_tokens_per_doc": 8}, {"max_tokens_per_document": 8}),
        ("cohere", "v2", {"priority": 3}, {}),
        ("haystack", "tei", {}, {}),
        ("haystack", "tei", {"raw_scores": True}, {"raw_scores": True}),
        ("haystack", "tei", {"truncation_direction": "Left"}, {"long_document": "truncate_start"}),
        ("langchain", "rerank", {"max_tokens_per_doc": 8}, {"max_tokens_per_document": 8}),
        ("litellm", "cohere", {"max_tokens_per_doc": 8}, {"max_tokens_per_document": 8}),
        ("litellm", "cohere", {"max_chunks_per_doc": 1}, {}),
        ("litellm", "jina_ai", {"return_documents": False}, {}),
        ("llama-index", "tei", {}, {}),
        ("voyageai", "rerank", {}, {}),
        ("voyageai", "rerank", {"truncation": True}, {}),
    ],
    ids=str,
)
def test_options_of_an_sdk_mean_what_they_mean_here(
    sdk: str, api: str, options: dict[str, Any], meaning: dict[str, Any], sdks: Sdks, grpc_client: Client
) -> None:
    got = sdks.ask(sdk, Ask(api=api, query=LONG_QUERY, documents=LONG, options=options))
    assert_same(got, grpc_ranking(grpc_client, LONG_QUERY, LONG, **meaning))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_structured_documents_of_cohere_v1_are_scored_by_their_fields(
    sdks: Sdks, grpc_client: Client
) -> None:
    ask = Ask(api="v1", query="needle", documents=FIELDS)
    by_text = sdks.ask("cohere", ask)
    by_fields = sdks.ask("cohere", replace(ask, options={"rank_fields": ["title", "note"]}))
    assert_same(by_text, grpc_ranking(grpc_client, "needle", [entry["text"] for entry in FIELDS]))
    structured = [{"fields": entry} for entry in FIELDS]
    assert_same(by_fields, grpc_ranking(grpc_client, "needle", structured, document_fields=["title", "note"]))


TOO_MANY = ["a text"] * 1025
NO_MODEL = {"model": "nobody/knows", "documents": ["a"]}
MANY = {"documents": TOO_MANY}
EMPTY: dict[str, Any] = {"documents": []}
CUT = {"documents": LONG}
NO_CUT = {"documents": LONG, "options": {"truncation": False}}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("sdk", "api", "request_fields", "error", "text"),
    [
        ("cohere", "v1", NO_MODEL, "NotFoundError", "nobody/knows"),
        ("cohere", "v1", MANY, "BadRequestError", "1024"),
        ("cohere", "v1", EMPTY, "UnprocessableEntityError", "documents"),
        ("cohere", "v2", NO_MODEL, "NotFoundError", "nobody/knows"),
        ("cohere", "v2", MANY, "BadRequestError", "1024"),
        ("cohere", "v2", EMPTY, "BadRequestError", "documents"),
        ("cohere", "v2_async", NO_MODEL, "NotFoundError", "nobody/knows"),
        ("haystack", "tei", MANY, "RuntimeError", "1024"),
        ("langchain", "rerank", NO_MODEL, "NotFoundError", "nobody/knows"),
        ("langchain", "rerank", MANY, "BadRequestError", "1024"),
        ("litellm", "cohere", NO_MODEL, "NotFoundError", "nobody/knows"),
        ("litellm", "cohere", MANY, "BadRequestError", "1024"),
        ("litellm", "jina_ai", NO_MODEL, "NotFoundError", "nobody/knows"),
        ("litellm", "huggingface", MANY, "APIError", "1024"),
        # It always sends "truncate": false.
        ("litellm", "huggingface", CUT, "APIError", "tokens"),
        ("litellm", "voyage", NO_MODEL, "BadRequestError", "nobody/knows"),
        # It does not look at the status: an error is the object that has another length than the nodes.
        ("llama-index", "tei", MANY, "AssertionError", ""),
        ("llama-index", "cohere", NO_MODEL, "NotFoundError", "nobody/knows"),
        ("llama-index", "cohere", MANY, "BadRequestError", "1024"),
        ("rerankers", "cohere", NO_MODEL, "KeyError", "results"),
        ("rerankers", "voyage", MANY, "KeyError", "data"),
        ("voyageai", "rerank", NO_MODEL, "InvalidRequestError", "nobody/knows"),
        ("voyageai", "rerank", MANY, "InvalidRequestError", "1024"),
        ("voyageai", "rerank", EMPTY, "InvalidRequestError", "documents"),
        ("voyageai", "rerank", {"documents": [3]}, "MalformedRequestError", "documents"),
        ("voyageai", "rerank", NO_CUT, "InvalidRequestError", "tokens"),
    ],
)
def test_each_sdk_raises_its_own_exception(
    sdk: str, api: str, request_fields: dict[str, Any], error: str, text: str, sdks: Sdks
) -> None:
    got = sdks.ask(sdk, Ask(api=api, query="a question", **request_fields))
    assert got.error is not None, got.ranking
    assert got.error["type"] == error
    assert text in got.error["text"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("sdk", "api"),
    [("haystack", "tei"), ("langchain", "rerank"), ("llama-index", "tei"), ("llama-index", "cohere")],
)
def test_sdks_that_answer_an_empty_list_themselves(sdk: str, api: str, sdks: Sdks) -> None:
    got = sdks.ask(sdk, Ask(api=api, query="a question", documents=[]))
    assert got.ranking == []
