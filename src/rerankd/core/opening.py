"""From a loader's backend to a model that takes requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rerankd.backends.base import AnyBackend, NoBackend, ProgressReporter, TextBackend
from rerankd.core.errors import RerankdError
from rerankd.core.gate import Gate
from rerankd.core.loaded import DelegatedModel, LoadedModel, LocalModel, NoModel
from rerankd.core.native_threads import NativeThread
from rerankd.core.scheduler import Scheduler
from rerankd.core.telemetry import Telemetry
from rerankd.core.types import ModelRef


async def opened(
    model_id: str,
    backend: AnyBackend,
    report: ProgressReporter,
    *,
    max_queued_tokens: int,
    telemetry: Telemetry,
) -> LoadedModel:
    """Gives a backend what stands between it and the requests; `telemetry` is told of its work."""
    description = backend.description
    ref = ModelRef(id=model_id, revision=description.revision, backend=description.backend)
    if isinstance(backend, NoBackend):
        return NoModel(backend=backend, ref=ref)
    if not isinstance(backend, TextBackend):
        loop = asyncio.get_running_loop()
        scheduler = Scheduler(backend, loop, max_queued_tokens=max_queued_tokens, telemetry=telemetry)
        return LocalModel(backend=backend, scheduler=scheduler, ref=ref)
    try:
        await backend.start(report)
    except BaseException:
        await backend.close()
        raise
    gate = Gate(backend.traits.max_concurrency, max_queued_tokens=max_queued_tokens)
    return DelegatedModel(backend=backend, gate=gate, ref=ref)


def again(error: RerankdError) -> RerankdError:
    """A fresh exception of the same kind: one object raised by many callers grows its traceback."""
    return type(error)(
        error.message,
        metadata=error.metadata,
        field=error.field,
        retry_after_seconds=error.retry_after_seconds,
    )


def _settleable(error: BaseException) -> Exception:
    """What a task may be told: SystemExit would end the event loop, a panic pass by all who catch."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError(f"the load was ended by {type(error).__name__}")
    wrapped.__cause__ = error
    return wrapped


async def in_thread(work: Callable[[], AnyBackend], name: str) -> AnyBackend:
    """Runs a load in a daemon thread, so that a download that hangs cannot hold up the exit."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[AnyBackend] = loop.create_future()

    def settle(result: AnyBackend | None, error: BaseException | None) -> None:
        if done.cancelled():
            if isinstance(result, NoBackend) or result is None:
                return
            # A text backend that was never started holds nothing.
            if not isinstance(result, TextBackend):
                result.close()
        elif error is not None:
            done.set_exception(error)
        elif result is not None:
            done.set_result(result)

    def run() -> None:
        try:
            outcome: tuple[AnyBackend | None, BaseException | None] = (work(), None)
        except BaseException as error:
            outcome = (None, _settleable(error))
        # A closed loop means that the process is ending: nobody is left to tell.
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, *outcome)

    NativeThread(target=run, name=name).start()
    return await done
