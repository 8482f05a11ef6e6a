"""Streams of the client agree with unary calls at servers that an operator configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from support.fake_backend import NAN_WORD, FakeBackend, FakeCatalogue
from support.servers import fake_config, serving

from rerankd.assembly import build_engine
from rerankd.client import AsyncClient, BackendFailedError, NonFiniteScoreError, RerankResponse, ScoreChunk
from rerankd.core.errors import BackendFailedError as EngineBackendFailed
from rerankd.v1 import rerank_service_pb2 as pb

QUERY = "red river stone"
WORDS = ("red", "river", "stone", "light", "salt")


def documents(count: int) -> list[dict[str, object]]:
    return [
        {"id": f"d{i}", "text": " ".join(WORDS[(i // 3**k) % 5] for k in range(i % 4))} for i in range(count)
    ]


def config_of(**reranking: object) -> Any:
    """A window so small that a stream has to go on after what is left unscored."""
    return fake_config(reranking=reranking, limits={"stream_window_documents": 8})


async def both(target: str, docs: list[dict[str, object]], **options: Any) -> list[RerankResponse]:
    """The answers of a unary call and of a stream."""
    async with AsyncClient(target) as client:
        unary = await client.rerank(QUERY, docs, **options)
        stream = client.rerank_stream(QUERY, docs, chunk_documents=4, **options)
        return [unary, await stream.summary()]


def said(response: RerankResponse) -> tuple[object, ...]:
    """What two answers have in common."""
    rows = [(r.index, r.id, r.rank, r.scored, round(r.score, 5), r.document.text) for r in response.results]
    usage = response.usage
    outcome = (response.outcome, response.outcome_reason, response.model)
    return rows, *outcome, usage.documents, usage.scored_documents


@pytest.mark.parametrize(
    "options", [{}, {"top_n": 30, "return_documents": True}, {"min_score": 0.5}], ids=str
)
@pytest.mark.parametrize(
    "reranking",
    [{"mode": "none"}, {"max_scored_documents": 20}, {"fallback_models": ["none"]}],
    ids=str,
)
async def test_streams_agree_with_unary_calls(
    reranking: Mapping[str, object], options: dict[str, Any]
) -> None:
    async with serving(config_of(**reranking)) as server:
        unary, stream = await both(server.target, documents(200), **options)
    assert said(stream) == said(unary)
    assert (unary.outcome == pb.OUTCOME_PASSTHROUGH) == ("mode" in reranking)


async def test_the_callers_bound_stands_in_place_of_the_operators() -> None:
    async with serving(config_of(max_scored_documents=5)) as server:
        unary, stream = await both(server.target, documents(200), max_scored_documents=50)
    assert said(stream) == said(unary)
    assert stream.usage.scored_documents == 50


@pytest.mark.parametrize("top_n", [0, 6])
async def test_the_operators_original_order_stands_for_a_failure(top_n: int) -> None:
    docs = [*documents(100), {"id": "bad", "text": NAN_WORD}, *documents(60)]
    async with serving(config_of(on_failure="original_order")) as server:
        unary, stream = await both(server.target, docs, top_n=top_n)
        async with AsyncClient(server.target) as client:
            with pytest.raises(NonFiniteScoreError):
                await client.rerank_stream(QUERY, docs, on_failure="fail").summary()
    for response in (unary, stream):
        assert response.outcome == pb.OUTCOME_PASSTHROUGH
        assert response.outcome_reason.startswith("NON_FINITE_SCORE: ")
        assert [r.index for r in response.results] == list(range(top_n or 161))


async def test_another_model_stands_in_unless_the_caller_forbids_it() -> None:
    backend = FakeBackend()

    def load(model_id: str, _report: object) -> FakeBackend:
        if model_id == "test/broken":
            raise EngineBackendFailed("the model cannot be read")
        return backend

    config = config_of(fallback_models=["test/other"])
    engine = build_engine(config, catalogue=FakeCatalogue(), loader=load)
    async with serving(config, backend, engine) as server:
        for asked in ({}, {"on_failure": "original_order"}):
            unary, stream = await both(server.target, documents(50), model="test/broken", **asked)
            assert said(stream) == said(unary)
            assert stream.model.id == "test/other"
            assert stream.outcome == pb.OUTCOME_RERANKED
            assert stream.outcome_reason.startswith("FALLBACK: ")
        async with AsyncClient(server.target) as client:
            refused = client.rerank_stream(QUERY, documents(50), model="test/broken", on_failure="fail")
            with pytest.raises(BackendFailedError):
                await refused.summary()


async def test_score_chunks_name_what_is_left_unscored() -> None:
    async with (
        serving(config_of(max_scored_documents=20)) as server,
        AsyncClient(server.target) as client,
        client.rerank_stream(QUERY, documents(100), emit="scores") as stream,
    ):
        chunks = [event async for event in stream if isinstance(event, ScoreChunk)]
    assert sorted(index for chunk in chunks for index in chunk.index) == list(range(20))
    assert sorted(index for chunk in chunks for index in chunk.unscored_index) == list(range(20, 100))
