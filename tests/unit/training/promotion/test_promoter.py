"""Promotions and rollbacks, with a registry that serves and without."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.fake_backend import FakeBackend
from support.learned import CORPUS, MODEL, Opener, decision, learned_models, tiny
from support.text_models import Models

from rerankd.backends.passthrough import PassthroughModels
from rerankd.config.training import PromotionConfig
from rerankd.core.catalogue import Catalogue
from rerankd.core.engine import Engine, Request
from rerankd.core.errors import InvalidRequestError, ModelFailedError, PromotionRefusedError
from rerankd.core.limits import Limits
from rerankd.core.registry import Registry
from rerankd.core.shadowing import ShadowState
from rerankd.core.types import Document, Options
from rerankd.training.promotion import LearnedModels, Promoter


class Place:
    """A store, a registry on it, and a promoter."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.models: LearnedModels
        self.opener: Opener
        self.models, self.opener = learned_models(root / "learning", kept_revisions=2)
        catalogue = Catalogue([PassthroughModels(), self.models, Models([FakeBackend()])])
        self.registry = Registry(catalogue, catalogue.load, max_queued_tokens=100_000)
        self.promoter = Promoter(self.models, self.registry)

    async def promote(self, seed: int, low: float = 0.1, **options: str) -> str:
        current = await self.promoter.promote(CORPUS, tiny(self.root, seed), decision(low), **options)
        return current.revision

    async def served(self) -> str:
        return (await self.registry.get(MODEL)).ref.revision


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    yield made
    await made.registry.close()


async def test_promotion_serves_and_rollback_goes_back(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        first = await place.promote(1, run_id="shop-1")
    assert await place.served() == first
    assert place.registry.report(MODEL).id == MODEL
    second = await place.promote(2, run_id="shop-2")
    assert first != second
    assert await place.served() == second
    assert await asyncio.to_thread(place.opener.freed[first].wait, 30)
    back = await place.promoter.rollback(CORPUS)
    assert back.revision == first
    assert await place.served() == first
    assert [p.run_id for p in back.rolled_back] == ["shop-2"]
    with pytest.raises(PromotionRefusedError, match="no earlier revision"):
        await place.promoter.rollback(CORPUS)
    assert await place.served() == first
    assert "learned model promoted" in caplog.text


async def test_a_refused_model_is_not_even_copied(place: Place) -> None:
    with pytest.raises(PromotionRefusedError):
        await place.promote(1, low=-0.1)
    assert place.models.store.corpora() == []
    assert not (place.root / "learning").exists()
    forced = await place.promote(1, low=-0.1, force="asked for by the owner")
    current = place.models.store.current(CORPUS)
    assert current is not None
    assert current.history[-1].note == "asked for by the owner"
    assert await place.served() == forced


async def test_a_model_that_does_not_load_changes_nothing(place: Place) -> None:
    first = await place.promote(1)
    place.opener.failure = ModelFailedError("golden pair 4 scores 1 where its file says 2")
    with pytest.raises(ModelFailedError, match="golden pair 4"):
        await place.promote(2)
    current = place.models.store.current(CORPUS)
    assert current is not None
    assert (current.revision, len(current.history)) == (first, 1)
    assert await place.served() == first
    place.opener.failure = None
    second = await place.promote(2)
    place.opener.failure = ModelFailedError("gone bad")
    with pytest.raises(ModelFailedError):
        await place.promoter.rollback(CORPUS)
    assert await place.served() == second


async def test_golden_pairs_are_the_same_as_in_serving(place: Place) -> None:
    directory = tiny(place.root, 1)
    golden = '{"pairs": [{"query": "plants", "document": "food", "logit": 77.0}]}'
    (directory / "golden_pairs.json").write_text(golden)
    with pytest.raises(ModelFailedError, match="golden pair 0"):
        await place.promoter.promote(CORPUS, directory, decision(0.1))
    assert place.models.store.corpora() == []


async def test_revisions_are_pruned_after_a_promotion(place: Place) -> None:
    revisions = [await place.promote(seed) for seed in range(1, 5)]
    for revision in revisions[:-1]:
        assert await asyncio.to_thread(place.opener.freed[revision].wait, 30)
    await place.promote(5)
    kept = {path.name for path in place.models.store.directory(CORPUS, revisions[0]).parent.iterdir()}
    assert place.models.store.directory(CORPUS, revisions[0]).name not in kept
    assert place.models.store.directory(CORPUS, revisions[3]).name in kept


async def test_a_candidate_scores_along_before_it_is_promoted(place: Place) -> None:
    await place.promote(1)
    engine = Engine(place.registry, Limits())
    config = PromotionConfig(shadow_fraction=1.0, shadow_requests=2)
    candidate = tiny(place.root, 2)
    await place.promoter.shadow(CORPUS, candidate, config)
    asked = Request(
        query="plants make food",
        documents=[Document(text=text) for text in ("light", "river water", "green leaves")],
        options=Options(model=MODEL),
    )
    while (report := place.promoter.shadow_report(CORPUS)) and report.state is ShadowState.RUNNING:
        await engine.rerank(asked)
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name().startswith("shadow")))
    assert report is not None
    assert (report.state, report.requests, report.documents) == (ShadowState.DONE, 2, 6)
    assert report.top10_overlap == 1.0
    assert report.max_drift > 0.0
    promoted = await place.promoter.promote(CORPUS, candidate, decision(0.1))
    assert (report.serving, report.candidate) == (promoted.history[0].revision, promoted.revision)
    with pytest.raises(InvalidRequestError, match="shadow_fraction"):
        await place.promoter.shadow(CORPUS, candidate, PromotionConfig())
    engine.close()


async def test_promotions_of_one_corpus_wait_for_each_other(place: Place) -> None:
    revisions = await asyncio.gather(*(place.promote(seed) for seed in (1, 2, 3)))
    current = place.models.store.current(CORPUS)
    assert current is not None
    assert {p.revision for p in current.history} == set(revisions)
    assert await place.served() == current.revision
    assert place.models.store.directory(CORPUS, current.revision).is_dir()


async def test_without_a_registry_models_are_proved_and_freed(tmp_path: Path) -> None:
    models, opener = learned_models(tmp_path / "learning")
    promoter = Promoter(models)
    first = await promoter.promote(CORPUS, tiny(tmp_path, 1), decision(0.1))
    await promoter.promote(CORPUS, tiny(tmp_path, 2), decision(0.1))
    assert all(event.is_set() for event in opener.freed.values())
    back = await promoter.rollback(CORPUS)
    assert back.revision == first.revision
    opener.failure = ModelFailedError("damaged")
    with pytest.raises(ModelFailedError):
        await promoter.promote(CORPUS, tiny(tmp_path, 3), decision(0.1))
    current = models.store.current(CORPUS)
    assert current is not None
    assert current.revision == first.revision
