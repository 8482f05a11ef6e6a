"""Promotion and rollback under traffic of every kind, over a real socket, with real models."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from support.calls import chunks, request, start, texts
from support.fake_backend import FakeBackend
from support.learned import CORPUS, MODEL, SETTINGS, decision, learned_models, tiny
from support.servers import FakeServer, fake_config, serving
from support.text_models import Models

from rerankd.assembly import build_engine
from rerankd.backends.passthrough import PassthroughModels
from rerankd.core.catalogue import Catalogue
from rerankd.training.evaluation import OnnxScorer
from rerankd.training.promotion import Promoter
from rerankd.v1 import rerank_service_pb2 as pb

DOCUMENTS = 24
ROUNDS = 3


def expected_of(directory: Path) -> dict[str, float]:
    """The logit of each document of the calls, by the model in a directory."""
    scorer = OnnxScorer.of_directory(directory, settings=SETTINGS)
    logits = scorer.score("alpha beta", texts(DOCUMENTS))
    scorer.close()
    return {f"d{number}": float(logit) for number, logit in enumerate(logits)}


class Traffic:
    """Calls that go on until they are told to stop; each reply is of one revision, the one that it tells."""

    def __init__(self, server: FakeServer, expected: dict[str, dict[str, float]]) -> None:
        self._server = server
        self._expected = expected
        self._stop = asyncio.Event()
        self.calls = 0
        self.seen: set[str] = set()

    async def run(self, call: Callable[[], Awaitable[None]]) -> None:
        while not self._stop.is_set():
            await call()
            self.calls += 1

    def stop(self) -> None:
        self._stop.set()

    def _check(self, model: pb.ModelRef, results: object) -> None:
        assert model.id == MODEL
        self.seen.add(model.revision)
        wanted = self._expected[model.revision]
        for result in results:  # type: ignore[attr-defined]
            assert result.logit == pytest.approx(wanted[result.id], abs=1e-5)

    async def unary(self) -> None:
        reply = await self._server.stub.Rerank(request(DOCUMENTS))
        assert len(reply.results) == DOCUMENTS
        self._check(reply.model, reply.results)

    async def batch(self) -> None:
        requests = pb.RerankBatchRequest(requests=[request(count) for count in (3, 9, DOCUMENTS)])
        reply = await self._server.stub.RerankBatch(requests)
        assert {result.WhichOneof("result") for result in reply.results} == {"response"}
        assert len({result.response.model.revision for result in reply.results}) == 1
        for result in reply.results:
            self._check(result.response.model, result.response.results)

    async def stream(self) -> None:
        messages = [start(emit=pb.STREAM_EMIT_SCORES), *chunks(DOCUMENTS, 5)]
        replies = [reply async for reply in self._server.stub.RerankStream(iter(messages))]
        summary = replies[-1].summary
        told = {r.scores.model.revision for r in replies[:-1] if r.scores.HasField("model")}
        assert told == {summary.model.revision}
        self._check(summary.model, summary.results)


async def test_revisions_change_under_traffic_without_a_failed_or_mixed_reply(tmp_path: Path) -> None:
    models, opener = learned_models(tmp_path / "learning")
    catalogue = Catalogue([PassthroughModels(), models, Models([FakeBackend()])])
    config = fake_config(
        reranking={"mode": "learning", "learning_model": MODEL}, cache={"max_mib": 4}, warmup={"mode": "lazy"}
    )
    sources = [tiny(tmp_path, seed) for seed in (1, 2)]
    engine = build_engine(config, catalogue=catalogue, loader=catalogue.load)
    promoter = Promoter(models, engine.registry)
    revisions = [models.store.add(CORPUS, source) for source in sources]
    expected = {r: expected_of(source) for r, source in zip(revisions, sources, strict=True)}
    assert abs(expected[revisions[0]]["d0"] - expected[revisions[1]]["d0"]) > 1e-3
    await promoter.promote(CORPUS, sources[0], decision(0.1))
    async with serving(config, engine=engine) as server:
        traffic = Traffic(server, expected)
        kinds = (traffic.unary, traffic.unary, traffic.batch, traffic.stream)
        callers = [asyncio.create_task(traffic.run(kind)) for kind in kinds]
        for _ in range(ROUNDS):
            current = await promoter.promote(CORPUS, sources[1], decision(0.1))
            assert current.revision == revisions[1]
            await traffic.unary()
            assert await asyncio.to_thread(opener.freed[revisions[0]].wait, 60)
            assert (await promoter.rollback(CORPUS)).revision == revisions[0]
            await traffic.unary()
            assert await asyncio.to_thread(opener.freed[revisions[1]].wait, 60)
        traffic.stop()
        await asyncio.gather(*callers)  # a failed call would be raised here
        status = await server.stub.Status(pb.StatusRequest())
        (model,) = [m for m in status.models if m.id == MODEL]
        assert model.state == pb.MODEL_STATE_ACTIVE
        assert model.revision == revisions[0]
    assert traffic.calls > len(kinds)
    assert traffic.seen == set(revisions)
    assert opener.scored_after_end == []
    assert all(event.is_set() for event in opener.freed.values())


async def test_a_model_that_goes_bad_is_stood_in_for(tmp_path: Path) -> None:
    """A learned model is a model like any other: fallback models and the model none work with it."""
    models, _ = learned_models(tmp_path / "learning")
    catalogue = Catalogue([PassthroughModels(), models, Models([FakeBackend()])])
    config = fake_config(
        reranking={"mode": "learning", "learning_model": MODEL, "fallback_models": ["test/fake"]}
    )
    engine = build_engine(config, catalogue=catalogue, loader=catalogue.load)
    source = tiny(tmp_path, 1)
    current = await Promoter(models).promote(CORPUS, source, decision(0.1))
    graph = models.store.directory(CORPUS, current.revision) / "model.onnx"
    graph.write_bytes(graph.read_bytes() + b"\0")
    async with serving(config, engine=engine) as server:
        reply = await server.stub.Rerank(request(3))
        assert reply.model.id == "test/fake"
        assert "FALLBACK: test/fake stood in for learning/shop" in reply.outcome_reason
