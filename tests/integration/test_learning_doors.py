"""The learning reranker through both doors: feedback, corpora, refusals, rights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from support.calls import request
from support.http import call
from support.learning import HEADERS, METADATA, clicked, learning, records, shown
from support.servers import fake_config, serving

from rerankd.http_api.openapi.learning import learning_paths
from rerankd.training.v1alpha import settings_pb2
from rerankd.training.v1alpha import training_service_pb2 as pb

DOCUMENTS = [("a", "salt raises it"), ("b", "pumps fail")]


def reason(error: grpc.RpcError) -> tuple[str, str]:
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    return error.code().name, info.reason


async def test_feedback_is_kept_once_and_counted(tmp_path: Path) -> None:
    events = [shown("r1", DOCUMENTS, "blood pressure"), clicked("r1", "a")]
    async with learning(tmp_path) as here:
        first = await here.call("RecordFeedback", pb.RecordFeedbackRequest(events=events))
        again = await here.call("RecordFeedback", pb.RecordFeedbackRequest(events=events[1:]))
        assert list(first.event_ids) == ["shown-r1", "click-r1"]
        assert (list(again.event_ids), list(again.duplicate_event_ids)) == ([], ["click-r1"])
        status = await here.stub.GetLearningStatus(pb.GetLearningStatusRequest(with_feedback=True))
        assert dict(status.feedback.events) == {"shown": 1, "clicked": 1, "rated": 0}
        gone = await here.call("PurgeFeedback", pb.PurgeFeedbackRequest(request_ids=["r1"]))
        assert gone.purged_events == 2


async def test_feedback_of_tribrid_clients_over_http(tmp_path: Path) -> None:
    async with learning(tmp_path) as here:
        port = here.server.app.http_port
        event = {
            "requestId": "r1",
            "corpusId": "docs",
            "shown": {"query": "blood pressure", "documents": [{"id": "a", "text": "salt"}, {"id": "b"}]},
        }
        told = await call(port, "/reranker/feedback", {"events": [event]}, headers=HEADERS)
        assert (told.status, len(told.json["event_ids"])) == (200, 1)
        # The corpus of a click is that of the results that were shown under its id.
        told = await call(port, "/reranker/click", {"event_id": "r1", "doc_id": "a"}, headers=HEADERS)
        assert told.status == 200, told.body
        told = await call(
            port, "/reranker/feedback", {"event_id": "r1", "doc_id": "b", "signal": "star4"}, headers=HEADERS
        )
        assert told.status == 200, told.body
        logs = (await call(port, "/reranker/logs?limit=2", headers=HEADERS)).json["logs"]
        assert [(event["kind"], event["rating"]) for event in logs] == [("rated", 0.75), ("clicked", None)]
        assert (await call(port, "/reranker/logs/count")).json["count"] == 3
        lines = (await call(port, "/reranker/logs/download", headers=HEADERS)).body.splitlines()
        assert len([json.loads(line) for line in lines]) == 3
        assert (await call(port, "/reranker/nohits", headers=HEADERS)).json["count"] == 0
        assert (await call(port, "/reranker/logs/clear", {}, headers=HEADERS)).json["purged_events"] == 3
        assert (await call(port, "/reranker/logs/count")).json["count"] == 0


async def test_a_ranking_is_kept_as_shown_where_its_caller_asks_for_it(tmp_path: Path) -> None:
    async with learning(tmp_path) as here:
        metadata = (("x-rerankd-corpus", "docs"), ("x-request-id", "r7"))
        ranking = here.server.stub.Rerank(request(3), metadata=metadata)
        response = await ranking
        trailers = dict(await ranking.trailing_metadata())
        assert trailers["x-rerankd-feedback"] == "recorded"
        await here.server.app._learning._learning.shown.close()
        (event,) = await here.server.app._learning._learning.recent(10)
        assert (event.request_id, event.corpus_id, event.query) == ("r7", "docs", "alpha beta")
        assert [(d.id, d.rank) for d in event.shown] == [(r.id, r.rank) for r in response.results]
        click = pb.FeedbackEvent(request_id="r7", corpus_id="docs", click=pb.Click(document_id="d1"))
        await here.call("RecordFeedback", pb.RecordFeedbackRequest(events=[click]))

        body = {"query": "alpha", "documents": ["alpha", "beta"]}
        told = await call(here.server.app.http_port, "/v2/rerank", body, headers={"x-rerankd-corpus": "docs"})
        assert told.headers["x-rerankd-feedback"] == "skipped: the documents have no ids"
        told = await call(
            here.server.app.http_port, "/v2/rerank", body, headers={"x-rerankd-corpus": "../etc"}
        )
        assert told.headers["x-rerankd-feedback"].startswith("skipped: this is no name")


async def test_a_corpus_is_imported_listed_and_removed(tmp_path: Path) -> None:
    texts = {"a": "salt raises blood pressure", "b": "pumps fail"}
    judged = [("train", "q", "a", 1)]
    async with learning(tmp_path) as here:
        messages = records(texts, {"q": "blood pressure"}, judged)
        imported = await here.call("ImportCorpus", messages)
        assert (imported.report.documents, imported.report.judgments) == (2, 1)
        (corpus,) = (await here.stub.ListCorpora(pb.ListCorporaRequest())).corpora
        assert (corpus.id, corpus.documents, corpus.queries) == ("docs", 2, 1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await here.call("ImportCorpus", records(texts, {"q": "blood pressure"}, judged))
        assert reason(caught.value) == ("INVALID_ARGUMENT", "INVALID_REQUEST")

        port = here.server.app.http_port
        lines = [
            {"document": {"id": "x", "text": "light"}},
            {"query": {"id": "q", "text": "what is light"}},
            {"judgment": {"split": "SPLIT_TEST", "queryId": "q", "documentId": "x", "score": 1}},
        ]
        body = "\n".join(map(json.dumps, lines)).encode()
        told = await call(
            port,
            "/reranker/corpora/more",
            body,
            method="PUT",
            headers={**HEADERS, "content-type": "application/x-ndjson"},
        )
        assert (told.status, told.json["documents"], told.json["judgments"]) == (200, 1, 1)
        assert [c["id"] for c in (await call(port, "/reranker/corpora")).json["corpora"]] == ["docs", "more"]
        profile = (await call(port, "/reranker/train/profile?repo_id=more")).json
        assert (profile["label_kind"], profile["documents"]) == ("binary", 1)
        gone = await call(port, "/reranker/corpora/more", method="DELETE", headers=HEADERS)
        assert gone.status == 200, gone.body
        await here.call("DeleteCorpus", pb.DeleteCorpusRequest(corpus_id="docs"))
        assert not (await here.stub.ListCorpora(pb.ListCorporaRequest())).corpora


REFUSED: list[tuple[str, Any, str, str]] = [
    ("RecordFeedback", pb.RecordFeedbackRequest(), "INVALID_ARGUMENT", "INVALID_REQUEST"),
    ("PurgeFeedback", pb.PurgeFeedbackRequest(), "INVALID_ARGUMENT", "INVALID_REQUEST"),
    ("MineTriplets", pb.MineTripletsRequest(corpus_id="none"), "NOT_FOUND", "CORPUS_NOT_FOUND"),
    ("CreateTrainingRun", pb.CreateTrainingRunRequest(corpus_id="none"), "NOT_FOUND", "CORPUS_NOT_FOUND"),
    ("GetTrainingRun", pb.GetTrainingRunRequest(run_id="none"), "NOT_FOUND", "RUN_NOT_FOUND"),
    ("CancelTrainingRun", pb.CancelTrainingRunRequest(run_id="../x"), "NOT_FOUND", "RUN_NOT_FOUND"),
    ("PromoteTrainingRun", pb.PromoteTrainingRunRequest(run_id="none"), "NOT_FOUND", "RUN_NOT_FOUND"),
    ("Evaluate", pb.EvaluateRequest(corpus_id="none"), "NOT_FOUND", "CORPUS_NOT_FOUND"),
    ("RollbackModel", pb.RollbackModelRequest(corpus_id="none"), "FAILED_PRECONDITION", "PROMOTION_REFUSED"),
    ("ListCorpora", pb.ListCorporaRequest(page_size=-1), "INVALID_ARGUMENT", "INVALID_REQUEST"),
    (
        "MineTriplets",
        pb.MineTripletsRequest(corpus_id="none", settings=settings_pb2.MiningSettings(max_pairs=0)),
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
    ),
]


async def test_what_is_refused_says_why(tmp_path: Path) -> None:
    async with learning(tmp_path) as here:
        for method, message, code, wanted in REFUSED:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await here.call(method, message)
            assert reason(caught.value) == (code, wanted), method
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await anext(aiter(here.stub.WatchTrainingRun(pb.WatchTrainingRunRequest(run_id="none"))))
        assert reason(caught.value) == ("NOT_FOUND", "RUN_NOT_FOUND")
        for name in ("none", "operations/none"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await here.operations.GetOperation(operations_pb2.GetOperationRequest(name=name))
            assert reason(caught.value) == ("NOT_FOUND", "RUN_NOT_FOUND")


WRITES = [
    name
    for name, method in pb.DESCRIPTOR.services_by_name["TrainingService"].methods_by_name.items()
    if not name.startswith(("Get", "List", "Watch", "Compare"))
]


async def test_changes_need_the_token(tmp_path: Path) -> None:
    async with learning(tmp_path) as here:
        for name in WRITES:
            method = pb.DESCRIPTOR.services_by_name["TrainingService"].methods_by_name[name]
            message = getattr(pb, method.input_type.name)()
            sent = iter([message]) if method.client_streaming else message
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await getattr(here.stub, name)(sent)
            assert reason(caught.value)[0] == "UNAUTHENTICATED", name
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await here.operations.CancelOperation(operations_pb2.CancelOperationRequest(name="operations/x"))
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED

        port = here.server.app.http_port
        for path, item in learning_paths().items():
            for method_name, operation in item.items():  # type: ignore[union-attr]
                if "needs `authorization" not in operation["summary"]:  # type: ignore[index, call-overload]
                    continue
                told = await call(port, path.format(corpus_id="docs", run_id="x"), method=method_name.upper())
                assert told.status == 401, (method_name, path, told.body)


async def test_every_route_is_in_the_document_and_the_other_way_round(tmp_path: Path) -> None:
    async with learning(tmp_path) as here:
        app = here.server.app
        told = (await call(app.http_port, "/openapi.json")).json
        documented = {
            (method, path) for path, item in told["paths"].items() for method in item if "/reranker" in path
        }
        served = {
            (method.lower(), route.path)
            for route in app._learning.http_routes()
            for method in route.methods
            if method != "HEAD"
        }
        assert documented == served
        names = [op["operationId"] for item in told["paths"].values() for op in item.values()]
        assert len(set(names)) == len(names)


HTTP_REFUSED: list[tuple[str, str, Any, int, str]] = [
    ("POST", "/reranker/mine", {"corpus_id": "docs", "max_pears": 1}, 400, "did you mean max_pairs"),
    ("POST", "/reranker/mine", {"corpus_id": "docs", "max_pairs": 0}, 400, "max_pairs"),
    ("POST", "/reranker/mine", {"corpus_id": "docs", "repo_id": "docs"}, 400, "same field"),
    ("POST", "/reranker/mine", {}, 400, "corpus_id"),
    ("POST", "/reranker/train", {"repo_id": "none", "lr": 2e-5, "epochs": 2}, 404, "none"),
    ("POST", "/reranker/train", {"repo_id": "none", "lr": 1.0}, 400, "lr"),
    ("POST", "/reranker/evaluate", {"corpus_id": "none"}, 404, "none"),
    ("GET", "/reranker/train/run/none", None, 404, "none"),
    ("GET", "/reranker/train/run/none/metrics", None, 404, "none"),
    ("GET", "/reranker/train/run/stream?run_id=none", None, 404, "none"),
    ("GET", "/reranker/train/run/stream", None, 400, "run_id"),
    ("POST", "/reranker/train/diff", {"baseline_run_id": "a", "current_run_id": "b"}, 404, "a"),
    ("GET", "/reranker/triplets/count?corpus_id=none", None, 404, "none"),
    ("POST", "/reranker/rollback", {"corpus_id": "none"}, 409, "none"),
    ("POST", "/reranker/click", {"event_id": "r9", "doc_id": "a"}, 400, "corpus_id"),
    ("POST", "/reranker/feedback", {"event_id": "r", "doc_id": "a", "signal": "wink"}, 400, "signal"),
]


async def test_what_http_refuses_says_why(tmp_path: Path) -> None:
    async with learning(tmp_path) as here:
        for method, path, body, status, words in HTTP_REFUSED:
            told = await call(here.server.app.http_port, path, body, method=method, headers=HEADERS)
            assert told.status == status, (path, body, told.body)
            assert words in told.json["error"]["message"], (path, told.body)


async def test_status_info_score_and_empty_lists(tmp_path: Path) -> None:
    async with learning(tmp_path) as here:
        port = here.server.app.http_port
        told = (await call(port, "/reranker/status")).json
        assert (told["enabled"], told["mode"], told["corpus_ids"], told["models"]) == (True, "local", [], [])
        info = (await call(port, "/reranker/info")).json
        assert info["settings"]["run"]["epochs"] == 2
        assert str(tmp_path) not in json.dumps(info)
        scored = await call(
            port, "/reranker/score", {"query": "alpha", "document": "alpha beta", "include_logits": 1}
        )
        assert (scored.status, scored.json["no_logit"]) == (200, None), scored.body
        assert 0 <= scored.json["score"] <= 1
        assert (await call(port, "/reranker/train/runs")).json == {"runs": [], "count": 0}
        assert (await call(port, "/reranker/costs")).json["total_seconds"] == 0
        listed = await here.operations.ListOperations(operations_pb2.ListOperationsRequest())
        assert not listed.operations


async def test_a_server_that_does_not_learn_has_nothing_of_it() -> None:
    async with serving(fake_config(http_enabled=True)) as server:
        assert (await call(server.app.http_port, "/reranker/status")).status == 404
        call_ = server.stub.Rerank(request(2), metadata=(("x-rerankd-corpus", "docs"), *METADATA))
        await call_
        assert dict(await call_.trailing_metadata())["x-rerankd-feedback"].startswith("off:")
