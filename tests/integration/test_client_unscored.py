"""Documents that a server will not score, what it answers of them, and who forgives what."""

from __future__ import annotations

import grpc
import pytest
from support.both_clients import BOTH, call, documents
from support.interrupted import Break, InterruptedServer, Plan

from rerankd.client import ModelChangedError, QuotaExceededError
from rerankd.client import _resume as resume
from rerankd.v1 import rerank_service_pb2 as pb

NONE = pb.RerankResponse(outcome=pb.OUTCOME_PASSTHROUGH, outcome_reason="NONE: left as it is")


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "FIRST_DELAY_SECONDS", 0.001)
    monkeypatch.setattr(resume, "LONGEST_DELAY_SECONDS", 0.002)


@BOTH
@pytest.mark.parametrize("top_n", [0, 7])
@pytest.mark.parametrize("breaks", [[], [Break(after=50), Break(after=3)], [Break(after=400)]], ids=len)
def test_a_server_that_scores_nothing_leaves_the_order(kind: str, top_n: int, breaks: list[Break]) -> None:
    docs = documents(400)
    plan = Plan(breaks=breaks, unscored_from=0, answer=NONE)
    with InterruptedServer(plan) as server:
        response, chunks, _ = call(
            kind, server.target, docs, emit="scores", top_n=top_n, return_documents=True, min_score=0.5
        )
    assert response.outcome == pb.OUTCOME_PASSTHROUGH
    assert response.outcome_reason.startswith("NONE: ")
    assert [(r.rank, r.index, r.id) for r in response.results] == [
        (i + 1, i, docs[i]["id"]) for i in range(top_n or 400)
    ]
    assert [r.document.text for r in response.results] == [d["text"] for d in docs[: top_n or 400]]
    assert not any(r.scored for r in response.results)
    assert (response.usage.documents, response.usage.scored_documents) == (400, 0)
    # Each one is told once, whatever came between.
    assert sorted(i for chunk in chunks for i in chunk.unscored_index) == list(range(400))


@BOTH
@pytest.mark.parametrize("top_n", [0, 30, 60])
@pytest.mark.parametrize("breaks", [[], [Break(after=20), Break(after=9)], [Break(after=150)]], ids=len)
def test_documents_beyond_the_servers_bound_follow_the_scored_ones(
    kind: str, top_n: int, breaks: list[Break]
) -> None:
    docs = documents(200)
    with InterruptedServer(Plan(breaks=breaks, unscored_from=40)) as server:
        response, _, _ = call(kind, server.target, docs, top_n=top_n)
        seen = [index for stream in server.streams for index in stream.indexes]
    with InterruptedServer(Plan()) as server:
        own, _, _ = call(kind, server.target, docs, top_n=top_n, max_scored_documents=40)
        assert server.streams[0].start.options.max_scored_documents == 40
        assert len(server.streams[0].indexes) == 40
    assert response.results == own.results
    assert response.outcome == pb.OUTCOME_RERANKED
    assert set(seen) == set(range(200))
    assert response.usage.scored_documents == 40


@BOTH
def test_snapshots_and_a_least_score_have_no_place_for_them(kind: str) -> None:
    with InterruptedServer(Plan(unscored_from=40)) as server:
        response, snapshots, _ = call(
            kind, server.target, documents(90), emit="snapshots", top_n=60, snapshot_interval_seconds=0
        )
        least, _, _ = call(kind, server.target, documents(90), top_n=60, min_score=0.5)
    assert all(r.scored for snapshot in snapshots for r in snapshot.results)
    assert len(response.results) == 60
    assert least.results
    assert all(r.score >= 0.5 for r in least.results)


@BOTH
def test_another_model_that_stood_in_and_what_it_billed_are_told(kind: str) -> None:
    usage = pb.Usage(provider_units=3, provider_cost=0.5, provider_units_estimated=True)
    answer = pb.RerankResponse(
        outcome=pb.OUTCOME_RERANKED, outcome_reason="FALLBACK: b stood in for a: DRAINING: ...", usage=usage
    )
    with InterruptedServer(Plan(breaks=[Break(after=5)], answer=answer)) as server:
        response, _, _ = call(kind, server.target, documents(60))
    assert response.outcome == pb.OUTCOME_RERANKED
    assert response.outcome_reason == answer.outcome_reason
    assert response.usage.provider_units == 3
    assert response.usage.provider_cost == 0.5
    assert response.usage.provider_units_estimated


@BOTH
@pytest.mark.parametrize("top_n", [0, 5])
def test_the_servers_own_original_order_is_taken_over(kind: str, top_n: int) -> None:
    """A server whose model fails half-way leaves the rest unscored; the model then has no revision."""
    answer = pb.RerankResponse(
        outcome=pb.OUTCOME_PASSTHROUGH, outcome_reason="OVERLOADED: ...", model=pb.ModelRef(id="test/fake")
    )
    plan = Plan(breaks=[Break(after=20)], revisions=["r1", ""], unscored_from=20, answer=answer)
    with InterruptedServer(plan) as server:
        response, _, _ = call(kind, server.target, documents(60), top_n=top_n)
    assert response.outcome == pb.OUTCOME_PASSTHROUGH
    assert response.outcome_reason == "OVERLOADED: ..."
    assert [(r.index, r.scored) for r in response.results] == [(i, False) for i in range(top_n or 60)]


@BOTH
def test_a_revision_after_none_is_another_model(kind: str) -> None:
    plan = Plan(breaks=[Break(after=5)], revisions=["", "r2"])
    with InterruptedServer(plan) as server, pytest.raises(ModelChangedError):
        call(kind, server.target, documents(60))


@BOTH
@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, pb.FAILURE_MODE_UNSPECIFIED),
        ({"on_failure": "original_order"}, pb.FAILURE_MODE_UNSPECIFIED),
        ({"on_failure": "fail"}, pb.FAILURE_MODE_FAIL),
    ],
)
def test_only_who_asks_for_the_error_forbids_other_models(
    kind: str, asked: dict[str, str], sent: pb.FailureMode
) -> None:
    with InterruptedServer(Plan()) as server:
        call(kind, server.target, documents(3), **asked)
        assert server.streams[0].start.options.on_failure == sent


@BOTH
def test_a_quota_is_forgiven_where_it_is_a_providers(kind: str) -> None:
    provider = Break(
        after=5,
        code=grpc.StatusCode.RESOURCE_EXHAUSTED,
        reason="QUOTA_EXCEEDED",
        metadata={"provider": "cohere"},
    )
    key = Break(after=5, code=provider.code, reason=provider.reason, metadata={"key": "search-team"})
    with InterruptedServer(Plan(breaks=[provider, key])) as server:
        response, _, _ = call(kind, server.target, documents(60), on_failure="original_order")
        assert response.outcome_reason == "QUOTA_EXCEEDED: ended by the plan"
        with pytest.raises(QuotaExceededError):
            call(kind, server.target, documents(60), on_failure="original_order")


@BOTH
def test_an_unreachable_provider_is_tried_again_and_then_forgiven(kind: str) -> None:
    away = [Break(after=0, reason="PROVIDER_UNAVAILABLE", retry_seconds=0.001)] * 3
    with InterruptedServer(Plan(breaks=away)) as server:
        response, _, resumes = call(kind, server.target, documents(60), on_failure="original_order")
        assert len(server.streams) == 3
    assert resumes == 2
    assert response.outcome_reason == "PROVIDER_UNAVAILABLE: ended by the plan"
