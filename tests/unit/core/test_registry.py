"""A model's life: single-flight loads, failures with back-off, followers, states, the warm-up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest
from support.fake_backend import RAISE_WORD, FakeBackend, FakeCatalogue

from rerankd.backends.base import ProgressReporter
from rerankd.core.engine import Engine, Request
from rerankd.core.errors import (
    BackendFailedError,
    DeadlineExceededError,
    DrainingError,
    InvalidRequestError,
    ModelFailedError,
    ModelLoadingError,
    ModelNotFoundError,
)
from rerankd.core.limits import Limits
from rerankd.core.registry import Registry
from rerankd.core.types import Document, ModelState, WarmupStage
from rerankd.core.warmup import Warmup, WarmupRequest, read_samples


class Loads:
    """A loader that counts, waits at a gate and fails on request."""

    def __init__(self) -> None:
        self.count = 0
        self.gate = threading.Event()
        self.gate.set()
        self.failure: BaseException | None = None
        self.backends: list[FakeBackend] = []

    def __call__(self, model_id: str, report: ProgressReporter) -> FakeBackend:
        self.count += 1
        report(WarmupStage.RESOLVE, 1.0, "found")
        report(WarmupStage.DOWNLOAD, 0.5, "half")
        self.gate.wait()
        if self.failure is not None:
            raise self.failure
        report(WarmupStage.SESSION, 1.0, "built")
        self.backends.append(FakeBackend(id=model_id))
        return self.backends[-1]


@pytest.fixture
def loads() -> Loads:
    return Loads()


@pytest.fixture
async def registry(loads: Loads) -> AsyncIterator[Registry]:
    registry = Registry(FakeCatalogue(), loads, max_queued_tokens=10_000)
    yield registry
    loads.gate.set()
    await registry.close()


async def test_states_stages_and_listeners(registry: Registry, loads: Loads) -> None:
    seen: list[tuple[str, ModelState]] = []
    registry.on_change(lambda model_id, state: seen.append((model_id, state)))
    assert registry.report("test/fake").state is ModelState.UNLOADED
    model = await registry.get("default")
    assert model.ref.id == "test/fake"
    report = registry.report("test/fake")
    assert [state for _, state in seen] == [ModelState.LOADING, ModelState.WARMING, ModelState.ACTIVE]
    assert [stage for stage, _ in report.stages] == [
        WarmupStage.RESOLVE,
        WarmupStage.DOWNLOAD,
        WarmupStage.SESSION,
    ]
    assert all(seconds >= 0 for _, seconds in report.stages)
    assert report.aliases == ("default",)
    assert report.load_time is not None
    assert report.description is not None
    await registry.close()
    assert seen[-2:] == [("test/fake", ModelState.UNLOADING), ("test/fake", ModelState.UNLOADED)]
    assert loads.backends[0].closed
    with pytest.raises(DrainingError):
        await registry.get("default")


async def test_failure_is_kept_and_not_retried_at_once(registry: Registry, loads: Loads) -> None:
    loads.failure = ModelFailedError("no ONNX file", metadata={"model": "x"})
    for _ in range(3):
        with pytest.raises(ModelFailedError, match="no ONNX file"):
            await registry.get("default")
    assert loads.count == 1
    assert registry.report("test/fake").state is ModelState.FAILED
    loads.failure = None
    task = registry.start("test/fake")  # what a Warmup does: tries whatever the back-off says
    assert task is not None
    await task
    assert registry.report("test/fake").state is ModelState.ACTIVE
    assert registry.report("test/fake").error is None


async def test_unexpected_failure_tells_the_caller_nothing_internal(registry: Registry, loads: Loads) -> None:
    loads.failure = OSError("/secret/path is full")
    with pytest.raises(ModelFailedError) as caught:
        await registry.get("default")
    assert "/secret" not in caught.value.message


class Panic(BaseException):
    """As native libraries raise: no Exception."""


@pytest.mark.parametrize("failure", [SystemExit(3), Panic("at src/lib.rs:5"), StopIteration(), MemoryError()])
async def test_whatever_ends_a_load_is_a_failed_model_and_the_server_lives(
    registry: Registry, loads: Loads, caplog: pytest.LogCaptureFixture, failure: BaseException
) -> None:
    loads.failure = failure
    with pytest.raises(ModelFailedError):
        await registry.get("default")
    assert registry.report("test/fake").state is ModelState.FAILED
    (line,) = [record for record in caplog.records if record.message == "model failed to load"]
    assert type(failure).__name__ in caplog.text
    assert line.exc_info is not None
    loads.failure = None
    task = registry.start("test/fake")
    assert task is not None
    await task


async def test_a_caller_who_gives_up_does_not_stop_the_load(registry: Registry, loads: Loads) -> None:
    loads.gate.clear()
    impatient = asyncio.create_task(registry.get("default"))
    patient = asyncio.create_task(registry.get("default"))
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    loads.gate.set()
    assert (await patient).ref.id == "test/fake"
    assert loads.count == 1


async def test_one_models_load_does_not_hold_up_another(registry: Registry, loads: Loads) -> None:
    await registry.get("test/first")
    loads.gate.clear()
    second = asyncio.create_task(registry.get("test/second"))
    await asyncio.sleep(0)
    assert (await registry.get("test/first")).ref.id == "test/first"
    assert not second.done()
    loads.gate.set()
    await second


async def test_followers_see_the_stages_and_may_leave(registry: Registry, loads: Loads) -> None:
    loads.gate.clear()
    async for event in registry.follow("test/fake"):
        assert event.stage in (WarmupStage.RESOLVE, WarmupStage.DOWNLOAD)
        break
    loads.gate.set()
    stages = [event.stage async for event in registry.follow("test/fake")]
    assert loads.count == 1
    assert stages[-1:] in ([WarmupStage.SESSION], [])
    assert [event async for event in registry.follow("test/fake")] == []


async def test_a_registry_that_loads_only_by_warmup(loads: Loads) -> None:
    registry = Registry(FakeCatalogue(), loads, max_queued_tokens=100, load_on_request=False)
    with pytest.raises(ModelLoadingError):
        await registry.get("default")
    assert loads.count == 0
    assert [event.stage async for event in registry.follow("test/fake")]
    assert (await registry.get("default")).ref.id == "test/fake"
    await registry.close()


async def test_names_that_are_not_allowed_never_load(registry: Registry, loads: Loads) -> None:
    with pytest.raises(ModelNotFoundError):
        await registry.get("evil/model")
    assert loads.count == 0
    assert registry.reports() == []


@pytest.fixture
async def engine(registry: Registry) -> AsyncIterator[Engine]:
    engine = Engine(registry, Limits())
    yield engine
    engine.close()


SAMPLE = Request(query="red", documents=[Document(text="red"), Document(text="blue")])


async def test_warmup_runs_every_stage_and_ends_with_done(engine: Engine, loads: Loads) -> None:
    probed: list[str] = []

    async def probe(model_id: str) -> None:
        probed.append(model_id)

    warmup = Warmup(engine, probe)
    events = [event async for event in warmup.run(WarmupRequest(samples=[SAMPLE]))]
    stages = list(dict.fromkeys(event.stage for event in events))
    assert stages[-3:] == [WarmupStage.SAMPLES, WarmupStage.PROBE, WarmupStage.DONE]
    assert probed == ["test/fake"]
    assert loads.backends[0].scored_pairs == 2
    recorded = dict(engine.registry.report("test/fake").stages)
    assert {WarmupStage.SAMPLES, WarmupStage.PROBE} <= set(recorded)
    again = [event.stage async for event in warmup.run(WarmupRequest())]
    assert again[-1] is WarmupStage.DONE
    assert loads.count == 1


async def test_warmup_is_time_boxed_but_the_load_goes_on(engine: Engine, loads: Loads) -> None:
    loads.gate.clear()
    with pytest.raises(DeadlineExceededError):
        async for _ in Warmup(engine).run(WarmupRequest(timeout_seconds=0.05)):
            pass
    loads.gate.set()
    assert (await engine.registry.get("default")).ref.id == "test/fake"
    assert loads.count == 1


async def test_a_failing_sample_fails_the_warmup(engine: Engine) -> None:
    bad = Request(query="red", documents=[Document(text=RAISE_WORD)])
    with pytest.raises(BackendFailedError):
        async for _ in Warmup(engine).run(WarmupRequest(samples=[bad])):
            pass


def test_sample_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("samples") / "samples.jsonl"
    path.write_text('{"query": "red", "documents": ["red", "blue"]}\n\n', encoding="utf-8")
    assert read_samples(path) == [SAMPLE]
    reject: Callable[[str], None] = lambda line: path.write_text(line, encoding="utf-8")  # noqa: E731
    for line in (
        "not json",
        "[]",
        '{"query": 1, "documents": []}',
        '{"query": "q", "documents": [1]}',
        '{"query": "q"}',
    ):
        reject(line)
        with pytest.raises(InvalidRequestError, match=r"samples\.jsonl line 1"):
            read_samples(path)
