"""What each RPC answers, over a real socket."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from support.calls import (
    NOT_SERVING,
    SERVICE,
    SERVING,
    GatedLoader,
    chunks,
    documents,
    gated,
    request,
    start,
    texts,
    watch,
)
from support.fake_backend import FakeBackend, expected_logit
from support.servers import FakeServer, fake_config, serving
from support.statuses import failure_of

import rerankd
from rerankd.core.errors import ModelFailedError
from rerankd.v1 import rerank_service_pb2 as pb


async def test_a_stream_and_a_batch_answer_as_a_unary_call_does(fake_server: FakeServer) -> None:
    unary = await fake_server.stub.Rerank(request(40, top_n=7, return_documents=True))
    options = pb.RerankOptions(top_n=7, return_documents=True)
    batch = await fake_server.stub.RerankBatch(
        pb.RerankBatchRequest(
            requests=[request(40, top_n=7, return_documents=True), pb.RerankRequest(query="alpha beta")],
            shared_documents=documents(40),
            options=options,
        )
    )
    messages = [start(top_n=7, return_documents=True), *chunks(40, 9)]
    streamed = [message async for message in fake_server.stub.RerankStream(iter(messages))]
    assert [message.WhichOneof("message") for message in streamed] == ["summary"]
    assert list(streamed[0].summary.results) == list(unary.results)
    for result in batch.results:
        assert list(result.response.results) == list(unary.results)
    best = max(range(40), key=lambda i: (expected_logit("alpha beta", texts(40)[i]), -i))
    assert (unary.results[0].index, unary.results[0].id) == (best, f"d{best}")
    assert unary.results[0].document.text == texts(40)[best]
    assert unary.usage.documents == unary.usage.scored_documents == 40
    assert unary.outcome == pb.OUTCOME_RERANKED


async def test_a_structured_document_comes_back_as_it_went(fake_server: FakeServer) -> None:
    document = pb.Document(id="x", original_score=0.0)
    document.fields.update({"content": "alpha", "n": 3, "list": [1, None, True, {"a": {}}], "empty": {}})
    sent = pb.RerankRequest(
        query="alpha", documents=[document], options=pb.RerankOptions(return_documents=True)
    )
    (result,) = (await fake_server.stub.Rerank(sent)).results
    assert result.document == document
    assert result.HasField("original_score")


async def test_scores_come_once_for_each_document(fake_server: FakeServer) -> None:
    messages = [start(pb.STREAM_EMIT_SCORES, top_n=3), *chunks(100, 10)]
    answers = [message async for message in fake_server.stub.RerankStream(iter(messages))]
    assert [m.WhichOneof("message") for m in answers] == ["scores"] * (len(answers) - 1) + ["summary"]
    scores = {i: s for m in answers[:-1] for i, s in zip(m.scores.index, m.scores.score, strict=True)}
    assert Counter(i for m in answers[:-1] for i in m.scores.index) == Counter(range(100))
    for result in answers[-1].summary.results:
        assert scores[result.index] == pytest.approx(result.score, abs=1e-6)


async def test_snapshots_end_in_the_summary(fake_server: FakeServer) -> None:
    messages = [start(pb.STREAM_EMIT_SNAPSHOTS, {"nanos": 0}, top_n=5), *chunks(100, 10)]
    answers = [message async for message in fake_server.stub.RerankStream(iter(messages))]
    kinds = [m.WhichOneof("message") for m in answers]
    assert kinds == ["snapshot"] * (len(answers) - 1) + ["summary"]
    assert len(kinds) > 1
    last = answers[-2].snapshot
    # Sent only when the top n changed, so the last one need not have seen everything.
    assert last.scored <= last.received <= 100
    assert list(last.results) == list(answers[-1].summary.results)
    scored = [m.snapshot.scored for m in answers[:-1]]
    assert scored == sorted(scored)


async def test_status_tells_everything(fake_server: FakeServer) -> None:
    before = await fake_server.stub.Status(pb.StatusRequest())
    assert [(m.id, m.state) for m in before.models] == [("test/fake", pb.MODEL_STATE_UNLOADED)]
    await fake_server.stub.Rerank(request(model="test/a"))
    await fake_server.stub.Rerank(request())
    status = await fake_server.stub.Status(pb.StatusRequest())
    assert (status.version, status.api_package) == (rerankd.__version__, "rerankd.v1")
    assert status.default_model == "test/fake"
    assert status.uptime_duration.ToNanoseconds() > 0
    limits = fake_server.app.engine.limits
    for name in pb.Limits.DESCRIPTOR.fields_by_name:
        if name == "max_request_duration":
            assert status.limits.max_request_duration.ToSeconds() == limits.max_request_seconds
        else:
            assert getattr(status.limits, name) == getattr(limits, name)
    assert [m.id for m in status.models] == ["test/a", "test/fake"]
    model = status.models[1]
    assert (model.state, list(model.aliases)) == (pb.MODEL_STATE_ACTIVE, ["default"])
    assert (model.revision, model.backend, model.device) == ("r1", "fake", "cpu")
    assert (model.max_tokens, model.precision) == (64, "fp32")
    assert model.load_time.seconds > 0
    assert [s.stage for s in model.stages] == [
        pb.WARMUP_STAGE_RESOLVE,
        pb.WARMUP_STAGE_VERIFY,
        pb.WARMUP_STAGE_SESSION,
        pb.WARMUP_STAGE_GOLDEN,
    ]


async def test_status_tells_what_waits() -> None:
    backend = FakeBackend(batch_tokens=16)
    async with serving(backend=backend) as server:
        backend.gate.clear()
        call = asyncio.ensure_future(server.stub.Rerank(request(20)))
        await asyncio.to_thread(backend.started.acquire)
        status = await server.stub.Status(pb.StatusRequest())
        backend.gate.set()
        await call
    assert 0 < status.queue.documents < 20
    assert status.queue.tokens > status.queue.documents
    assert status.queue.oldest_wait_duration.ToNanoseconds() > 0


async def test_status_keeps_the_reason_of_a_failed_model() -> None:
    loader = GatedLoader(failure=ModelFailedError("the graph has no output"))
    loader.gate.set()
    async with gated(loader) as server:
        failure = await failure_of(server.stub.Rerank(request()))
        assert (failure.code, failure.reason) == ("FAILED_PRECONDITION", "MODEL_FAILED")
        (model,) = (await server.stub.Status(pb.StatusRequest())).models
        assert (model.state, model.error_reason) == (pb.MODEL_STATE_FAILED, "MODEL_FAILED")
        assert model.error_message == "the graph has no output"
        loader.failure = None
        # Warm-up tries again at once, whatever the back-off.
        answers = [message async for message in server.stub.Warmup(pb.WarmupRequest())]
        assert answers[-1].status.state == pb.MODEL_STATE_ACTIVE


async def test_warmup_tells_each_stage_and_ends_with_the_model(fake_server: FakeServer) -> None:
    wanted = pb.WarmupRequest(sample_queries=["alpha", "beta"], sample_documents=["alpha x", "beta y", "z"])
    answers = [message async for message in fake_server.stub.Warmup(wanted)]
    stages = list(dict.fromkeys(pb.WarmupStage.Name(m.stage).removeprefix("WARMUP_STAGE_") for m in answers))
    assert stages == ["RESOLVE", "VERIFY", "SESSION", "GOLDEN", "SAMPLES", "PROBE", "DONE"]
    assert all(0 <= m.progress <= 1 for m in answers)
    assert answers[-1].status.state == pb.MODEL_STATE_ACTIVE
    assert pb.WARMUP_STAGE_PROBE in [s.stage for s in answers[-1].status.stages]
    # 2 queries with 3 documents, and the probe's two.
    assert fake_server.backend.scored_pairs == 8


async def test_closing_warmup_does_not_stop_the_load() -> None:
    loader = GatedLoader()
    async with gated(loader) as server:
        call = server.stub.Warmup(pb.WarmupRequest())
        assert (await call.read()).stage == pb.WARMUP_STAGE_RESOLVE
        call.cancel()
        watching = watch(server, "rerankd.model/test/fake")
        assert (await watching.read()).status == NOT_SERVING
        loader.gate.set()
        assert (await watching.read()).status == SERVING
        watching.cancel()
        assert loader.loads == 1


async def test_warmup_gives_up_at_its_timeout_and_the_load_goes_on() -> None:
    loader = GatedLoader()
    async with gated(loader) as server:
        wanted = pb.WarmupRequest(timeout={"nanos": 50_000_000})
        failure = await failure_of(server.stub.Warmup(wanted))
        assert (failure.code, failure.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
        loader.gate.set()
        assert len((await server.stub.Rerank(request())).results) == 3
        assert loader.loads == 1


async def test_reflection_lists_the_services(fake_server: FakeServer) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(fake_server.channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = [m async for m in stub.ServerReflectionInfo(iter([asked]))]
    assert {service.name for service in answer.list_services_response.service} == {
        SERVICE,
        "rerankd.v1.ConfigService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        (SERVICE, "rerankd/v1/rerank_service.proto"),
        (f"{SERVICE}.Rerank", "rerankd/v1/rerank_service.proto"),
        ("rerankd.v1.RerankRequest", "rerankd/v1/rerank_service.proto"),
        ("grpc.health.v1.Health.Watch", "grpc_health/v1/health.proto"),
        (f"{SERVICE}.NoSuchMethod", None),
        ("nothing", None),
    ],
)
async def test_reflection_finds_services_methods_and_messages(
    fake_server: FakeServer, symbol: str, file: str | None
) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(fake_server.channel)
    asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
    (answer,) = [m async for m in stub.ServerReflectionInfo(iter([asked]))]
    files = answer.file_descriptor_response.file_descriptor_proto
    names = [descriptor_pb2.FileDescriptorProto.FromString(content).name for content in files]
    assert names[:1] == ([] if file is None else [file])
    assert answer.HasField("error_response") == (file is None)


async def test_reflection_can_be_turned_off() -> None:
    async with serving(fake_config(server={"reflection": False})) as server:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(server.channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ServerReflectionInfo(iter([asked])).read()
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_request_id_and_the_times_travel_in_metadata(
    fake_server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "rerankd.calls")
    for call in (
        fake_server.stub.Rerank(request(), metadata=(("x-request-id", "my-id"),)),
        fake_server.stub.RerankStream(iter([start(), *chunks(3, 3)]), metadata=(("x-request-id", "my-id"),)),
    ):
        assert dict(await call.initial_metadata())["x-request-id"] == "my-id"
        if hasattr(call, "read"):
            assert [m.WhichOneof("message") async for m in call] == ["summary"]
        trailers = dict(await call.trailing_metadata())
        assert trailers["x-rerankd-model"] == "test/fake"
        assert float(trailers["x-rerankd-queue-ms"]) >= 0
        assert float(trailers["x-rerankd-inference-ms"]) >= 0
    lines = [vars(record) for record in caplog.records if record.name == "rerankd.calls"]
    assert [line["method"].rpartition("/")[2] for line in lines] == ["Rerank", "RerankStream"]
    for line in lines:
        assert (line["code"], line["model"], line["documents"]) == ("OK", "test/fake", 3)
        assert line["tokens"] > 0
    assert "alpha" not in caplog.text


@pytest.mark.parametrize("offered", ["x" * 129, "two words", ""])
async def test_an_unusable_request_id_is_replaced(fake_server: FakeServer, offered: str) -> None:
    call = fake_server.stub.Rerank(request(), metadata=(("x-request-id", offered),))
    given = dict(await call.initial_metadata())["x-request-id"]
    assert given != offered
    assert len(given) == 32


async def test_an_error_goes_out_without_initial_metadata_so_that_clients_retry(
    fake_server: FakeServer,
) -> None:
    call = fake_server.stub.Rerank(pb.RerankRequest())
    failure = await failure_of(call)
    assert not await call.initial_metadata()
    assert failure.trailers["x-request-id"]
