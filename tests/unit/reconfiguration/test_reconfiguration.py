"""Changing the policy of a real engine over small backends, one for each model."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.fake_backend import FakeBackend, FakeCatalogue
from support.servers import fake_config

from rerankd.assembly import build_engine
from rerankd.backends.base import NoBackend, ProgressReporter
from rerankd.backends.passthrough import NONE, PassthroughModels
from rerankd.config import Config, ConfigError
from rerankd.core.engine import Engine, Request
from rerankd.core.errors import (
    DrainingError,
    InternalError,
    InvalidRequestError,
    ModelFailedError,
    ModelLoadingError,
    ModelNotFoundError,
    ProviderUnavailableError,
)
from rerankd.core.reranking import RerankingPolicy
from rerankd.core.types import Document, ModelState, Outcome, Ranking
from rerankd.reconfiguration.reconfiguration import Reconfiguration
from rerankd.reconfiguration.state import with_state

DOCUMENTS = [Document(text=f"red n{i}") for i in range(4)]


@dataclass(eq=False)
class Models:
    """A loader with a backend for each model, held by `gate` and failing where it is told to."""

    backends: dict[str, FakeBackend] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __post_init__(self) -> None:
        self.gate.set()

    def __call__(self, model_id: str, report: ProgressReporter) -> FakeBackend | NoBackend:
        self.asked.release()
        self.gate.wait()
        if model_id in self.failures:
            raise self.failures[model_id]
        if model_id == NONE:
            return PassthroughModels().load(model_id, report)
        return self.backends.setdefault(model_id, FakeBackend(id=model_id))


Make = Callable[..., Reconfiguration]


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
async def make(models: Models) -> AsyncIterator[Make]:
    engines: list[Engine] = []

    def start(reread: Callable[[], Config] | None = None, **sections: Any) -> Reconfiguration:
        given = fake_config(**sections)
        config = with_state(given)
        engine = build_engine(config, catalogue=FakeCatalogue("test/first"), loader=models)
        engines.append(engine)
        return Reconfiguration(config, engine, base=given.reranking, reread=reread)

    yield start
    models.gate.set()
    for engine in engines:
        await engine.registry.close()
        engine.close()


def engine_of(reconfiguration: Reconfiguration) -> Engine:
    return reconfiguration._engine


async def ranked(reconfiguration: Reconfiguration) -> Ranking:
    return await engine_of(reconfiguration).rerank(Request(query="red", documents=DOCUMENTS))


def audited(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.name == "rerankd.audit"]


async def test_the_next_call_uses_a_change(make: Make) -> None:
    live = make()
    before = live.current()
    assert (before.section.mode, before.default_model, before.generation) == ("local", "test/first", 0)
    assert (await ranked(live)).model.id == "test/first"

    after = await live.update({"local_model": "test/other", "max_scored_documents": 2}, actor="me")

    assert after == live.current()
    assert (after.default_model, after.generation) == ("test/other", 1)
    ranking = await ranked(live)
    assert ranking.model.id == "test/other"
    assert [result.scored for result in ranking.results] == [True, True, False, False]


async def test_mode_none_leaves_documents_in_their_order(make: Make) -> None:
    live = make()
    assert (await live.update({"mode": "none"}, actor="me")).default_model == NONE
    ranking = await ranked(live)
    assert (ranking.outcome, [r.index for r in ranking.results]) == (Outcome.PASSTHROUGH, [0, 1, 2, 3])
    back = await live.update({"mode": None}, actor="me")
    assert (back.section.mode, back.default_model, back.generation) == ("local", "test/first", 2)
    assert (await ranked(live)).outcome is Outcome.RERANKED


@pytest.mark.parametrize(
    ("changes", "named", "said"),
    [
        ({"mode": "lokal"}, "reranking.mode", "should be 'none', 'local', 'learning' or 'cloud'"),
        ({"snippet_chars": -1}, "reranking.snippet_chars", "greater than or equal to 0"),
        ({"snippet_chars": True}, "reranking.snippet_chars", "a valid integer"),
        ({"snippet_chars": "5"}, "reranking.snippet_chars", "a valid integer"),
        ({"cloud_top_n": 2**31}, "reranking.cloud_top_n", "less than or equal to 2147483647"),
        ({"timeout_seconds": 601}, "reranking.timeout_seconds", "less than or equal to 600"),
        ({"timeout_seconds": float("nan")}, "reranking.timeout_seconds", "finite"),
        ({"document_fields": ["a"] * 33}, "reranking.document_fields", "at most 32"),
        ({"document_fields": ["a", 7]}, "reranking.document_fields[1]", "a valid string"),
        ({"fallback_models": [""]}, "reranking.fallback_models", "empty name"),
        ({"local_model": "x" * 201}, "reranking.local_model", "at most 200 characters"),
        ({"mode": "learning"}, "reranking.learning_model", "mode learning needs learning_model"),
        ({"on_failure": "explode"}, "reranking.on_failure", "'fail' or 'original_order'"),
        ({"snipet_chars": 5}, "reranking.snipet_chars", "did you mean snippet_chars?"),
        ({"zzz": 5}, "reranking.zzz", "known are mode, local_model"),
    ],
)
async def test_a_value_that_does_not_fit_changes_nothing(
    make: Make, changes: dict[str, object], named: str, said: str
) -> None:
    live = make()
    before = live.current()
    with pytest.raises(InvalidRequestError) as caught:
        await live.update({"max_scored_documents": 3} | changes, actor="me")
    assert caught.value.field == named
    assert caught.value.message.startswith(f"{named}: ")
    assert said in caught.value.message
    assert live.current() == before
    assert engine_of(live).policy.max_scored_documents == 0


async def test_all_problems_are_told_at_once(make: Make) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        await make().update({"snippet_chars": -1, "mode": "x"}, actor="me", name_of="config.{}".format)
    assert caught.value.field == "config.mode"
    assert "config.mode: " in caught.value.message
    assert "config.snippet_chars: " in caught.value.message


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"local_model": "other/model"}, "reranking.local_model"),
        ({"learning_model": "other/model"}, "reranking.learning_model"),
        ({"mode": "learning", "learning_model": "other/model"}, "reranking.learning_model"),
        ({"fallback_models": ["test/a", "other/model"]}, "reranking.fallback_models[1]"),
        ({"cloud_model": "rerank-v3.5"}, "reranking.cloud_model"),
        ({"mode": "cloud"}, "reranking.mode"),
        ({"mode": "cloud", "cloud_provider": "voyage"}, "reranking.cloud_provider"),
    ],
)
async def test_a_model_that_is_not_offered_is_named_by_its_field(
    make: Make, changes: dict[str, object], named: str
) -> None:
    live = make()
    before = live.current()
    with pytest.raises(ModelNotFoundError) as caught:
        await live.update(changes, actor="me")
    assert caught.value.field == named
    assert caught.value.message.startswith(f"{named}: ")
    assert live.current() == before


async def test_what_is_not_changed_is_not_looked_up(make: Make) -> None:
    live = make(reranking={"learning_model": "other/gone"})
    assert (await live.update({"cloud_provider": "jina"}, actor="me")).section.cloud_provider == "jina"


async def test_a_new_default_is_loaded_before_it_holds(make: Make, models: Models) -> None:
    live = make()
    await ranked(live)
    models.asked.acquire()
    models.gate.clear()
    change = asyncio.create_task(live.update({"local_model": "test/slow"}, actor="me"))
    await asyncio.to_thread(models.asked.acquire)

    assert (await ranked(live)).model.id == "test/first", "the old default answers meanwhile"
    assert not change.done()

    models.gate.set()
    assert (await change).default_model == "test/slow"
    assert engine_of(live).registry.report("test/slow").state is ModelState.ACTIVE


async def test_a_new_stand_in_is_loaded_before_it_holds(make: Make, models: Models) -> None:
    live = make(reranking={"fallback_models": ("test/lazy",)})
    models.failures["test/broken"] = ModelFailedError("the graph has no output")
    with pytest.raises(ModelFailedError) as caught:
        await live.update({"fallback_models": ["test/spare", "test/broken"]}, actor="me", name_of=str.upper)
    assert caught.value.field == "FALLBACK_MODELS[1]"
    await live.update({"fallback_models": ["test/spare", "none"]}, actor="me")
    await live.update({"snippet_chars": 3}, actor="me")
    assert {r.id: r.state for r in engine_of(live).registry.reports()} == {
        "test/spare": ModelState.ACTIVE,
        "test/broken": ModelState.FAILED,
        "none": ModelState.ACTIVE,
    }


async def test_a_default_that_fails_to_load_changes_nothing(make: Make, models: Models) -> None:
    models.failures["test/broken"] = ModelFailedError("the graph has no output")
    models.failures["test/away"] = ProviderUnavailableError("no route", retry_after_seconds=3.0)
    live = make()
    for name, kind in (("test/broken", ModelFailedError), ("test/away", ProviderUnavailableError)):
        with pytest.raises(kind) as caught:
            await live.update({"local_model": name, "snippet_chars": 5}, actor="me")
        assert caught.value.field == "reranking.local_model"
    assert caught.value.retry_after_seconds == 3.0
    assert live.current().generation == 0
    assert engine_of(live).policy.snippet_chars == 0
    assert (await ranked(live)).model.id == "test/first"


async def test_a_load_that_takes_too_long_changes_nothing(make: Make, models: Models) -> None:
    live = make(warmup={"mode": "lazy", "timeout_seconds": 0.05})
    models.gate.clear()
    with pytest.raises(ModelLoadingError):
        await live.update({"local_model": "test/slow"}, actor="me")
    assert live.current().generation == 0


async def test_a_server_that_goes_down_refuses_a_change_that_waits(make: Make, models: Models) -> None:
    live = make()
    models.gate.clear()
    change = asyncio.create_task(live.update({"local_model": "test/slow"}, actor="me"))
    await asyncio.to_thread(models.asked.acquire)
    await engine_of(live).registry.close()
    with pytest.raises(DrainingError):
        await change


async def test_changes_wait_for_each_other(make: Make, models: Models) -> None:
    live = make()
    models.gate.clear()
    first = asyncio.create_task(live.update({"local_model": "test/slow", "cloud_top_n": 1}, actor="a"))
    await asyncio.to_thread(models.asked.acquire)
    second = asyncio.create_task(live.update({"snippet_chars": 2}, actor="b"))
    models.gate.set()
    await asyncio.gather(first, second)
    assert [first.result().generation, second.result().generation] == [1, 2]
    section = second.result().section
    assert (section.local_model, section.cloud_top_n, section.snippet_chars) == ("test/slow", 1, 2)


async def test_a_caller_who_leaves_while_the_model_loads_changes_nothing(make: Make, models: Models) -> None:
    live = make()
    models.gate.clear()
    change = asyncio.create_task(live.update({"local_model": "test/slow"}, actor="me"))
    await asyncio.to_thread(models.asked.acquire)
    change.cancel()
    await asyncio.gather(change, return_exceptions=True)
    models.gate.set()
    assert (await live.update({"snippet_chars": 1}, actor="me")).default_model == "test/first"


async def test_every_change_is_audited(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    live = make(reranking={"snippet_chars": 700})
    with caplog.at_level(logging.ERROR):
        # It sets the level of its own handler as well, which those of a server do not have.
        caplog.handler.setLevel(logging.NOTSET)
        await live.update({"snippet_chars": 9, "document_fields": ["title"], "mode": "local"}, actor="ops")
        with pytest.raises(InvalidRequestError):
            await live.update({"snippet_chars": -9}, actor="ops")
    (line,) = audited(caplog)
    assert (line["actor"], line["persisted"], line["generation"]) == ("ops", False, 1)
    assert line["changes"] == {
        "snippet_chars": {"old": 700, "new": 9},
        "document_fields": {"old": (), "new": ("title",)},
    }


async def test_a_change_to_what_holds_already_is_no_change(make: Make) -> None:
    live = make()
    policy = engine_of(live).policy
    assert (await live.update({"mode": "local", "snippet_chars": 0}, actor="me")).generation == 0
    assert engine_of(live).policy is policy


async def test_a_kept_change_outlives_the_process(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    sections: dict[str, Any] = {"admin": {"state_file": path}, "reranking": {"snippet_chars": 700}}
    first = make(**sections)
    await first.update({"snippet_chars": 100}, actor="me", persist=True)
    await first.update({"cloud_top_n": 7}, actor="me")
    await first.update({"on_failure": "original_order", "timeout_seconds": None}, actor="me", persist=True)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]
    assert json.loads(path.read_text())["reranking"] == {
        "snippet_chars": 100,
        "on_failure": "original_order",
        "timeout_seconds": 10.0,
    }
    second = make(**sections)
    section = second.current().section
    assert (section.snippet_chars, section.cloud_top_n, section.on_failure) == (100, 0, "original_order")
    assert engine_of(second).policy.snippet_chars == 100


async def test_without_a_state_file_nothing_can_be_kept(make: Make) -> None:
    live = make()
    with pytest.raises(InvalidRequestError, match=r"admin\.state_file") as caught:
        await live.update({"snippet_chars": 100}, actor="me", persist=True)
    assert caught.value.field == "persist"
    assert live.current().section.snippet_chars == 0


async def test_what_would_stop_the_next_start_is_not_kept(make: Make, tmp_path: Path) -> None:
    live = make(admin={"state_file": tmp_path / "state.json"})
    await live.update({"learning_model": "test/mine"}, actor="me")
    with pytest.raises(InvalidRequestError, match="mode learning needs learning_model") as caught:
        await live.update({"mode": "learning"}, actor="me", persist=True)
    assert caught.value.field == "persist"
    assert live.current().section.mode == "local"
    assert not (tmp_path / "state.json").exists()
    both = {"mode": "learning", "learning_model": "test/mine"}
    assert (await live.update(both, actor="me", persist=True)).default_model == "test/mine"


async def test_a_change_that_cannot_be_written_does_not_hold(make: Make, tmp_path: Path) -> None:
    live = make(admin={"state_file": tmp_path / "missing" / "state.json"})
    with pytest.raises(InternalError) as caught:
        await live.update({"snippet_chars": 100}, actor="me", persist=True)
    assert str(tmp_path) not in caught.value.message
    assert isinstance(caught.value.__cause__, OSError)
    assert live.current().generation == 0


async def test_a_reload_takes_over_its_section_and_names_the_rest(
    make: Make, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    path = tmp_path / "state.json"
    now: dict[str, Any] = {"admin": {"state_file": path}}
    live = make(lambda: fake_config(**now), **now)
    await live.update({"on_failure": "original_order"}, actor="me", persist=True)
    await live.update({"cloud_top_n": 7}, actor="me")
    now |= {
        "reranking": {"local_model": "test/filed", "snippet_chars": 3, "on_failure": "fail"},
        "limits": {"max_documents": 5},
        "admin": {"state_file": path, "token": "new secret"},
    }
    caplog.clear()

    outcome = await live.reload()

    assert set(outcome.changed) == {
        "reranking.local_model",
        "reranking.snippet_chars",
        "reranking.cloud_top_n",
    }
    assert outcome.need_restart == ("limits.max_documents", "admin.token")
    section = live.current().section
    assert section.on_failure == "original_order", "what was kept wins over the file"
    assert section.cloud_top_n == 0, "what was not kept is gone"
    assert (await ranked(live)).model.id == "test/filed"
    assert [line["actor"] for line in audited(caplog)] == ["SIGHUP"]
    told = [vars(record)["key"] for record in caplog.records if "only after a restart" in record.message]
    assert told == ["limits.max_documents", "admin.token"]
    assert "new secret" not in caplog.text


async def test_a_reload_that_finds_nothing_new_changes_nothing(make: Make) -> None:
    live = make(fake_config)
    assert await live.reload() == type(await live.reload())()
    assert live.current().generation == 0


async def test_a_reload_of_what_cannot_be_used_changes_nothing(
    make: Make, models: Models, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Config:
        raise ConfigError(["reranking.mode: should be ...", "nonsense: no such setting"])

    models.failures["test/broken"] = ModelFailedError("the graph has no output")
    for reread, problems in (
        (broken, ["reranking.mode: should be ...", "nonsense: no such setting"]),
        (
            lambda: fake_config(reranking={"local_model": "test/broken"}),
            ["MODEL_FAILED: reranking.local_model: the graph has no output"],
        ),
        (None, ["this process cannot read its configuration again; restart it"]),
    ):
        live = make(reread)
        caplog.clear()
        outcome = await live.reload()
        assert (outcome.changed, list(outcome.problems)) == ((), problems)
        assert live.current().generation == 0
        lines = [vars(r)["problem"] for r in caplog.records if r.message == "configuration not reloaded"]
        assert lines == problems


async def test_a_reload_that_a_signal_began_is_joined_at_the_end(make: Make, models: Models) -> None:
    live = make(lambda: fake_config(reranking={"local_model": "test/slow"}))
    models.gate.clear()
    live.reload_soon()
    await asyncio.to_thread(models.asked.acquire)
    await live.close()
    assert live.current().generation == 0


async def test_a_reload_that_breaks_is_logged(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    def breaks() -> Config:
        raise RuntimeError("unforeseen")

    live = make(breaks)
    live.reload_soon()
    (task,) = live._reloads
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert not live._reloads
    assert "unforeseen" in caplog.text


async def test_a_batch_that_began_before_a_change_ends_as_it_began(make: Make) -> None:
    engine = engine_of(make())
    batch = asyncio.create_task(engine.rerank_batch([Request(query="red", documents=DOCUMENTS)] * 3))
    # Between the batch's first step and those of its requests.
    changed = RerankingPolicy(default_model="test/other", max_scored_documents=1, generation=1)
    asyncio.get_running_loop().call_soon(engine.adopt, changed)
    for ranking in await batch:
        assert isinstance(ranking, Ranking)
        assert (ranking.model.id, ranking.usage.scored_documents) == ("test/first", 4)
    assert engine.policy.generation == 1
