"""The whole loop on a real server: clicks in, a better model out, served under traffic, and taken back.

The model is tiny; what takes the time is that each run's process imports torch.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2
from google.longrunning.operations_pb2_grpc import OperationsStub
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from support.servers import ServerProcess

pytest.importorskip("sentence_transformers", reason="the extra `train` is not installed")

from support.learned_world import events_of, question, write_world_model

from rerankd.client import AsyncClient, ClientOptions
from rerankd.training.layout import Layout
from rerankd.training.promotion import Promotion, RevisionStore
from rerankd.training.runs.locks import holder_of
from rerankd.training.v1alpha import settings_pb2
from rerankd.training.v1alpha import training_service_pb2 as pb
from rerankd.training.v1alpha.training_service_pb2_grpc import TrainingServiceStub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CORPUS, MODEL, TOKEN = "docs", "learning/docs", "correct horse battery staple"
QUERIES = range(200)
NOBODY = "http://127.0.0.1:9"
"""An MLflow server that is down: a run must not need one."""


class Loop:
    """The calls of a test, with the token."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        training: Any = TrainingServiceStub
        operations: Any = OperationsStub
        self.stub, self.operations = training(channel), operations(channel)

    async def call(self, method: str, request: Any) -> Any:
        metadata = (("authorization", f"Bearer {TOKEN}"),)
        return await getattr(self.stub, method)(request, metadata=metadata)

    async def refused(self, method: str, request: Any) -> str:
        """The reason why a call fails."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.call(method, request)
        info = error_details_pb2.ErrorInfo()
        status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
        assert status is not None
        assert status.details[0].Unpack(info)
        return str(info.reason)

    async def train(self, **settings: Any) -> str:
        request = pb.CreateTrainingRunRequest(corpus_id=CORPUS, settings=run_settings(**settings))
        operation = await self.call("CreateTrainingRun", request)
        return str(operation.name.removeprefix("operations/"))

    async def watch(self, run_id: str, after: int = 0) -> AsyncIterator[Any]:
        request = pb.WatchTrainingRunRequest(run_id=run_id, after_sequence=after)
        async for answer in self.stub.WatchTrainingRun(request):
            yield answer.event

    async def run(self, run_id: str) -> Any:
        return (await self.stub.GetTrainingRun(pb.GetTrainingRunRequest(run_id=run_id))).run


def run_settings(**changes: Any) -> settings_pb2.RunSettings:
    usual = {
        "base_model": "tiny",
        "epochs": 2,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "max_length": 64,
        "checkpoint_steps": 5,
        "eval_steps": 10,
        "early_stopping_patience": 0,
        "precision": settings_pb2.TRAINING_PRECISION_FP32,
        "device": settings_pb2.TRAINING_DEVICE_CPU,
        "threads": 1,
        "nice": 0,
    }
    return settings_pb2.RunSettings(**{**usual, **changes})


@pytest.fixture
async def loop(tmp_path: Path) -> AsyncIterator[tuple[Loop, ServerProcess, Layout]]:
    """A server whose model in use for the corpus is one that knows nothing."""
    layout = Layout(tmp_path / "learning")
    model = await asyncio.to_thread(write_world_model, tmp_path / "tiny")
    store = RevisionStore(layout, kept_revisions=5)
    revision = store.add(CORPUS, model)
    store.point(CORPUS, Promotion(revision=revision, time=0.0, run_id="planted"))
    process = await asyncio.to_thread(
        ServerProcess,
        {
            "model": str(model),
            "models.cache_dir": str(tmp_path / "cache"),
            "onnx.threads": 1,
            "onnx.lanes": 1,
            "onnx.batch_tokens": 512,
            "admin.token": TOKEN,
            "training.enabled": True,
            "training.directory": str(layout.root),
            "training.tracking_uri": NOBODY,
            "training.mining.min_triplets": 50,
            "training.evaluation.candidates": 10,
            "training.evaluation.max_tokens": 64,
            "training.evaluation.bootstrap_samples": 1000,
            "training.evaluation.permutations": 1000,
        },
    )
    try:
        async with grpc.aio.insecure_channel(process.target) as channel:
            yield Loop(channel), process, layout
    finally:
        assert await asyncio.to_thread(process.stop) == 0


async def test_clicks_become_a_better_model(loop: tuple[Loop, ServerProcess, Layout]) -> None:
    here, process, layout = loop
    await feed(process, here)
    useless = await here.train(learning_rate=1e-6, epochs=1)
    assert await here.refused("CreateTrainingRun", pb.CreateTrainingRunRequest(corpus_id=CORPUS)) == (
        "RUN_ACTIVE"
    )
    events = [event async for event in here.watch(useless)]
    assert [event.sequence for event in events] == [*range(1, len(events) + 1)]
    assert events[-1].message == "completed"
    assert await here.refused("PromoteTrainingRun", pb.PromoteTrainingRunRequest(run_id=useless)) == (
        "PROMOTION_REFUSED"
    )
    better = await killed_and_resumed(here, layout)
    await looked_at(here, process, useless, better)

    async with traffic(process) as seen:
        promoted = await here.call("PromoteTrainingRun", pb.PromoteTrainingRunRequest(run_id=better))
        assert promoted.gain.low > 0
        assert (promoted.model.model, promoted.model.run_id) == (MODEL, better)
        await seen.until(promoted.model.revision)
        back = await here.call("RollbackModel", pb.RollbackModelRequest(corpus_id=CORPUS))
        assert back.model.run_id == "planted"
        await seen.until(back.model.revision, again=True)
    assert set(seen.scores) == {promoted.model.revision, back.model.revision}
    # The same request, so that what is not all of one revision would show as a third list of scores.
    assert [len(lists) for lists in seen.scores.values()] == [1, 1]
    assert await here.refused("RollbackModel", pb.RollbackModelRequest(corpus_id=CORPUS)) == (
        "PROMOTION_REFUSED"
    )


async def feed(process: ServerProcess, here: Loop) -> None:
    """Feedback by the real client, a corpus of it, training groups."""
    async with AsyncClient(process.target, ClientOptions(token=TOKEN)) as client:
        for start in range(0, len(QUERIES), 100):
            events = events_of(range(start, start + 100), CORPUS)
            assert len((await client.record_feedback(events)).event_ids) == 200
        assert len((await client.record_feedback(events)).duplicate_event_ids) == 200
    request = pb.CreateCorpusFromFeedbackRequest(corpus_id=CORPUS)
    report = (await here.call("CreateCorpusFromFeedback", request)).report
    assert (report.documents, report.queries) == (5 * len(QUERIES), len(QUERIES))
    assert await here.refused("CreateTrainingRun", pb.CreateTrainingRunRequest(corpus_id=CORPUS)) == (
        "TOO_FEW_TRIPLETS"
    )
    settings = settings_pb2.MiningSettings(
        sources=[settings_pb2.MINING_SOURCE_FEEDBACK],
        negatives_per_positive=4,
        random_negatives=0,
        percentile=100.0,
    )
    mined = (
        await here.call("MineTriplets", pb.MineTripletsRequest(corpus_id=CORPUS, settings=settings))
    ).statistics
    # Some of the queries are for the judgement and never trained on.
    assert 0 < mined.queries < len(QUERIES)
    assert mined.triplets >= 3 * mined.queries


async def killed_and_resumed(here: Loop, layout: Layout) -> str:
    """A run whose process is killed after a checkpoint, and that goes on to its end."""
    run_id = await here.train()
    async for event in here.watch(run_id):
        if event.step >= 10:
            break
    holder = await asyncio.to_thread(holder_of, layout, CORPUS)
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    last = [event async for event in here.watch(run_id)][-1].sequence
    assert (await here.run(run_id)).state == pb.TRAINING_RUN_STATE_FAILED
    await here.call("ResumeTrainingRun", pb.ResumeTrainingRunRequest(run_id=run_id))
    resumed = [event async for event in here.watch(run_id, after=last)]
    assert resumed[0].sequence == last + 1
    run = await here.run(run_id)
    assert run.state == pb.TRAINING_RUN_STATE_COMPLETED, run.error
    assert run.summary.best > 0.9
    return run_id


async def looked_at(here: Loop, process: ServerProcess, useless: str, better: str) -> None:
    """A run as others see it: operation, comparison, evaluation, events over HTTP."""
    name = operations_pb2.GetOperationRequest(name=f"operations/{better}")
    operation = await here.operations.GetOperation(name)
    run = pb.TrainingRun()
    assert operation.done
    assert operation.response.Unpack(run)
    assert run.id == better
    compared = await here.stub.CompareTrainingRuns(
        pb.CompareTrainingRunsRequest(baseline_run_id=useless, current_run_id=better)
    )
    assert compared.best_delta > 0.1
    report = await here.call("Evaluate", pb.EvaluateRequest(corpus_id=CORPUS, models=["tiny", better]))
    first, last = report.systems[0], next(s for s in report.systems if s.model.startswith(better))
    assert last.gains[first.name].metrics["ndcg@10"].low > 0
    assert report.most_improved

    def events() -> list[str]:
        request = urllib.request.Request(
            f"{process.http_url}/reranker/train/run/{better}/metrics",
            headers={"accept": "text/event-stream", "last-event-id": "3"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.read().decode()).strip().split("\n\n")

    blocks = await asyncio.to_thread(events)
    assert blocks[0].startswith("id: 4\n")
    assert blocks[-1].startswith("event: end")
    assert json.loads(blocks[0].split("data: ", 1)[1])["sequence"] == 4


class Seen:
    """What came back from traffic: revision -> the different lists of scores."""

    def __init__(self) -> None:
        self.scores: dict[str, set[tuple[float, ...]]] = defaultdict(set)
        self._counts: dict[str, int] = defaultdict(int)
        self._more = asyncio.Condition()

    async def add(self, revision: str, scores: tuple[float, ...]) -> None:
        async with self._more:
            self.scores[revision].add(scores)
            self._counts[revision] += 1
            self._more.notify_all()

    async def until(self, revision: str, *, again: bool = False) -> None:
        """Returns when a reply of this revision has come, or with `again` another one."""
        wanted = self._counts[revision] + 1 if again else 1
        async with self._more:
            await self._more.wait_for(lambda: self._counts[revision] >= wanted)


@asynccontextmanager
async def traffic(process: ServerProcess) -> AsyncIterator[Seen]:
    """Four callers who ask the same all the time; any failure of a call fails the test."""
    query, documents, _ = question(1)
    candidates = [{"id": i, "text": text} for i, text in documents.items()]
    seen = Seen()

    async def ask(client: AsyncClient) -> None:
        while True:
            answer = await client.rerank(query, candidates, model=MODEL)
            assert answer.model.id == MODEL
            scores = {result.index: result.score for result in answer.results}
            await seen.add(answer.model.revision, tuple(scores[index] for index in sorted(scores)))

    async with AsyncClient(process.target) as client:
        callers = [asyncio.create_task(ask(client)) for _ in range(4)]
        try:
            yield seen
            assert not any(caller.done() for caller in callers)
        finally:
            for caller in callers:
                caller.cancel()
            results = await asyncio.gather(*callers, return_exceptions=True)
    failures = [r for r in results if not isinstance(r, asyncio.CancelledError)]
    assert not failures
