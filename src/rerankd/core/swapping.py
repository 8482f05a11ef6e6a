"""Replaces a model that serves by another revision of it, with no request lost or mixed."""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from rerankd.backends.base import AnyBackend, ProgressReporter
from rerankd.core.errors import ModelFailedError, ModelLoadingError, RerankdError, draining
from rerankd.core.loaded import LoadedModel
from rerankd.core.opening import again, in_thread
from rerankd.core.types import WarmupStage

logger = logging.getLogger(__name__)


class SwapState(enum.Enum):
    """Where a swap is."""

    LOADING = "loading"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapReport:
    """The last swap of a model, as Status shows it."""

    model_id: str
    state: SwapState
    revision: str
    """The new revision; while it loads the one that was asked for, empty where none was."""
    previous: str = ""
    """The revision that served before; empty if none did."""
    stage: WarmupStage | None = None
    """What the load is at."""
    seconds: float = 0.0
    """From the beginning to the moment at which the new one served, or to the failure."""
    error: RerankdError | None = None
    """Why the new one does not serve; the old one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to serve."""

    revision: str
    """Empty = whatever `load` gives."""
    load: Callable[[ProgressReporter], AnyBackend]
    """Blocks; runs in a thread of its own. Whatever it raises leaves things as they are."""
    commit: Callable[[], object] | None
    """Makes the choice durable, once the model has passed its checks and before it serves. Blocks. What it
    raises ends the swap."""


class Places(Protocol):
    """Where models serve: the registry's side of a swap."""

    def serving(self, model_id: str) -> LoadedModel | None:
        """The model that serves now."""

    def place(self, model_id: str, model: LoadedModel) -> LoadedModel | None:
        """Lets a model serve from this moment on; gives the one before."""

    async def opened(self, model_id: str, backend: AnyBackend, report: ProgressReporter) -> LoadedModel:
        """Makes a backend ready for requests."""


class Swaps:
    """Swaps under way, and replaced models that still answer. Lives on the event loop."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._under_way: dict[str, tuple[str, asyncio.Task[LoadedModel]]] = {}
        self._reports: dict[str, SwapReport] = {}
        self._retiring: list[LoadedModel] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def swap(self, model_id: str, target: Target) -> LoadedModel:
        """Lets the target serve; see `Registry.swap`."""
        if self._closing:
            raise draining()
        revision, task = self._under_way.get(model_id, (target.revision, None))
        if revision != target.revision:
            raise ModelLoadingError(
                f"revision {revision or 'in force'} of {model_id} is being loaded; retry when it serves",
                metadata={"model": model_id, "loading": revision},
                retry_after_seconds=5.0,
            )
        if task is None:
            task = asyncio.create_task(self._swap(model_id, target), name=f"swap-{model_id}")
            self._under_way[model_id] = (target.revision, task)
            task.add_done_callback(lambda done: self._ended(model_id, done))
        # Shielded: a caller who gives up must not leave a swap half done.
        try:
            return await asyncio.shield(task)
        except RerankdError as error:
            raise again(error) from error
        except asyncio.CancelledError:
            if task.cancelled():
                raise draining() from None
            raise

    def report(self, model_id: str) -> SwapReport | None:
        """The last swap of a model; None if there was none."""
        return self._reports.get(model_id)

    def retiring(self, model_id: str) -> list[LoadedModel]:
        """Models that were replaced and still answer what began on them."""
        return [model for model in self._retiring if model.ref.id == model_id]

    async def close(self) -> None:
        """Abandons swaps under way, and stops replaced models at once."""
        self._closing = True
        tasks = [*(task for _, task in self._under_way.values()), *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, model_id: str, task: asyncio.Task[LoadedModel]) -> None:
        self._under_way.pop(model_id, None)
        # Its callers may all have left: somebody must look at the failure.
        if not task.cancelled():
            task.exception()

    async def _swap(self, model_id: str, target: Target) -> LoadedModel:
        started = time.monotonic()
        before = self._places.serving(model_id)
        previous = before.ref.revision if before is not None else ""
        self._reports[model_id] = SwapReport(
            model_id=model_id, state=SwapState.LOADING, revision=target.revision, previous=previous
        )
        try:
            model = await self._candidate(model_id, target, before)
        except Exception as error:
            raise again(self._failed(model_id, error, time.monotonic() - started)) from error
        # Nothing is awaited from here on: every request sees either the old model or the new one.
        if model is not before:
            before = self._places.place(model_id, model)
            if before is not None:
                self._start_to_retire(before)
        seconds = time.monotonic() - started
        self._reports[model_id] = SwapReport(
            model_id=model_id,
            state=SwapState.DONE,
            revision=model.ref.revision,
            previous=previous,
            seconds=seconds,
        )
        logger.info(
            "model swapped",
            extra={
                "model": model_id,
                "revision": model.ref.revision,
                "previous": previous,
                "swap_ms": round(1000 * seconds, 1),
                "retiring": len(self.retiring(model_id)),
            },
        )
        return model

    async def _candidate(self, model_id: str, target: Target, before: LoadedModel | None) -> LoadedModel:
        """The model that is to serve, proved and committed: the present one where nothing would change."""
        if before is not None and target.revision and before.ref.revision == target.revision:
            await _commit(target)
            return before
        loop = asyncio.get_running_loop()

        def report(stage: WarmupStage, progress: float, detail: str) -> None:
            loop.call_soon_threadsafe(self._on_stage, model_id, stage)

        backend = await in_thread(lambda: target.load(report), f"swap-{model_id}")
        model = await self._places.opened(model_id, backend, report)
        try:
            if target.revision and model.ref.revision != target.revision:
                raise ModelFailedError(
                    f"revision {target.revision} of {model_id} was asked for, but {model.ref.revision} came",
                    metadata={"model": model_id},
                )
            await _commit(target)
        except BaseException:
            await model.stop()
            raise
        if before is not None and model.ref.revision and model.ref.revision == before.ref.revision:
            await model.stop()
            return before
        return model

    def _on_stage(self, model_id: str, stage: WarmupStage) -> None:
        report = self._reports[model_id]
        if report.state is SwapState.LOADING:
            self._reports[model_id] = replace(report, stage=stage)

    def _failed(self, model_id: str, error: Exception, seconds: float) -> RerankdError:
        """Keeps the reason. Whatever served goes on serving."""
        known = (
            error if isinstance(error, RerankdError) else ModelFailedError("the model could not be loaded")
        )
        report = replace(self._reports[model_id], state=SwapState.FAILED, error=known, seconds=seconds)
        self._reports[model_id] = report
        cause = error.__cause__ or (None if known is error else error)
        logger.error(
            "model not swapped",
            exc_info=cause,
            extra={
                "model": model_id,
                "revision": report.revision,
                "serving": report.previous,
                "reason": known.spec.reason,
                "detail": known.message,
            },
        )
        return known

    def _start_to_retire(self, model: LoadedModel) -> None:
        self._retiring.append(model)
        task = asyncio.create_task(self._retire(model), name=f"retire-{model.ref.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _retire(self, model: LoadedModel) -> None:
        """Frees a model after its last request; at once if this is cancelled."""
        fields = {"model": model.ref.id, "revision": model.ref.revision}
        try:
            try:
                await model.drained()
            finally:
                await model.stop()
        except Exception:
            logger.exception("replaced model not freed", extra=fields)
        else:
            logger.info("replaced model freed", extra=fields)
        finally:
            self._retiring = [other for other in self._retiring if other is not model]


async def _commit(target: Target) -> None:
    if target.commit is not None:
        await asyncio.to_thread(target.commit)
