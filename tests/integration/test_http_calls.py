"""Calls over a real socket: what surrounds a ranking, and what ends one early."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

import h11
import pytest
from support.fake_backend import NAN_WORD, RAISE_WORD, FakeBackend
from support.http import Answer, OpenDoor, both_doors, call, connected, http_door
from support.servers import fake_config, fake_engine

from rerankd.core.engine import ANYONE, Engine, Request
from rerankd.core.errors import ModelFailedError, OverloadedError, RerankdError
from rerankd.core.types import Caller, Ranking
from rerankd.v1 import rerank_service_pb2 as pb

SECRET = "unspeakable"
TEXTS = ["alpha x", "beta alpha", SECRET, "alpha beta gamma " * 40]
BODY = {"query": "alpha beta", "documents": TEXTS}
DIALECTS: dict[str, Callable[[list[str]], dict[str, Any]]] = {
    "/v2/rerank": lambda texts: {"documents": texts},
    "/v1/rerank": lambda texts: {"documents": texts},
    "/rerank": lambda texts: {"texts": texts},
    "/voyage/v1/rerank": lambda texts: {"documents": texts},
    "/api/v1/rerank": lambda texts: {"documents": [{"text": text} for text in texts]},
}


class WatchedEngine(Engine):
    """Tells what its callers are like, and when a call has ended."""

    def watch(self) -> None:
        self.callers: list[Caller] = []
        self.ended = asyncio.Event()
        self.fault: Exception | None = None

    async def rerank(self, request: Request, caller: Caller = ANYONE) -> Ranking:
        self.callers.append(caller)
        try:
            if self.fault is not None:
                raise self.fault
            return await super().rerank(request, caller)
        finally:
            self.ended.set()


def watched(backend: FakeBackend | None = None) -> WatchedEngine:
    plain = fake_engine(backend or FakeBackend(), fake_config())
    engine = WatchedEngine(plain.registry, plain.limits)
    engine.watch()
    return engine


async def refused(port: int, body: object, path: str = "/v2/rerank", **headers: str) -> Answer:
    answer = await call(port, path, body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    assert answer.status >= 400
    assert SECRET.encode() not in answer.body
    return answer


async def test_scores_and_order_are_those_of_grpc() -> None:
    async with both_doors() as server:
        ranked = await server.stub.Rerank(
            pb.RerankRequest(query="alpha beta", documents=[pb.Document(text=text) for text in TEXTS])
        )
        expected = [(result.index, result.score) for result in ranked.results]
        for path, documents in DIALECTS.items():
            answer = await call(server.app.http_port, path, {"query": "alpha beta", **documents(TEXTS)})
            told = answer.json if isinstance(answer.json, list) else answer.json.get("results")
            results = told if told is not None else answer.json["data"]
            found = [(r["index"], r.get("relevance_score", r.get("score"))) for r in results]
            assert found == [(i, pytest.approx(s, rel=1e-7)) for i, s in expected], path
            assert answer.headers["x-rerankd-model"] == "test/fake"
            assert answer.headers["x-rerankd-truncated-documents"] == "1"


@pytest.mark.parametrize("path", [*DIALECTS, "/health", "/metrics", "/nothing", "/v1/models"])
async def test_every_answer_has_a_request_id(path: str) -> None:
    async with http_door() as door:
        body = {"query": "q"} if path in DIALECTS else None
        assert (await call(door.port, path, body, headers={"x-request-id": "mine-7"})).headers[
            "x-request-id"
        ] == "mine-7"
        for unusable in ("", "with space", "x" * 129, "caf\xe9"):
            made = (await call(door.port, path, body, headers={"x-request-id": unusable})).headers[
                "x-request-id"
            ]
            assert len(made) == 32
            assert made != unusable


async def test_a_body_above_the_limit_is_413_in_each_dialect() -> None:
    async with http_door(limits={"max_receive_bytes": 65_536, "max_chunk_bytes": 65_536}) as door:
        for path, documents in DIALECTS.items():
            body = {"query": "q", **documents(["x" * 70_000])}
            assert (await refused(door.port, body, path)).status == 413
        fits = await call(door.port, "/v2/rerank", {"query": "q", "documents": ["x" * 60_000]})
        assert fits.status == 200


async def test_a_body_that_says_itself_that_it_is_far_too_large_is_not_waited_for() -> None:
    async with http_door() as door, connected(door.port) as connection:
        headers = {"content-type": "application/json", "content-length": "99999999999"}
        await connection.begin("POST", "/v2/rerank", {**headers, "expect": "100-continue"})
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")


@pytest.mark.parametrize("path", DIALECTS)
async def test_bodies_that_are_no_json_objects_are_refused(path: str) -> None:
    async with http_door() as door:
        for body, said in (
            (f'{{"query": "{SECRET}", "documents": ['.encode(), "not JSON"),
            (b'{"query": "' + SECRET.encode() + b'\xff"}', "not UTF-8"),
            (b"[" * 50_000, "nested too deep"),
            (b"", "empty"),
        ):
            answer = await refused(door.port, body, path)
            assert answer.status == (400 if path in ("/v2/rerank", "/api/v1/rerank") else 422)
            assert said in answer.body.decode()
        answer = await refused(door.port, b"query=q", path, content_type="application/x-www-form-urlencoded")
        assert answer.status == 415
        plain = {"query": "alpha", **DIALECTS[path](TEXTS)}
        assert (await call(door.port, path, plain, headers={"content-type": ""})).status == 200


async def test_a_model_that_is_not_known_is_told_with_those_that_are() -> None:
    async with http_door(offered=("test/other",)) as door:
        answer = await refused(door.port, {**BODY, "model": "rerank-english-v3.0"})
        assert answer.status == 404
        assert "this server offers test/fake, test/other, default" in answer.json["message"]
        named = await call(door.port, "/v2/rerank", {**BODY, "model": "default"})
        assert named.status == 200


async def test_any_model_can_mean_the_default_one_but_not_natively() -> None:
    async with http_door(accept_any_model=True) as door:
        answer = await call(door.port, "/v1/rerank", {**BODY, "model": "rerank-english-v3.0"})
        assert (answer.status, answer.json["model"]) == (200, "test/fake")
        assert "the model is not known here; the default model was used" in answer.json["meta"]["warnings"]
        native = {"query": "q", "documents": [{"text": "a"}], "options": {"model": "rerank-english-v3.0"}}
        assert (await refused(door.port, native, "/api/v1/rerank")).status == 404


async def test_who_asks_and_how_long_they_wait_reaches_the_engine() -> None:
    async with http_door(engine=watched()) as door:
        assert isinstance(door.engine, WatchedEngine)
        await call(door.port, "/v2/rerank", BODY)
        began = time.monotonic()
        await call(door.port, "/v2/rerank", BODY, headers={"x-request-timeout-ms": "60000"})
        first, second = door.engine.callers
        assert (first.client, first.deadline) == ("127.0.0.1", None)
        assert second.deadline is not None
        assert began + 60 <= second.deadline <= time.monotonic() + 60
        for wrong in ("0", "-1", "soon", "1.5", "99999999999", "\xb2"):
            answer = await refused(door.port, BODY, x_request_timeout_ms=wrong)
            assert (answer.status, "x-request-timeout-ms must be" in answer.json["message"]) == (400, True)


async def test_the_deadline_is_504() -> None:
    backend = FakeBackend()
    async with http_door(backend) as door:
        assert (await call(door.port, "/v2/rerank", BODY)).status == 200  # The model is loaded now.
        backend.gate.clear()
        answer = await refused(door.port, BODY, x_request_timeout_ms="300")
        assert answer.status == 504


async def test_a_caller_who_hangs_up_cancels_the_work(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "rerankd.calls")
    backend = FakeBackend()
    async with http_door(backend, watched(backend)) as door:
        assert isinstance(door.engine, WatchedEngine)
        backend.gate.clear()
        data = json.dumps(BODY).encode()
        async with connected(door.port) as connection:
            await connection.begin(
                "POST", "/v2/rerank", {"content-type": "application/json", "content-length": str(len(data))}
            )
            await connection.send(h11.Data(data=data), h11.EndOfMessage())
            await asyncio.to_thread(backend.started.acquire)
            assert door.server.calls_under_way == 1
        await door.engine.ended.wait()
        await door.server.finish(30)
        backend.gate.set()
    line = call_lines(caplog)[-1]
    assert (line["reason"], line["code"]) == ("CANCELLED", "CANCELLED")


def call_lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.name == "rerankd.calls"]


async def test_each_call_leaves_one_line_without_its_texts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with http_door() as door:
        await call(door.port, "/v2/rerank", BODY, headers={"x-request-id": "mine-7"})
        await refused(door.port, {"query": SECRET, "documents": []}, "/rerank")
        await call(door.port, f"/{SECRET}%0A?{SECRET}=1")
        await call(door.port, "/health")
    ranked, wrong, unknown, health = call_lines(caplog)
    assert ranked["method"] == "POST /v2/rerank"
    assert (ranked["status"], ranked["code"], ranked["reason"]) == (200, "OK", "")
    assert (ranked["model"], ranked["documents"], ranked["peer"]) == ("test/fake", 4, "127.0.0.1")
    assert ranked["tokens"] > 0
    assert ranked["total_ms"] >= ranked["inference_ms"] >= 0
    assert ranked["levelno"] == logging.DEBUG
    assert (wrong["status"], wrong["reason"], wrong["levelno"]) == (422, "INVALID_REQUEST", logging.INFO)
    assert (unknown["method"], unknown["status"]) == (f"GET /{SECRET}%0A", 404)
    assert (health["status"], health["levelno"]) == (200, logging.DEBUG)
    told = [r.getMessage() + str(r.args) for r in caplog.records if r.name != "rerankd.calls"]
    assert not [line for line in told if SECRET in line]


@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize("word", [RAISE_WORD, NAN_WORD])
async def test_a_model_that_fails_is_told_without_its_cause(
    path: str, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with http_door() as door:
        body = {"query": "alpha", **DIALECTS[path]([f"{word} {SECRET}"])}
        answer = await refused(door.port, body, path)
        assert answer.status == (424 if path == "/rerank" else 500)
        assert b"/secret/path" not in answer.body
        assert (await call(door.port, path, {"query": "alpha", **DIALECTS[path](TEXTS)})).status == 200
    assert [record for record in caplog.records if record.levelno == logging.ERROR]


@pytest.mark.parametrize("path", DIALECTS)
async def test_what_nobody_foresaw_is_an_internal_error_with_an_id(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with http_door(engine=watched()) as door:
        assert isinstance(door.engine, WatchedEngine)
        door.engine.fault = ZeroDivisionError("/secret/path")
        answer = await refused(door.port, {"query": "alpha", **DIALECTS[path](TEXTS)}, path)
        assert answer.status == (424 if path == "/rerank" else 500)
        assert b"secret" not in answer.body
        assert answer.headers["x-request-id"]
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("fault", "level"),
    [(OverloadedError("full"), logging.WARNING), (ModelFailedError("no output"), logging.WARNING)],
)
async def test_lines_are_as_loud_as_over_grpc(
    fault: RerankdError, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with http_door(engine=watched()) as door:
        assert isinstance(door.engine, WatchedEngine)
        door.engine.fault = fault
        await refused(door.port, BODY)
    assert [(line["levelno"], line["reason"]) for line in call_lines(caplog)] == [(level, fault.spec.reason)]


async def begun(door: OpenDoor, path: str = "/v2/rerank") -> asyncio.Task[Answer]:
    """A call whose documents are in the model's hands."""
    task = asyncio.create_task(call(door.port, path, {"query": "alpha", **DIALECTS[path](TEXTS)}))
    await asyncio.to_thread(door.backend.started.acquire)
    return task


async def test_going_down_waits_for_calls_and_refuses_new_ones() -> None:
    async with http_door() as door:
        door.backend.gate.clear()
        under_way = await begun(door)
        finishing = asyncio.create_task(door.server.finish(60))
        await asyncio.sleep(0)
        for path, documents in DIALECTS.items():
            answer = await refused(door.port, {"query": "alpha", **documents(TEXTS)}, path)
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert (await call(door.port, "/metrics")).status == 200
        assert not finishing.done()
        door.backend.gate.set()
        assert (await under_way).status == 200
        await finishing


async def test_a_call_that_outlives_the_grace_is_told_to_go_elsewhere() -> None:
    async with http_door() as door:
        door.backend.gate.clear()
        under_way = await begun(door, "/api/v1/rerank")
        await door.server.finish(0)
        answer = await under_way
        assert (answer.status, answer.json["error"]["reason"]) == (503, "DRAINING")
        assert door.server.calls_under_way == 0


async def test_health_follows_the_state_of_the_server() -> None:
    states = iter(["starting", "ready", "draining"])
    async with http_door(state=lambda: next(states)) as door:  # type: ignore[arg-type,return-value]
        answers = [await call(door.port, path) for path in ("/health", "/ping", "/health")]
        assert [answer.status for answer in answers] == [503, 200, 503]
        assert answers[0].json["error_type"] == "Unhealthy"
        assert answers[0].headers["retry-after"] == "1"
        assert (await call(door.port, "/health?live=1")).status == 200


async def test_a_loading_model_is_503_with_a_delay() -> None:
    config = fake_config(warmup={"mode": "none"})
    async with http_door(engine=fake_engine(FakeBackend(), config)) as door:
        for path, documents in DIALECTS.items():
            answer = await refused(door.port, {"query": "alpha", **documents(TEXTS)}, path)
            assert answer.status == 503
            assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("5", "5000")


async def test_lists_name_models_before_they_are_loaded_and_their_aliases() -> None:
    async with http_door(offered=("test/other", "nobody/knows")) as door:
        listed = (await call(door.port, "/v1/models")).json
        names = [(model["id"], model["root"], model["state"]) for model in listed["data"]]
        assert names == [
            ("test/fake", "test/fake", "unloaded"),
            ("default", "test/fake", "unloaded"),
            ("test/other", "test/other", "unloaded"),
        ]
        before = (await call(door.port, "/info")).json
        assert (before["model_id"], before["max_input_length"]) == ("test/fake", 0)
        await call(door.port, "/v2/rerank", BODY)
        after = (await call(door.port, "/info")).json
        assert (after["max_input_length"], after["max_batch_tokens"], after["model_sha"]) == (64, 128, "r1")
        status = (await call(door.port, "/api/v1/status")).json
        assert [model["state"] for model in status["models"]] == [
            "MODEL_STATE_ACTIVE",
            "MODEL_STATE_UNLOADED",
        ]


async def test_the_document_is_served_with_the_bounds_in_force() -> None:
    async with http_door(limits={"max_documents": 7}) as door:
        told = (await call(door.port, "/openapi.json")).json
        assert told["openapi"] == "3.1.0"
        assert told["components"]["schemas"]["CohereRequest"]["properties"]["documents"]["maxItems"] == 7
        assert (await refused(door.port, {"query": "q", "documents": ["a"] * 8})).status == 400


async def test_answers_do_not_wait_for_acknowledgements() -> None:
    """Head and body are two writes: without the option each answer on a kept connection takes 40 ms more."""
    async with http_door() as door:
        assert door.server._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(("method", "path"), [("GET", "/v2/rerank"), ("PUT", "/rerank"), ("POST", "/health")])
async def test_other_methods_are_405(method: str, path: str) -> None:
    async with http_door() as door:
        answer = await call(door.port, path, method=method)
        assert (answer.status, answer.json["error"]["reason"]) == (405, "METHOD_NOT_ALLOWED")
        assert "POST" in answer.headers["allow"] or "GET" in answer.headers["allow"]


async def test_a_batch_answers_each_request_as_grpc_does() -> None:
    requests: list[dict[str, Any]] = [
        {"query": "alpha beta"},
        {"query": "beta", "documents": [{"text": "x"}, {"text": "beta", "id": "b"}], "options": {"topN": 1}},
        {"query": ""},
        {"query": "beta", "documents": [{}]},
        {"query": "beta", "options": {"model": "nobody/knows"}},
        {"query": "beta", "tekst": 1},
        {"query": "beta", "options": {"topN": "many"}},
    ]
    shared = [{"text": text} for text in TEXTS]
    async with both_doors() as server:
        answer = await call(
            server.app.http_port, "/api/v1/rerank/batch", {"requests": requests, "sharedDocuments": shared}
        )
        expected = await server.stub.RerankBatch(
            pb.RerankBatchRequest(
                requests=[
                    pb.RerankRequest(query="alpha beta"),
                    pb.RerankRequest(
                        query="beta",
                        documents=[pb.Document(text="x"), pb.Document(text="beta", id="b")],
                        options=pb.RerankOptions(top_n=1),
                    ),
                    pb.RerankRequest(query=""),
                    pb.RerankRequest(query="beta", documents=[pb.Document()]),
                    pb.RerankRequest(query="beta", options=pb.RerankOptions(model="nobody/knows")),
                ],
                shared_documents=[pb.Document(text=text) for text in TEXTS],
            )
        )
    assert answer.status == 200
    results = answer.json["results"]
    for told, wanted in zip(results, expected.results, strict=False):
        if wanted.HasField("error"):
            assert told == {"error": {"reason": wanted.error.reason, "message": wanted.error.message}}
            continue
        found = [(r["index"], r["id"], r["score"]) for r in told["response"]["results"]]
        assert found == [(r.index, r.id, pytest.approx(r.score, rel=1e-7)) for r in wanted.response.results]
    assert [result["error"]["message"] for result in results[5:]] == [
        "requests.tekst is no field of this request",
        "options.topN has a value of a wrong type",
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "requests must be a list"),
        ({"requests": []}, "0 requests in a batch"),
        ({"requests": [{"query": "q"}] * 65}, "65 requests in a batch"),
        ({"requests": [{"query": "q"}], "documents": []}, "documents is no field"),
        ({"requests": [{"query": "q"}], "options": 5}, "options must be an object"),
    ],
)
async def test_a_batch_that_cannot_be_read_is_refused_whole(body: object, said: str) -> None:
    async with http_door() as door:
        answer = await refused(door.port, body, "/api/v1/rerank/batch")
        assert (answer.status, answer.json["error"]["reason"]) == (400, "INVALID_REQUEST")
        assert said in answer.json["error"]["message"]


async def test_requests_of_a_batch_fail_by_themselves(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "rerankd.calls")
    async with http_door() as door:
        requests = [{"query": "q", "documents": [{"text": text}]} for text in (NAN_WORD, "q")]
        answer = await call(door.port, "/api/v1/rerank/batch", {"requests": requests})
        assert answer.json["results"][0]["error"]["reason"] == "NON_FINITE_SCORE"
        assert answer.json["results"][1]["response"]["usage"]["documents"] == 1
        wrong_shared = {"requests": [{"query": "q"}, *requests[1:]], "sharedDocuments": [{}]}
        answer = await call(door.port, "/api/v1/rerank/batch", wrong_shared)
        assert answer.json["results"][0]["error"]["reason"] == "INVALID_REQUEST"
        assert "response" in answer.json["results"][1]
    assert [line["documents"] for line in call_lines(caplog)] == [1, 1]


@pytest.mark.parametrize("is_on", [True, False])
async def test_the_playground_is_a_choice(is_on: bool) -> None:
    async with both_doors(http={"playground": is_on}) as server:
        page = await call(server.app.http_port, "/")
        file = await call(server.app.http_port, "/playground/main.js")
        assert (page.status, file.status) == ((200, 200) if is_on else (405, 404))
        told = (await call(server.app.http_port, "/openapi.json")).json["paths"]["/"]
        assert set(told) == ({"get", "post"} if is_on else {"post"})
        if is_on:
            assert f'content="{server.app.grpc_port}"' in page.body.decode()
        ranked = await call(server.app.http_port, "/", {"query": "alpha", "texts": ["alpha"]})
        assert ranked.status == 200
