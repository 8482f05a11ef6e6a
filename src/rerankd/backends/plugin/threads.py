"""Where a plugin's code runs: never on the server's event loop, and never in the way of its end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import queue
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rerankd.core.native_threads import NativeThread

_STOP_SECONDS = 5.0
"""How long code that does not end is waited for; its thread ends with the process."""


class PluginRaisedError(Exception):
    """The plugin raised what would end a task or the process if it were let through; the text names it."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A value, or what was raised instead; exceptions of every kind cross threads as plain values."""

    value: object = None
    error: BaseException | None = None


_Job = tuple[Callable[[], object], "concurrent.futures.Future[_Outcome]"]


class PluginThreads:
    """An event loop and a few worker threads for one plugin, each made when it is first needed.

    The threads are daemons, unlike those of an executor: code that hangs does not keep the process alive.
    """

    def __init__(self, name: str, *, workers: int) -> None:
        """`name` is for the names of the threads; `workers` bounds the blocking calls at once."""
        self._name = name
        self._most_workers = workers
        self._workers: list[threading.Thread] = []
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._blocking: set[concurrent.futures.Future[_Outcome]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread: threading.Thread | None = None

    async def run(self, function: Callable[[], object]) -> object:
        """What a function returns, awaited if it is to be awaited.

        Raises:
            CancelledError: The caller was cancelled. Blocking code goes on all the same.
            BaseException: What the function raised.
        """
        if inspect.iscoroutinefunction(function):
            return await self._on_loop(function)
        outcome = await self._in_worker(function)
        value = _value_of(outcome)
        if not inspect.isawaitable(value):
            return value
        awaitable = value
        return await self._on_loop(lambda: awaitable)

    async def stop(self) -> None:
        """Ends the threads; waits a while for code that still runs."""
        await self.wait_idle()
        while self._workers:
            self._workers.pop()
            self._jobs.put(None)
        loop, self._loop = self._loop, None
        if loop is not None and self._loop_thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            await asyncio.to_thread(self._loop_thread.join, _STOP_SECONDS)

    async def wait_idle(self) -> None:
        """Waits, a while, for blocking calls that outlived their callers."""
        if self._blocking:
            running = [asyncio.wrap_future(job) for job in list(self._blocking)]
            await asyncio.wait(running, timeout=_STOP_SECONDS)

    async def _in_worker(self, function: Callable[[], object]) -> _Outcome:
        done: concurrent.futures.Future[_Outcome] = concurrent.futures.Future()
        self._jobs.put((function, done))
        if len(self._workers) < self._most_workers:
            name = f"plugin-{self._name}-{len(self._workers)}"
            worker = NativeThread(target=self._work, name=name)
            self._workers.append(worker)
            worker.start()
        self._blocking.add(done)
        done.add_done_callback(self._blocking.discard)
        return await asyncio.wrap_future(done)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, done = job
            if done.set_running_or_notify_cancel():
                done.set_result(_outcome_of(function))
            # Nothing of a request stays here until the next one comes.
            del job, function, done

    async def _on_loop(self, function: Callable[[], object]) -> object:
        loop = self._loop or self._start_loop()
        coroutine = _awaited(function)
        return _value_of(await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop)))

    def _start_loop(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.new_event_loop()
        self._loop_thread = NativeThread(
            target=_run_loop, args=(self._loop,), name=f"plugin-{self._name}-loop"
        )
        self._loop_thread.start()
        return self._loop


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _outcome_of(function: Callable[[], object]) -> _Outcome:
    try:
        return _Outcome(value=function())
    except BaseException as error:
        return _Outcome(error=error)


async def _awaited(function: Callable[[], object]) -> _Outcome:
    try:
        result = function()
        return _Outcome(value=await result if isinstance(result, Awaitable) else result)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # The plugin's own: to the server it would look as if the caller had gone.
        return _Outcome(error=error)
    except BaseException as error:
        return _Outcome(error=error)


def _value_of(outcome: _Outcome) -> object:
    if outcome.error is None:
        return outcome.value
    if isinstance(outcome.error, Exception) and not isinstance(
        outcome.error, StopIteration | StopAsyncIteration
    ):
        raise outcome.error
    raise PluginRaisedError(type(outcome.error).__name__) from outcome.error
