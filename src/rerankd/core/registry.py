"""Model id -> loaded backend: lazy single-flight loading, states, one owner for each model."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rerankd.backends.base import AnyBackend, BackendDescription, ProgressReporter
from rerankd.core.errors import ModelFailedError, ModelLoadingError, RerankdError, draining
from rerankd.core.loaded import DelegatedModel, LoadedModel
from rerankd.core.opening import again, in_thread, opened
from rerankd.core.shadowing import Shadows
from rerankd.core.swapping import SwapReport, Swaps, Target
from rerankd.core.telemetry import Telemetry
from rerankd.core.types import ModelState, WarmupStage

logger = logging.getLogger(__name__)

FIRST_BACK_OFF_SECONDS = 5.0
LONGEST_BACK_OFF_SECONDS = 300.0


class ModelCatalogue(Protocol):
    """Which names exist and which a request may use."""

    def canonical(self, name: str) -> str:
        """The id that a name stands for; raises ModelNotFoundError for what may not be loaded."""

    def aliases_of(self, model_id: str) -> tuple[str, ...]:
        """Other names of the same model."""


Loader = Callable[[str, ProgressReporter], AnyBackend]
"""Turns a canonical id into a warm backend; blocking, runs in a thread of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEvent:
    """A step of a load, as told to whoever follows it."""

    model_id: str
    stage: WarmupStage
    progress: float
    detail: str
    elapsed_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """A model's state, as Status shows it."""

    id: str
    aliases: tuple[str, ...]
    state: ModelState
    description: BackendDescription | None = None
    load_time: float | None = None
    """Seconds since the epoch at which it became ACTIVE."""
    stages: tuple[tuple[WarmupStage, float], ...] = ()
    """Seconds that each stage took, in order."""
    error: RerankdError | None = None
    swap: SwapReport | None = None
    """The last change of its revision while it served."""


@dataclass(slots=True, eq=False)
class _Entry:
    id: str
    state: ModelState = ModelState.UNLOADED
    task: asyncio.Task[LoadedModel] | None = None
    loaded: LoadedModel | None = None
    error: RerankdError | None = None
    retry_at: float = 0.0
    back_off: float = FIRST_BACK_OFF_SECONDS
    started: float = 0.0
    load_time: float | None = None
    stages: dict[WarmupStage, float] = field(default_factory=dict)
    current: tuple[WarmupStage, float] | None = None
    last_event: StageEvent | None = None
    followers: set[asyncio.Queue[StageEvent]] = field(default_factory=set)


class Registry:
    """Owns all models of the process. Lives on one event loop.

    Attributes:
        default: Name that stands for an empty one; empty = the catalogue's own default.
        shadows: Candidates that score along.
        telemetry: Who is told of the work of the models.
    """

    def __init__(
        self,
        catalogue: ModelCatalogue,
        loader: Loader,
        *,
        max_queued_tokens: int,
        load_on_request: bool = True,
    ) -> None:
        """`load_on_request=False`: only `start` and `follow` load; `get` of another model is refused."""
        self.default = ""
        self.telemetry = Telemetry()
        self._catalogue = catalogue
        self._load_on_request = load_on_request
        self._loader = loader
        self._max_queued_tokens = max_queued_tokens
        self._entries: dict[str, _Entry] = {}
        self._listeners: list[Callable[[str, ModelState], None]] = []
        self._stopping: set[asyncio.Task[None]] = set()
        self._swaps = Swaps(self)
        self.shadows = Shadows(self._is_busy)
        self._closing = False

    def on_change(self, listener: Callable[[str, ModelState], None]) -> None:
        """Calls `listener(model_id, state)` on the event loop at every change of state."""
        self._listeners.append(listener)

    def canonical(self, name: str) -> str:
        """The id of a name; raises ModelNotFoundError for what may not be loaded."""
        return self._catalogue.canonical(name or self.default)

    def id_of_default(self, name: str) -> str:
        """The id that an empty name would stand for if `default` were this; raises ModelNotFoundError."""
        return self._catalogue.canonical(name)

    async def get(self, name: str) -> LoadedModel:
        """The model, loaded now if it is not yet; a thousand first calls load it once.

        Raises:
            ModelNotFoundError: The name is not allowed or does not exist.
            ModelFailedError: It cannot be loaded; not tried again until its back-off has passed.
            ModelLoadingError: It is not loaded, and requests load nothing here.
        """
        entry = self._entry(self.canonical(name))
        if entry.loaded is not None:
            return entry.loaded
        if entry.task is None and entry.error is not None and time.monotonic() < entry.retry_at:
            raise again(entry.error)
        if entry.task is None and not self._load_on_request:
            raise ModelLoadingError(
                "the model is not loaded and this server loads only by Warmup; ask its operator",
                metadata={"model": entry.id},
                retry_after_seconds=5.0,
            )
        # Shielded: one caller who gives up must not stop the load that others wait for.
        task = self._start(entry)
        try:
            loaded = await asyncio.shield(task)
            # A swap may have replaced it in the very moment that it was loaded.
            return entry.loaded or loaded
        except RerankdError as error:
            raise again(error) from error
        except asyncio.CancelledError:
            if task.cancelled():
                raise draining() from None
            raise

    def start(self, model_id: str) -> asyncio.Task[LoadedModel] | None:
        """Begins or joins the load of a canonical id, whatever its back-off; None if it is loaded."""
        entry = self._entry(model_id)
        return None if entry.loaded is not None else self._start(entry)

    async def follow(self, model_id: str) -> AsyncGenerator[StageEvent, None]:
        """Loads a canonical id and yields its stages as they happen; ends when it is loaded.

        Leaving early does not stop the load. Raises what the load raises.
        """
        task = self.start(model_id)
        if task is None:
            return
        entry = self._entry(model_id)
        events: asyncio.Queue[StageEvent] = asyncio.Queue()
        if entry.last_event is not None:
            events.put_nowait(entry.last_event)
        entry.followers.add(events)
        try:
            while not task.done() or not events.empty():
                waiting = asyncio.ensure_future(events.get())
                try:
                    await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if not waiting.done():
                        waiting.cancel()
                if waiting.done() and not waiting.cancelled():
                    yield waiting.result()
            await task
        finally:
            entry.followers.discard(events)

    def report(self, model_id: str) -> ModelReport:
        """One model's state."""
        entry = self._entries.get(model_id) or _Entry(model_id)
        return ModelReport(
            id=model_id,
            aliases=self._catalogue.aliases_of(model_id),
            state=entry.state,
            description=entry.loaded.description if entry.loaded else None,
            load_time=entry.load_time,
            stages=tuple(entry.stages.items()),
            error=entry.error,
            swap=self._swaps.report(model_id),
        )

    def reports(self) -> list[ModelReport]:
        """Every model that was ever asked for, in the order of first use."""
        return [self.report(model_id) for model_id in self._entries]

    def loaded(self) -> list[LoadedModel]:
        """The models that take traffic."""
        return [entry.loaded for entry in self._entries.values() if entry.loaded is not None]

    def forget(self, model_id: str) -> None:
        """Drops a model that turned out not to exist, so that names which callers make up do not pile up."""
        entry = self._entries.get(model_id)
        if entry is None or not isinstance(entry.loaded, DelegatedModel) or self._closing:
            return
        del self._entries[model_id]
        stopping = asyncio.create_task(entry.loaded.stop(), name=f"forget-{model_id}")
        self._stopping.add(stopping)
        stopping.add_done_callback(self._stopping.discard)

    def record_stage(self, model_id: str, stage: WarmupStage, seconds: float) -> None:
        """Notes the time of a stage that ran outside the load: samples, probe."""
        self._entry(model_id).stages[stage] = seconds

    async def swap(
        self,
        model_id: str,
        *,
        revision: str = "",
        load: Callable[[ProgressReporter], AnyBackend] | None = None,
        commit: Callable[[], object] | None = None,
    ) -> LoadedModel:
        """Lets another revision of a canonical id serve, and gives it.

        It is loaded beside the model that serves, in a thread of its own, with all checks of a load; then
        requests that begin get the new one. Those under way, streams too, end on the one that they began
        on, which is freed after the last of them. If the new one fails, the old one goes on serving.

        Args:
            model_id: Which model. One that is not loaded is loaded.
            revision: The revision that is wanted; empty = whatever the source has now.
            load: Loads it, blocking; None = as the source does.
            commit: Makes the choice durable before it serves, blocking; what it raises ends the swap.

        Raises:
            ModelLoadingError: Another revision of it is being loaded; the same one is joined.
            RerankdError: Why the new one does not serve.
        """
        loader = load or (lambda report: self._loader(model_id, report))
        return await self._swaps.swap(model_id, Target(revision=revision, load=loader, commit=commit))

    def revisions_in_use(self, model_id: str) -> set[str]:
        """Revisions of a model that answer requests at this moment: more than one after a swap."""
        serving = self.serving(model_id)
        models = [*self._swaps.retiring(model_id), *([serving] if serving is not None else [])]
        return {model.ref.revision for model in models}

    def serving(self, model_id: str) -> LoadedModel | None:
        """The model that serves under a canonical id now; None if it is not loaded."""
        entry = self._entries.get(model_id)
        return entry.loaded if entry is not None else None

    def place(self, model_id: str, model: LoadedModel) -> LoadedModel | None:
        """Lets a loaded model serve from this moment on; gives the one before, which is the caller's."""
        entry = self._entry(model_id)
        before, entry.loaded = entry.loaded, model
        entry.error = None
        entry.load_time, entry.back_off = time.time(), FIRST_BACK_OFF_SECONDS
        self._set_state(entry, ModelState.ACTIVE)
        return before

    async def opened(self, model_id: str, backend: AnyBackend, report: ProgressReporter) -> LoadedModel:
        """Gives a backend what stands between it and the requests."""
        most, told = self._max_queued_tokens, self.telemetry
        return await opened(model_id, backend, report, max_queued_tokens=most, telemetry=told)

    async def close(self) -> None:
        """Stops every scheduler, then frees every model. A load under way is abandoned."""
        self._closing = True
        loads = [entry.task for entry in self._entries.values() if entry.task is not None]
        for load in loads:
            load.cancel()
        await asyncio.gather(
            *loads, *self._stopping, self._swaps.close(), self.shadows.close(), return_exceptions=True
        )
        for entry in self._entries.values():
            if entry.loaded is None:
                continue
            self._set_state(entry, ModelState.UNLOADING)
            await entry.loaded.stop()
            entry.loaded = None
            self._set_state(entry, ModelState.UNLOADED)

    def _is_busy(self) -> bool:
        return any(model.in_use for model in self.loaded())

    def _entry(self, model_id: str) -> _Entry:
        return self._entries.setdefault(model_id, _Entry(model_id))

    def _start(self, entry: _Entry) -> asyncio.Task[LoadedModel]:
        if self._closing:
            raise draining()
        if entry.task is None:
            entry.error, entry.last_event, entry.current = None, None, None
            entry.stages.clear()
            entry.started = time.monotonic()
            self._set_state(entry, ModelState.LOADING)
            entry.task = asyncio.create_task(self._load(entry), name=f"load-{entry.id}")
            # Followers may all have left: somebody must look at the failure.
            entry.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return entry.task

    async def _load(self, entry: _Entry) -> LoadedModel:
        loop = asyncio.get_running_loop()

        def report(stage: WarmupStage, progress: float, detail: str) -> None:
            now = time.monotonic()
            loop.call_soon_threadsafe(self._on_stage, entry, stage, progress, detail, now)

        try:
            backend = await in_thread(lambda: self._loader(entry.id, report), f"load-{entry.id}")
            loaded = await self.opened(entry.id, backend, report)
            self._end_stage(entry, time.monotonic())
        except Exception as error:
            if entry.loaded is not None:
                logger.warning(
                    "a load that a swap overtook failed", exc_info=error, extra={"model": entry.id}
                )
                return entry.loaded
            self._fail(entry, error)
            raise again(entry.error or ModelFailedError("load failed")) from error
        finally:
            entry.task = None
        if entry.loaded is not None:
            # A swap was faster, and what it chose is newer than what this load began with.
            await loaded.stop()
            return entry.loaded
        self.place(entry.id, loaded)
        logger.info("model loaded", extra=_stage_fields(entry))
        return loaded

    def _on_stage(self, entry: _Entry, stage: WarmupStage, progress: float, detail: str, now: float) -> None:
        if entry.current is None or entry.current[0] is not stage:
            self._end_stage(entry, now)
            entry.current = (stage, now)
            entry.stages.setdefault(stage, 0.0)
            if stage not in (WarmupStage.RESOLVE, WarmupStage.DOWNLOAD) and entry.loaded is None:
                self._set_state(entry, ModelState.WARMING)
        event = StageEvent(
            model_id=entry.id,
            stage=stage,
            progress=progress,
            detail=detail,
            elapsed_seconds=now - entry.started,
        )
        entry.last_event = event
        for follower in entry.followers:
            follower.put_nowait(event)

    def _end_stage(self, entry: _Entry, now: float) -> None:
        if entry.current is not None:
            stage, since = entry.current
            entry.stages[stage] = now - since

    def _fail(self, entry: _Entry, error: Exception) -> None:
        """Keeps the reason; the same model is tried again after a growing back-off."""
        known = (
            error if isinstance(error, RerankdError) else ModelFailedError("the model could not be loaded")
        )
        entry.error = known
        entry.retry_at = time.monotonic() + (known.retry_after_seconds or entry.back_off)
        entry.back_off = min(LONGEST_BACK_OFF_SECONDS, entry.back_off * 2)
        self._set_state(entry, ModelState.FAILED)
        # A reason of ours says it all; of anything else the operator needs the trace.
        cause = error.__cause__ or (None if known is error else error)
        fields = {"model": entry.id, "reason": known.spec.reason, "detail": known.message}
        logger.error("model failed to load", exc_info=cause, extra=fields)

    def _set_state(self, entry: _Entry, state: ModelState) -> None:
        if entry.state is state:
            return
        entry.state = state
        for listener in self._listeners:
            listener(entry.id, state)


def _stage_fields(entry: _Entry) -> dict[str, object]:
    stages: Sequence[tuple[WarmupStage, float]] = tuple(entry.stages.items())
    return {
        "model": entry.id,
        "stages_ms": {stage.value: round(1000 * seconds, 1) for stage, seconds in stages},
    }
