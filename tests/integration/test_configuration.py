"""Reading and changing the configuration over real sockets, by both doors and the command."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict
from support.calls import chunks, documents, request, start
from support.fake_backend import FakeBackend, FakeCatalogue
from support.http import Answer, call
from support.servers import channel_to, fake_config
from support.statuses import failure_of

from rerankd.app import Application
from rerankd.assembly import build_engine
from rerankd.backends.base import NoBackend, ProgressReporter
from rerankd.backends.passthrough import NONE, PassthroughModels
from rerankd.cli._reranking import reranking
from rerankd.client import ForbiddenError, InvalidRequestError, UnauthenticatedError
from rerankd.core.engine import ANYONE, Engine, Request
from rerankd.core.errors import ModelFailedError, RerankdError
from rerankd.core.stream_events import Chunk, StreamEvent, StreamRequest
from rerankd.core.types import Caller, Ranking
from rerankd.http_api.configuration import OTHER_NAMES, PATH
from rerankd.reconfiguration.state import with_state
from rerankd.v1 import config_service_pb2 as pb
from rerankd.v1 import rerank_service_pb2
from rerankd.v1.config_service_pb2_grpc import ConfigServiceStub
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub

TOKEN = "correct horse battery staple"
BEARER = {"authorization": f"Bearer {TOKEN}"}
METADATA = tuple(BEARER.items())
BROKEN = "test/broken"


class CountingEngine(Engine):
    """Tells of each call that has begun."""

    def count(self) -> None:
        self.begun = asyncio.Semaphore(0)

    async def rerank(self, request: Request, caller: Caller = ANYONE) -> Ranking:
        self.begun.release()
        return await super().rerank(request, caller)

    async def rerank_batch(
        self, requests: Sequence[Request], caller: Caller = ANYONE
    ) -> list[Ranking | RerankdError]:
        self.begun.release()
        return await super().rerank_batch(requests, caller)

    async def rerank_stream(
        self, request: StreamRequest, chunks: AsyncIterator[Chunk], caller: Caller = ANYONE
    ) -> AsyncGenerator[StreamEvent | Ranking, None]:
        self.begun.release()
        async for event in super().rerank_stream(request, chunks, caller):
            yield event


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server with both doors, and a backend for each model that was asked for."""

    http_port: int
    target: str
    engine: CountingEngine
    backends: dict[str, FakeBackend]
    stub: Any
    config: Any

    async def change(self, *fields: str, persist: bool = False, **values: Any) -> Any:
        """A change by gRPC; a field without a value goes back to its default."""
        return await self.config.UpdateRerankingConfig(
            pb.UpdateRerankingConfigRequest(
                config=pb.RerankingConfig(**values),
                update_mask=FieldMask(paths=[*fields, *values]),
                persist=persist,
            ),
            metadata=METADATA,
        )

    async def read(self) -> Any:
        return await self.config.GetRerankingConfig(pb.GetRerankingConfigRequest())

    async def patch(self, body: object, query: str = "", headers: Any = BEARER) -> Answer:
        return await call(self.http_port, PATH + query, body, method="PATCH", headers=headers)


@asynccontextmanager
async def running(**sections: Any) -> AsyncIterator[Running]:
    given = fake_config(**({"http_enabled": True, "admin": {"token": TOKEN}} | sections))
    config, backends = with_state(given), dict[str, FakeBackend]()

    def load(model_id: str, report: ProgressReporter) -> FakeBackend | NoBackend:
        if model_id == BROKEN:
            raise ModelFailedError("the graph has no output")
        if model_id == NONE:
            return PassthroughModels().load(model_id, report)
        return backends.setdefault(model_id, FakeBackend(id=model_id))

    plain = build_engine(config, catalogue=FakeCatalogue("test/first"), loader=load)
    engine = CountingEngine(plain.registry, plain.limits, policy=plain.policy)
    plain.close()
    engine.count()
    app = Application(config, engine, base=given)
    async with app, channel_to(f"127.0.0.1:{app.grpc_port}") as channel:
        try:
            yield Running(
                http_port=app.http_port,
                target=f"127.0.0.1:{app.grpc_port}",
                engine=engine,
                backends=backends,
                stub=RerankServiceStub(channel),
                config=ConfigServiceStub(channel),
            )
        finally:
            for backend in backends.values():
                backend.gate.set()


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    async with running() as started:
        yield started


def message_of(answer: Answer) -> rerank_service_pb2.RerankResponse:
    assert answer.status == 200, answer.body
    return ParseDict(answer.json, rerank_service_pb2.RerankResponse())


DOCUMENTS = 6


async def unary(server: Running) -> list[Any]:
    return [await server.stub.Rerank(request(DOCUMENTS))]


async def batch(server: Running) -> list[Any]:
    wanted = rerank_service_pb2.RerankBatchRequest(requests=[request(DOCUMENTS)] * 3)
    answer = await server.stub.RerankBatch(wanted)
    assert not any(result.HasField("error") for result in answer.results)
    return [result.response for result in answer.results]


async def stream(server: Running) -> list[Any]:
    messages = iter([start(), *chunks(DOCUMENTS, 2)])
    return [m.summary async for m in server.stub.RerankStream(messages) if m.HasField("summary")]


async def native(server: Running) -> list[Any]:
    body = {"query": "alpha beta", "documents": [{"id": d.id, "text": d.text} for d in documents(DOCUMENTS)]}
    return [message_of(await call(server.http_port, "/api/v1/rerank", body))]


WAYS = (unary, batch, stream, native, unary)
"""Five ways to ask; fifty calls are ten of each."""


def configuration_of(response: rerank_service_pb2.RerankResponse) -> tuple[str, int, int, bool]:
    """What of a reply a configuration decides."""
    scored = [result for result in response.results if result.scored]
    assert len(response.results) == DOCUMENTS
    assert len(scored) == response.usage.scored_documents
    truncated = response.usage.truncated_documents > 0
    return (response.model.id, len(scored), response.outcome, truncated)


BEFORE = ("test/first", DOCUMENTS, rerank_service_pb2.OUTCOME_RERANKED, False)
AFTER = ("test/second", 2, rerank_service_pb2.OUTCOME_RERANKED, True)
CHANGE = {"local_model": "test/second", "max_scored_documents": 2, "snippet_chars": 8}


@pytest.mark.parametrize("door", ["grpc", "http"])
async def test_fifty_calls_in_flight_end_as_they_began(server: Running, door: str) -> None:
    await unary(server)
    await server.engine.begun.acquire()
    first = server.backends["test/first"]
    first.gate.clear()
    async with asyncio.TaskGroup() as calls:
        in_flight = [calls.create_task(way(server)) for way in WAYS * 10]
        for _ in in_flight:
            await server.engine.begun.acquire()

        if door == "grpc":
            assert (await server.change(**CHANGE)).generation == 1
        else:
            assert (await server.patch(CHANGE)).json["generation"] == 1
        later = [response for way in WAYS for response in await way(server)]
        assert {configuration_of(response) for response in later} == {AFTER}
        assert not any(task.done() for task in in_flight), "the old model is still held"
        first.gate.set()

    replies = [response for task in in_flight for response in task.result()]
    assert len(replies) == 10 * (1 + 3 + 1 + 1 + 1)
    assert {configuration_of(response) for response in replies} == {BEFORE}


async def test_no_reply_mixes_configurations_while_they_change(server: Running) -> None:
    seen: list[tuple[str, int, int, bool]] = []
    arrived, enough = asyncio.Event(), asyncio.Event()

    async def ask(way: Any) -> None:
        while not enough.is_set():
            seen.extend([configuration_of(response) for response in await way(server)])
            arrived.set()

    async with asyncio.TaskGroup() as callers:
        for way in WAYS * 10:
            callers.create_task(ask(way))
        for number in range(6):
            body, wanted = (dict.fromkeys(CHANGE), BEFORE) if number % 2 else (CHANGE, AFTER)
            assert (await server.patch(body)).json["generation"] == number + 1
            known = len(seen)
            while wanted not in seen[known:]:
                arrived.clear()
                await arrived.wait()
        enough.set()

    assert set(seen) == {BEFORE, AFTER}


async def test_both_doors_tell_the_same(server: Running) -> None:
    await server.change(
        mode=pb.RERANKER_MODE_LEARNING,
        learning_model="test/mine",
        cloud_provider=pb.CLOUD_PROVIDER_JINA,
        timeout=Duration(seconds=2, nanos=500_000_000),
        document_fields=["title", "content"],
        on_failure=rerank_service_pb2.FAILURE_MODE_ORIGINAL_ORDER,
        fallback_models=["test/a", "none"],
    )
    told = (await call(server.http_port, PATH)).json
    assert (told["default_model"], told["generation"]) == ("test/mine", 1)
    assert told["reranking"] == {
        "mode": "learning",
        "local_model": "",
        "learning_model": "test/mine",
        "cloud_provider": "jina",
        "cloud_model": "",
        "max_scored_documents": 0,
        "cloud_top_n": 0,
        "timeout_seconds": 2.5,
        "snippet_chars": 0,
        "document_fields": ["title", "content"],
        "on_failure": "original_order",
        "fallback_models": ["test/a", "none"],
    }
    by_grpc = await server.read()
    assert (await server.patch(told["reranking"])).json == told, "what was read can be sent back"
    assert await server.read() == by_grpc
    assert by_grpc.config.timeout.ToMilliseconds() == 2500
    assert list(by_grpc.config.fallback_models) == ["test/a", "none"]


async def test_a_field_in_the_mask_that_is_unset_goes_back_to_its_default(server: Running) -> None:
    await server.change(
        timeout=Duration(seconds=2), snippet_chars=9, local_model="test/x", fallback_models=["test/a"]
    )
    answer = await server.change("timeout", "local_model", "fallback_models")
    assert answer.config.timeout.seconds == 10
    assert (answer.config.local_model, list(answer.config.fallback_models)) == ("", [])
    assert (answer.config.snippet_chars, answer.default_model) == (9, "test/first")


async def test_a_field_that_is_not_in_the_mask_is_not_read(server: Running) -> None:
    message = pb.UpdateRerankingConfigRequest(
        config=pb.RerankingConfig(snippet_chars=5, cloud_top_n=-7),
        update_mask=FieldMask(paths=["snippet_chars"]),
    )
    answer = await server.config.UpdateRerankingConfig(message, metadata=METADATA)
    assert (answer.config.snippet_chars, answer.config.cloud_top_n) == (5, 0)


@pytest.mark.parametrize(
    ("paths", "values", "field", "said"),
    [
        ([], {}, "update_mask", "update_mask is empty"),
        (["snipet_chars"], {}, "update_mask", "snipet_chars: no such field; did you mean snippet_chars?"),
        (["*"], {}, "update_mask", "no such field; known are mode"),
        (["timeout_seconds"], {}, "update_mask", "did you mean timeout?"),
        (["mode"], {}, "config.mode", "NONE, LOCAL, LEARNING, CLOUD"),
        (["mode"], {"mode": 77}, "config.mode", "NONE, LOCAL, LEARNING, CLOUD"),
        (["cloud_provider"], {}, "config.cloud_provider", "COHERE, VOYAGE, JINA"),
        (["on_failure"], {}, "config.on_failure", "FAIL, ORIGINAL_ORDER"),
        (["mode"], {"mode": pb.RERANKER_MODE_LEARNING}, "config.learning_model", "needs learning_model"),
        (["snippet_chars"], {"snippet_chars": -1}, "config.snippet_chars", "greater than or equal to 0"),
        (["timeout"], {"timeout": Duration(seconds=601)}, "config.timeout", "less than or equal to 600"),
        (["timeout"], {"timeout": Duration(seconds=1, nanos=-1)}, "config.timeout", "not a valid Duration"),
        (["fallback_models"], {"fallback_models": ["none"] * 9}, "config.fallback_models", "at most 8"),
    ],
)
async def test_grpc_refuses_what_it_cannot_do(
    server: Running, paths: list[str], values: dict[str, Any], field: str, said: str
) -> None:
    message = pb.UpdateRerankingConfigRequest(
        config=pb.RerankingConfig(**values), update_mask=FieldMask(paths=paths)
    )
    failure = await failure_of(server.config.UpdateRerankingConfig(message, metadata=METADATA))
    assert (failure.code, failure.reason, failure.field) == ("INVALID_ARGUMENT", "INVALID_REQUEST", field)
    assert said in failure.message
    assert (await server.read()).generation == 0


async def test_a_change_of_no_field_without_config_is_read_as_defaults(server: Running) -> None:
    await server.change(snippet_chars=5)
    message = pb.UpdateRerankingConfigRequest(update_mask=FieldMask(paths=["snippet_chars"]))
    answer = await server.config.UpdateRerankingConfig(message, metadata=METADATA)
    assert (answer.config.snippet_chars, answer.generation) == (0, 2)


async def test_models_that_cannot_be_had_fail_by_both_doors(server: Running) -> None:
    for name, code, status, reason in (
        ("other/model", "NOT_FOUND", 404, "MODEL_NOT_FOUND"),
        (BROKEN, "FAILED_PRECONDITION", 424, "MODEL_FAILED"),
    ):
        failure = await failure_of(server.change(local_model=name))
        assert (failure.code, failure.reason, failure.field) == (code, reason, "config.local_model")
        answer = await server.patch({"reranker_local_model": name})
        assert answer.status == status
        error = answer.json["error"]
        assert (error["status"], error["details"][0]["reason"]) == (code, reason)
        assert error["details"][1]["fieldViolations"][0]["field"] == "reranker_local_model"
        assert error["message"].startswith("reranker_local_model: ")
    assert (await server.read()).generation == 0


async def test_http_takes_the_names_of_tribrid(server: Running) -> None:
    answer = await server.patch(
        {
            "reranker_mode": "local",
            "reranker_local_model": "test/second",
            "reranker_cloud_provider": "voyage",
            "reranker_cloud_model": None,
            "tribrid_reranker_topn": 50,
            "reranker_timeout": 5,
            "reranker_cloud_top_n": 20,
            "rerank_input_snippet_chars": 700,
        }
    )
    table = answer.json["reranking"]
    assert (answer.status, answer.json["default_model"]) == (200, "test/second")
    assert (table["max_scored_documents"], table["timeout_seconds"], table["cloud_top_n"]) == (50, 5.0, 20)
    assert (table["cloud_provider"], table["snippet_chars"]) == ("voyage", 700)
    nested = await server.patch({"reranking": {"tribrid_reranker_topn": None}})
    assert (nested.status, nested.json["reranking"]["max_scored_documents"]) == (200, 0)


@pytest.mark.parametrize(
    ("body", "query", "field", "said"),
    [
        ({"snipet_chars": 3}, "", "snipet_chars", "did you mean snippet_chars?"),
        ({"reranker_mod": "none"}, "", "reranker_mod", "did you mean reranker_mode?"),
        ({"reranking": {"snipet_chars": 3}}, "", "reranking.snipet_chars", "did you mean snippet_chars?"),
        ({"reranking": {"mode": "none"}, "mode": "none"}, "", "reranking", "no such field"),
        ({"reranking": 3}, "", "reranking", "no such field"),
        ({"mode": "none", "reranker_mode": "none"}, "", "reranker_mode", "are the same field; send one"),
        ({"reranker_mode": "off"}, "", "reranker_mode", "'none', 'local', 'learning' or 'cloud'"),
        ({"reranking": {"timeout_seconds": "5"}}, "", "reranking.timeout_seconds", "a valid number"),
        ({"snippet_chars": True}, "", "snippet_chars", "a valid integer"),
        ({"mode": "learning"}, "", "learning_model", "mode learning needs learning_model"),
        ({"mode": "none"}, "?persist=yes", "persist", "must be true or false"),
        ({"mode": "none"}, "?persist=true", "persist", "set admin.state_file"),
        ({}, "", "", "changes nothing"),
        ({"reranking": {}}, "", "", "changes nothing"),
        (b"[1]", "", "", "must be a JSON object"),
        (b'{"mode": "none", "mode": "local"}', "", "", "a key twice"),
        (b'{"timeout_seconds": NaN}', "", "", "numbers must be finite"),
    ],
)
async def test_http_refuses_what_it_cannot_do(
    server: Running, body: Any, query: str, field: str, said: str
) -> None:
    headers = BEARER | {"content-type": "application/json"}
    answer = await server.patch(body, query, headers)
    assert answer.status == 400
    error = answer.json["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["details"][0]["reason"] == "INVALID_REQUEST"
    violations = [v["field"] for detail in error["details"][1:] for v in detail["fieldViolations"]]
    assert violations == ([field] if field else [])
    assert said in error["message"]
    assert (await server.read()).generation == 0


async def test_http_refuses_other_bodies_and_methods(server: Running) -> None:
    large = await server.patch({"local_model": "x" * 70_000})
    assert (large.status, "65536 bytes" in large.json["error"]["message"]) == (413, True)
    typed = await server.patch({"mode": "none"}, headers=BEARER | {"content-type": "text/plain"})
    assert typed.status == 415
    other = await call(server.http_port, PATH, {"mode": "none"}, method="PUT", headers=BEARER)
    assert other.status == 405
    assert set(other.headers["allow"].split(", ")) == {"GET", "HEAD", "PATCH"}


async def test_the_openapi_document_tells_of_it(server: Running) -> None:
    document = (await call(server.http_port, "/openapi.json")).json
    item = document["paths"][PATH]
    told = item["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    answer = (await call(server.http_port, PATH)).json
    assert set(told["properties"]) == set(answer)
    assert set(told["properties"]["reranking"]["properties"]) == set(answer["reranking"])
    body = item["patch"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {*answer["reranking"], *OTHER_NAMES}
    statuses = {"200", "400", "401", "403", "404", "413", "415", "424", "500", "503"}
    assert statuses <= set(item["patch"]["responses"])


WRONG = "Bearer wrong horse"


@pytest.mark.parametrize(
    ("authorization", "said"),
    [("", "send the admin token"), (WRONG, "not the admin token"), (TOKEN, "not the admin token")],
)
async def test_without_the_token_nothing_changes(
    server: Running, authorization: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    metadata = (("authorization", authorization),) if authorization else ()
    message = pb.UpdateRerankingConfigRequest(
        config=pb.RerankingConfig(snippet_chars=5), update_mask=FieldMask(paths=["snippet_chars"])
    )
    failure = await failure_of(server.config.UpdateRerankingConfig(message, metadata=metadata))
    assert (failure.code, failure.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
    answer = await server.patch({"snippet_chars": 5}, headers=dict(metadata))
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json["error"]["details"][0]["reason"] == "UNAUTHENTICATED"
    assert said in failure.message == answer.json["error"]["message"]
    assert (await server.read()).generation == 0
    for told in (caplog.text, failure.message, answer.body.decode()):
        assert TOKEN not in told
        assert "wrong horse" not in told


@pytest.mark.parametrize("token", [None, ""])
async def test_a_server_without_a_token_cannot_be_changed(token: str | None) -> None:
    async with running(admin={"token": token}) as server:
        for authorization in ("Bearer", WRONG):
            answer = await server.patch({"mode": "none"}, headers={"authorization": authorization})
            assert (answer.status, answer.json["error"]["status"]) == (403, "PERMISSION_DENIED")
            assert "admin.token" in answer.json["error"]["message"]
        failure = await failure_of(server.change(mode=pb.RERANKER_MODE_NONE))
        assert (failure.code, failure.reason) == ("PERMISSION_DENIED", "FORBIDDEN")
        assert (await server.read()).generation == 0


async def test_the_audit_log_tells_who_changed_what(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    await server.patch({"snippet_chars": 5}, headers=BEARER | {"x-request-id": "abc-1"})
    await server.change(snippet_chars=6)
    lines = [vars(record) for record in caplog.records if record.name == "rerankd.audit"]
    assert [line["changes"]["snippet_chars"] for line in lines] == [
        {"old": 0, "new": 5},
        {"old": 5, "new": 6},
    ]
    assert lines[0]["actor"] == "http 127.0.0.1 with the key admin.token"
    assert lines[1]["actor"].startswith("grpc ipv4:127.0.0.1:")


async def test_a_kept_change_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    admin = {"token": TOKEN, "state_file": path}
    async with running(admin=admin) as server:
        assert (await server.patch({"mode": "none"}, "?persist=true")).status == 200
        await server.change(snippet_chars=12, persist=True)
        await server.patch({"cloud_top_n": 3}, "?persist=false")
    assert json.loads(path.read_text()) == {"reranking": {"mode": "none", "snippet_chars": 12}}
    async with running(admin=admin) as server:
        now = await server.read()
        assert (now.config.mode, now.config.snippet_chars, now.config.cloud_top_n) == (
            pb.RERANKER_MODE_NONE,
            12,
            0,
        )
        assert (now.default_model, now.generation) == ("none", 0)
        (response,) = await unary(server)
        assert response.outcome == rerank_service_pb2.OUTCOME_PASSTHROUGH


async def invoked(*arguments: str, **environment: str) -> Result:
    runner = CliRunner()
    return await asyncio.to_thread(runner.invoke, reranking, arguments, env=environment)


async def test_the_command_reads_and_changes(server: Running) -> None:
    shown = await invoked("show", "--server", server.target)
    assert shown.exit_code == 0, shown.output
    assert "mode\tlocal\n" in shown.output
    assert "timeout_seconds\t10\n" in shown.output
    assert shown.output.endswith("default model\ttest/first\nchanges\t0\n")

    settings = ("mode=none", "timeout_seconds=2.5", "fallback_models=test/a, none", "snippet_chars=7")
    changed = await invoked("set", *settings, "--server", server.target, RERANKD_ADMIN__TOKEN=TOKEN)
    assert changed.exit_code == 0, changed.output
    for line in ("mode\tnone", "timeout_seconds\t2.5", "fallback_models\ttest/a,none", "snippet_chars\t7"):
        assert f"{line}\n" in changed.output

    arguments = (
        "timeout_seconds=",
        "fallback_models=",
        "--server",
        server.target,
        "--token-env",
        "MINE",
        "--json",
    )
    back = await invoked("set", *arguments, MINE=TOKEN)
    told = json.loads(back.output)
    assert (told["config"]["timeout"], told["config"]["fallbackModels"]) == ("10s", [])
    assert (told["config"]["snippetChars"], told["generation"]) == (7, "2")
    assert TOKEN not in shown.output + changed.output + back.output


async def test_the_command_tells_what_the_server_refuses(server: Running) -> None:
    at = ("--server", server.target)
    for arguments, error in (
        (("set", "mode=none", *at), UnauthenticatedError),
        (("set", "snippet_chars=-1", *at), InvalidRequestError),
        (("set", "mode=none", "--persist", *at), InvalidRequestError),
    ):
        token = "wrong" if error is UnauthenticatedError else TOKEN
        result = await invoked(*arguments, RERANKD_ADMIN__TOKEN=token)
        assert isinstance(result.exception, error)
    async with running(admin={}) as closed:
        result = await invoked("set", "mode=none", "--server", closed.target, RERANKD_ADMIN__TOKEN=TOKEN)
        assert isinstance(result.exception, ForbiddenError)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mode"], "settings are KEY=VALUE"),
        (["mood=none"], "no such setting; known are mode, local_model"),
        (["mode=off"], "mode: must be none, local, learning, cloud"),
        (["mode="], "mode: must be none, local, learning, cloud"),
        (["snippet_chars=5.5"], "must be a whole number"),
        (["snippet_chars=many"], "must be a number"),
        (["timeout_seconds=inf"], "must be a number"),
        (["cloud_top_n=99999999999"], "cloud_top_n: "),
        (["mode=none", "mode=local"], "mode is given twice"),
    ],
)
async def test_the_command_refuses_what_no_server_takes(arguments: list[str], said: str) -> None:
    result = await invoked("set", *arguments, "--server", "127.0.0.1:1", RERANKD_ADMIN__TOKEN=TOKEN)
    assert result.exit_code == 2
    assert said in result.output


async def test_the_command_needs_a_token() -> None:
    result = await invoked("set", "mode=none", "--server", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "RERANKD_ADMIN__TOKEN is not set" in result.output
