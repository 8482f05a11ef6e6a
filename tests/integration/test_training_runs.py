"""Training runs in real processes: to the end, killed and resumed, cancelled, watched by others.

The models are tiny; what takes time is that each process imports torch.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.training_material import write_base, write_groups

from rerankd.artifacts.directory import DirectoryModel
from rerankd.backends.onnx import OnnxSettings, Precision, Provider, load
from rerankd.config.training import RunConfig
from rerankd.core.errors import (
    CorpusNotFoundError,
    InvalidRequestError,
    RunActiveError,
    RunNotFoundError,
    TooFewTripletsError,
)
from rerankd.training.layout import Layout
from rerankd.training.runs import BaseModel, RunManager, Tracking
from rerankd.training.runs.journal import JournalReader
from rerankd.training.runs.locks import holder_of
from rerankd.training.types import RunEvent, RunEventType, RunInfo, RunStatus

pytest.importorskip("sentence_transformers", reason="the extra `train` is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CORPUS = "demo"
NOBODY = "http://127.0.0.1:9"
"""An MLflow server that is down."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "learning")
    write_groups(made.corpus(CORPUS))
    return made


@pytest.fixture
def manager(layout: Layout, base: Path) -> Iterator[RunManager]:
    made = manager_of(layout, base)
    yield made
    made.close()


def manager_of(layout: Layout, base: Path, **options: object) -> RunManager:
    def find(name: str) -> BaseModel:
        return BaseModel(name=name, revision="sha256:test", directory=str(base))

    return RunManager(layout, find_base=find, **{"tracking_uri": NOBODY, "min_triplets": 10, **options})


def settings(**changes: object) -> RunConfig:
    defaults = {
        "epochs": 3,
        "batch_size": 4,
        "learning_rate": 1e-3,
        "max_length": 64,
        "eval_steps": 4,
        "checkpoint_steps": 3,
        "early_stopping_patience": 0,
        "precision": "fp32",
        "device": "cpu",
        "threads": 1,
        "nice": 0,
    }
    return RunConfig(**{**defaults, **changes})


async def until(manager: RunManager, run_id: str, step: int, text: str) -> list[RunEvent]:
    """The events up to the first one from this step on whose message begins so."""
    seen = []
    async for event in manager.events(run_id):
        seen.append(event)
        if event.step >= step and event.message.startswith(text):
            break
    return seen


def losses(layout: Layout, run_id: str) -> dict[int, float]:
    events = JournalReader(layout.run(run_id) / "events.jsonl").read()
    assert [event.sequence for event in events] == [*range(1, len(events) + 1)]
    return {event.step: event.metrics["loss"] for event in events if "loss" in event.metrics}


def weights(layout: Layout, run_id: str) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(layout.run(run_id) / "model" / "model.safetensors")


def complete(manager: RunManager, config: RunConfig) -> RunInfo:
    info = manager.wait(manager.start(CORPUS, config).id)
    assert info.status is RunStatus.COMPLETED, info.error
    return info


async def test_a_run_trains_tracks_and_exports(layout: Layout, base: Path) -> None:
    manager = manager_of(layout, base, tracking_uri="")
    started = await asyncio.to_thread(manager.start, CORPUS, settings(loss="distillation", epochs=4))
    events = [event async for event in manager.events(started.id)]

    info = manager.get(started.id)
    assert info.status is RunStatus.COMPLETED, info.error
    assert (info.progress, info.dataset["triplets"], info.base_revision) == (1.0, 192, "sha256:test")
    assert info.summary is not None
    first = next(event for event in events if "ndcg@10" in event.metrics)
    assert info.summary.best > first.metrics["ndcg@10"]
    assert [event.sequence for event in events] == [*range(1, len(events) + 1)]
    states = [event.message for event in events if event.type is RunEventType.STATE]
    assert states == ["queued", "running", "completed"]
    assert [event async for event in manager.events(started.id, after=events[-3].sequence)] == events[-2:]

    for precision, served in (("fp32", Precision.AUTO), ("int8", Precision.INT8)):
        directory = layout.run(info.id) / "export" / precision
        files = DirectoryModel(id="learned", directory=directory).load()
        backend = load(
            files, OnnxSettings(provider=Provider.CPU, threads=1, precision=served), lambda *_: None
        )
        backend.close()
    parity = json.loads((layout.run(info.id) / "export" / "parity.json").read_text())
    assert parity["fp32"]["max_logit_change"] <= 1e-4
    assert not (layout.run(info.id) / "checkpoints").exists()
    _check_tracking(layout, info, events)


def _check_tracking(layout: Layout, info: RunInfo, events: list[RunEvent]) -> None:
    tracking = Tracking(layout)
    (tracked,) = tracking.runs(CORPUS)
    assert (tracked.run_id, tracked.status, tracked.params["loss"]) == (info.id, "FINISHED", "distillation")
    curve = [(event.step, event.metrics["ndcg@10"]) for event in events if "mrr@10" in event.metrics]
    assert tracking.history(CORPUS, info.id, "ndcg@10") == curve
    assert tracked.metrics["ndcg@10"] == curve[-1][1]
    directory = layout.run(info.id) / "export" / "fp32"
    version = tracking.register(CORPUS, info.id, directory, {"revision": "one"})
    tracking.set_alias(CORPUS, "current", version)
    assert tracking.version_of(CORPUS, "current") == version
    assert tracking.version_of(CORPUS, "previous") is None


async def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    layout: Layout, base: Path, manager: RunManager
) -> None:
    config = settings()
    whole = await asyncio.to_thread(complete, manager, config)
    started = await asyncio.to_thread(manager.start, CORPUS, config)
    await until(manager, started.id, 15, "checkpoint at step 15")
    holder = holder_of(layout, CORPUS)
    assert holder is not None

    os.kill(holder.pid, signal.SIGKILL)
    events = [event async for event in manager.events(started.id)]

    failed = manager.get(started.id)
    assert (failed.status, events[-1].message) == (RunStatus.FAILED, "failed")
    assert "killed" in failed.error
    assert failed.progress < 1
    # Another server, after a restart.
    other = manager_of(layout, base)
    assert other.recover() == []
    resumed = await asyncio.to_thread(other.resume, started.id)
    assert resumed.status in (RunStatus.QUEUED, RunStatus.RUNNING)
    ended = await asyncio.to_thread(other.wait, started.id)

    assert ended.status is RunStatus.COMPLETED, ended.error
    log = [event.message async for event in other.events(started.id)]
    assert any(line.startswith("going on from checkpoint-") for line in log)
    assert losses(layout, started.id) == pytest.approx(losses(layout, whole.id), abs=1e-6)
    again, straight = weights(layout, started.id), weights(layout, whole.id)
    for name, values in straight.items():
        np.testing.assert_allclose(again[name], values, atol=1e-6)
    with pytest.raises(InvalidRequestError, match="completed"):
        other.resume(started.id)


async def test_one_run_a_corpus_cancelled_by_whoever_may(
    layout: Layout, base: Path, manager: RunManager
) -> None:
    started = await asyncio.to_thread(manager.start, CORPUS, settings(epochs=50))
    other = manager_of(layout, base)
    for server in (manager, other):
        with pytest.raises(RunActiveError):
            await asyncio.to_thread(server.start, CORPUS, settings())
        with pytest.raises(RunActiveError):
            await asyncio.to_thread(server.delete, started.id)
    assert other.recover() == []
    # The other server did not start it, and follows and cancels it all the same.
    seen = await until(other, started.id, 2, "checkpoint at step")

    cancelled = await asyncio.to_thread(other.cancel, started.id)

    assert cancelled.status is RunStatus.CANCELLED
    assert (await asyncio.to_thread(manager.wait, started.id)).status is RunStatus.CANCELLED
    rest = [event async for event in manager.events(started.id, after=seen[-1].sequence)]
    assert rest[-1].message == "cancelled"
    assert any("does not answer" in event.message for event in [*seen, *rest])
    last = max(event.step for event in rest)
    assert (layout.run(started.id) / "checkpoints" / f"checkpoint-{last}" / "trainer_state.json").is_file()
    assert [info.id for info in manager.list(CORPUS)] == [started.id]
    manager.delete(started.id)
    assert manager.list() == []


async def test_a_run_is_cancelled_before_it_trains_and_interrupted_with_its_server(
    layout: Layout, base: Path, manager: RunManager
) -> None:
    started = await asyncio.to_thread(manager.start, CORPUS, settings(epochs=50))
    early = await asyncio.to_thread(manager.cancel, started.id)
    assert early.status is RunStatus.CANCELLED

    await asyncio.to_thread(manager.resume, started.id)
    await until(manager, started.id, 2, "checkpoint at step")
    await asyncio.to_thread(manager.close)

    info = manager.get(started.id)
    assert info.status is RunStatus.FAILED
    assert "resume" in info.error


async def test_two_processes_share_the_batches_and_stop_together(layout: Layout, base: Path) -> None:
    manager = manager_of(layout, base, processes=2)
    started = await asyncio.to_thread(manager.start, CORPUS, settings(epochs=2))
    seen = await until(manager, started.id, 3, "checkpoint at step 3")
    assert any("steps on 2 x cpu" in event.message for event in seen)

    assert (await asyncio.to_thread(manager.cancel, started.id)).status is RunStatus.CANCELLED
    await asyncio.to_thread(manager.resume, started.id)
    ended = await asyncio.to_thread(manager.wait, started.id)

    assert ended.status is RunStatus.COMPLETED, ended.error
    # 43 queries, 4 a batch and 2 processes: 5 whole steps an epoch.
    assert max(losses(layout, started.id)) == 10


async def test_bad_data_is_told_in_a_sentence(layout: Layout, manager: RunManager) -> None:
    groups = layout.corpus(CORPUS) / "groups.jsonl"
    lines = [json.loads(line) for line in groups.read_text().splitlines()]
    for line in lines:
        line["documents"][0]["teachers"]["bm25"] = float("nan")
    groups.write_text("".join(json.dumps(line) + "\n" for line in lines))

    started = await asyncio.to_thread(manager.start, CORPUS, settings(loss="distillation"))
    ended = await asyncio.to_thread(manager.wait, started.id)

    assert ended.status is RunStatus.FAILED
    assert ended.error == "a teacher's score in the training groups is not finite; mine again"
    assert "BadDataError" in (layout.run(started.id) / "worker.log").read_text()


def test_what_cannot_start_says_why(layout: Layout, base: Path) -> None:
    manager = manager_of(layout, base, min_triplets=1000)
    with pytest.raises(TooFewTripletsError, match="192 triplets; 1000 are needed"):
        manager.start(CORPUS, settings())
    for corpus_id in ("other", "../demo", ""):
        with pytest.raises(CorpusNotFoundError):
            manager.start(corpus_id, settings())
    for run_id in ("demo-20260101T000000-abcd", "../demo", ""):
        with pytest.raises(RunNotFoundError):
            manager.get(run_id)
    (layout.corpus(CORPUS) / "groups.jsonl").write_text("{}\n")
    with pytest.raises(InvalidRequestError, match=r"groups\.jsonl:1"):
        manager.start(CORPUS, settings())
    assert holder_of(layout, CORPUS) is None


def test_a_damaged_run_is_left_out_of_the_list(layout: Layout, base: Path) -> None:
    manager = manager_of(layout, base)
    damaged = layout.run("demo-20260101T000000-dead")
    damaged.mkdir(parents=True)
    (damaged / "request.json").write_text("{")

    assert manager.list() == []
    assert manager.recover() == []
    with pytest.raises(RunNotFoundError):
        manager.get(damaged.name)
