"""Makes a revision the one that serves, and goes back to the one before."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rerankd.config.training import PromotionConfig
from rerankd.core.errors import InvalidRequestError
from rerankd.core.loaded import LoadedModel
from rerankd.core.shadowing import ShadowPlan, ShadowReport, Shadows
from rerankd.training.promotion.gate import Decision, require
from rerankd.training.promotion.learned_models import PREFIX, LearnedModels
from rerankd.training.promotion.revisions import Current, Promotion

if TYPE_CHECKING:
    from rerankd.backends.base import AnyBackend, ProgressReporter

logger = logging.getLogger(__name__)


class Swapping(Protocol):
    """The registry, as far as a promotion needs it."""

    shadows: Shadows

    async def get(self, name: str) -> LoadedModel:
        """The model of a name, loaded."""

    async def swap(
        self,
        model_id: str,
        *,
        revision: str = "",
        load: Callable[[ProgressReporter], AnyBackend] | None = None,
        commit: Callable[[], object] | None = None,
    ) -> LoadedModel:
        """See `core.registry.Registry.swap`."""

    def revisions_in_use(self, model_id: str) -> Collection[str]:
        """Revisions that answer requests at this moment."""


class Promoter:
    """Promotes and rolls back, on the event loop of the server or in a command."""

    def __init__(self, models: LearnedModels, registry: Swapping | None = None) -> None:
        """`registry`: None where nothing serves in this process; models are then only proved to load."""
        self._models = models
        self._store = models.store
        self._registry = registry
        # One change of a corpus's model at a time: the next one must not delete what this one loads.
        self._changes: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def promote(
        self, corpus_id: str, directory: Path, decision: Decision, *, run_id: str = "", force: str = ""
    ) -> Current:
        """Serves a trained model, if the gate lets it or `force` says why it should all the same.

        Requests in flight end on the model that they began on. If the new one does not load, the old one
        goes on serving and nothing is changed.

        Args:
            corpus_id: Whose model it is.
            directory: A servable directory, as an export makes; it is copied.
            decision: What the gate says.
            run_id: Run that made it, for the history.
            force: Reason to promote against the gate; kept in the history.

        Raises:
            PromotionRefusedError: The gate is against it.
            ModelFailedError: It cannot be loaded.
        """
        require(decision, force=force)
        note = "" if decision.allowed else force
        async with self._changes[corpus_id]:
            revision = await asyncio.to_thread(self._store.add, corpus_id, directory)
            promotion = Promotion(revision=revision, time=time.time(), run_id=run_id, note=note)
            await self._serve(corpus_id, revision, lambda: self._store.point(corpus_id, promotion))
            return await self._settled(corpus_id, "promoted")

    async def rollback(self, corpus_id: str) -> Current:
        """Serves the revision that was in use before this one.

        Raises:
            PromotionRefusedError: There is none.
            ModelFailedError: It cannot be loaded any more; the present one goes on serving.
        """
        async with self._changes[corpus_id]:
            target = await asyncio.to_thread(self._store.previous, corpus_id)
            now = await asyncio.to_thread(self._store.current, corpus_id)
            leaving = now.revision if now is not None else ""
            await self._serve(
                corpus_id,
                target.revision,
                lambda: self._store.step_back(corpus_id, from_revision=leaving),
            )
            return await self._settled(corpus_id, "rolled back")

    async def shadow(
        self, corpus_id: str, directory: Path, config: PromotionConfig, *, beside: str = ""
    ) -> None:
        """Lets a candidate score a share of the live requests as well; the model in use answers them.

        Returns when it does; `shadow_report` tells what it has seen so far. It ends by itself after
        `shadow_requests`, or with the next promotion.

        Args:
            corpus_id: Whose candidate it is.
            directory: A servable directory.
            config: `shadow_fraction` and `shadow_requests`.
            beside: Name of the model whose requests it scores; empty = the corpus's learned model.

        Raises:
            InvalidRequestError: `shadow_fraction` is 0, or nothing serves in this process.
            RerankdError: The candidate cannot be loaded, or there is no model beside it.
        """
        if self._registry is None or not config.shadow_fraction:
            raise InvalidRequestError(
                "a shadow needs a server and training.promotion.shadow_fraction above 0",
                field="shadow_fraction",
            )
        serving = await self._registry.get(beside or PREFIX + corpus_id)

        def load(report: ProgressReporter) -> AnyBackend:
            return self._models.load_directory(serving.ref.id, directory, report)

        plan = ShadowPlan(fraction=config.shadow_fraction, requests=config.shadow_requests)
        await self._registry.shadows.start(serving.ref, load, plan)

    def shadow_report(self, corpus_id: str, *, beside: str = "") -> ShadowReport | None:
        """What the last shadow has seen; None if there was none."""
        shadows = self._registry.shadows if self._registry is not None else None
        return shadows.report(beside or PREFIX + corpus_id) if shadows is not None else None

    async def _serve(self, corpus_id: str, revision: str, commit: Callable[[], object]) -> None:
        model_id = PREFIX + corpus_id

        def load(report: ProgressReporter) -> AnyBackend:
            return self._models.load_revision(model_id, revision, report)

        if self._registry is None:
            await asyncio.to_thread(_prove, load)
            await asyncio.to_thread(commit)
        else:
            await self._registry.swap(model_id, revision=revision, load=load, commit=commit)
            # What a candidate was compared with is gone.
            await self._registry.shadows.stop(model_id)

    async def _settled(self, corpus_id: str, what: str) -> Current:
        model_id = PREFIX + corpus_id
        in_use = self._registry.revisions_in_use(model_id) if self._registry is not None else ()
        # What cannot be deleted now is found by the next promotion; the model serves all the same.
        with suppress(OSError):
            await asyncio.to_thread(self._store.prune, corpus_id, in_use)
        current = await asyncio.to_thread(self._store.current, corpus_id)
        assert current is not None  # noqa: S101 - it was written just now
        run = current.history[-1].run_id
        logger.info(
            "learned model %s", what, extra={"model": model_id, "revision": current.revision, "run": run}
        )
        return current


def _prove(load: Callable[[ProgressReporter], AnyBackend]) -> None:
    """Loads a model as the server would, and frees it."""
    backend = load(lambda *_: None)
    close = getattr(backend, "close", None)
    if close is not None:
        close()
