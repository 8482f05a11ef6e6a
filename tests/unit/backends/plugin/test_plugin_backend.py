from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.plugins import Answering, AsyncPlugin, BlockingPlugin, plugin_score

from rerankd.backends.base import TextCall
from rerankd.backends.plugin import Plugin, PluginBackend
from rerankd.core.errors import (
    BackendFailedError,
    InvalidRequestError,
    ModelFailedError,
    ProviderUnavailableError,
)
from rerankd.core.types import WarmupStage

QUERY, TEXTS = "red fox", ["a fox", "red", "a red fox runs"]
SCORES = [plugin_score(QUERY, text) for text in TEXTS]


def call(texts: list[str] = TEXTS) -> TextCall:
    return TextCall(query=QUERY, texts=texts, timeout_seconds=30.0)


@asynccontextmanager
async def opened(plugin: Plugin, max_concurrency: int = 4) -> AsyncIterator[PluginBackend]:
    backend = PluginBackend(plugin, max_concurrency=max_concurrency)
    try:
        await backend.start(lambda *_: None)
        yield backend
    finally:
        await backend.close()


async def test_a_plugin_is_initialized_once_and_shut_down_once() -> None:
    plugin, told = AsyncPlugin(), []
    backend = PluginBackend(plugin)
    await backend.start(lambda stage, progress, detail: told.append((stage, progress)))
    assert told == [(WarmupStage.SESSION, 0.0), (WarmupStage.SESSION, 1.0)]
    assert list((await backend.score(call())).scores) == SCORES
    assert list((await backend.score(call())).scores) == SCORES
    assert plugin.events == ["initialize"]
    await backend.close()
    await backend.close()
    assert plugin.events == ["initialize", "shutdown"]


async def test_it_says_what_it_is() -> None:
    backend = PluginBackend(AsyncPlugin(), max_concurrency=3)
    description = backend.description
    assert (description.id, description.revision, description.backend) == ("shared-words", "1.2.0", "plugin")
    assert (description.supports_instruction, description.supports_max_tokens) == (False, False)
    assert (backend.traits.max_concurrency, backend.traits.comparable) == (3, True)


async def test_a_listwise_plugin_is_not_comparable() -> None:
    plugin = AsyncPlugin()
    plugin.listwise = True  # type: ignore[attr-defined]
    assert not PluginBackend(plugin).traits.comparable


@pytest.mark.parametrize("kind", [AsyncPlugin, BlockingPlugin])
async def test_nothing_of_a_plugin_runs_on_the_event_loop(kind: type[Any]) -> None:
    release = threading.Event()

    class Blocks(kind):  # type: ignore[misc]
        """Blocks its thread, as code does that was not written for an event loop."""

        def initialize(self) -> None:
            assert threading.current_thread() is not threading.main_thread()

        def shutdown(self) -> None:
            assert threading.current_thread() is not threading.main_thread()

    if kind is AsyncPlugin:

        async def rerank(self: Any, query: str, documents: list[str]) -> list[float]:
            release.wait()
            return [plugin_score(query, text) for text in documents]
    else:

        def rerank(self: Any, query: str, documents: list[str]) -> list[float]:  # type: ignore[misc]
            release.wait()
            return [plugin_score(query, text) for text in documents]

    Blocks.rerank = rerank
    async with opened(Blocks()) as backend:
        scoring = asyncio.ensure_future(backend.score(call()))
        # If it ran here, this line would never be reached.
        asyncio.get_running_loop().call_soon(release.set)
        assert list((await scoring).scores) == SCORES


async def test_a_blocking_plugin_is_called_several_times_at_once_but_not_more() -> None:
    together, running, most, lock = threading.Barrier(3), 0, 0, threading.Lock()

    class Meets(BlockingPlugin):
        def rerank(self, query: str, documents: list[str]) -> Any:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            # Only three at once get through.
            together.wait(timeout=30)
            with lock:
                running -= 1
            return super().rerank(query, documents)

    async with opened(Meets(), max_concurrency=3) as backend:
        await asyncio.gather(*(backend.score(call()) for _ in range(9)))
    assert most == 3


async def test_a_function_that_gives_a_coroutine_is_awaited() -> None:
    class Hands(BlockingPlugin):
        def rerank(self, query: str, documents: list[str]) -> Any:
            return AsyncPlugin().rerank(query, documents)

    async with opened(Hands()) as backend:
        assert list((await backend.score(call())).scores) == SCORES


def _raise(error: BaseException) -> Callable[..., Any]:
    def fail(query: str, documents: list[str]) -> Any:
        raise error

    return fail


class _Blocking(Answering):
    def rerank(self, query: str, documents: list[str]) -> Any:  # type: ignore[override]
        return self._answer(query, documents)


@pytest.mark.parametrize("kind", [Answering, _Blocking])
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (_raise(ValueError("document text")), "raised ValueError"),
        (_raise(StopIteration()), "raised (StopIteration|RuntimeError)"),
        (_raise(asyncio.CancelledError()), "raised CancelledError"),
        (_raise(SystemExit(3)), "raised SystemExit"),
        (_raise(KeyboardInterrupt()), "raised KeyboardInterrupt"),
        (lambda q, d: [1.0], "gave 1 scores for 3 documents"),
        (lambda q, d: [1.0] * 4, "gave 4 scores for 3 documents"),
        (lambda q, d: None, "gave a NoneType, not a list of numbers"),
        (lambda q, d: [1.0, "document text", 2.0], "score 1 is a str, not a number"),
    ],
)
async def test_a_failure_is_the_requests_own(kind: type[Answering], answer: Any, message: str) -> None:
    async with opened(kind(answer)) as backend:
        for _ in range(2):
            with pytest.raises(BackendFailedError, match=message) as caught:
                await backend.score(call())
            assert "document text" not in caught.value.message
            assert caught.value.metadata == {"model": "answering"}
        backend._plugin._answer = lambda query, documents: [1.0, 2.0, 3.0]  # type: ignore[attr-defined]
        assert list((await backend.score(call())).scores) == [1.0, 2.0, 3.0]


async def test_an_error_of_the_table_is_told_as_it_is() -> None:
    refusal = InvalidRequestError("query has no verb; send one", field="query")
    async with opened(Answering(_raise(refusal))) as backend:
        with pytest.raises(InvalidRequestError, match="send one") as caught:
            await backend.score(call())
    assert caught.value.field == "query"


async def test_what_a_plugin_does_to_its_list_stays_with_it() -> None:
    def clear(query: str, documents: list[str]) -> list[float]:
        count = len(documents)
        documents.clear()
        return [1.0] * count

    texts = list(TEXTS)
    async with opened(Answering(clear)) as backend:
        await backend.score(call(texts))
    assert texts == TEXTS


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_plugin_that_cannot_initialize_is_no_model_and_may_try_again(is_async: bool) -> None:
    class Weak(AsyncPlugin):
        def initialize(self) -> Any:
            self.events.append("initialize")
            if is_async:
                return self._fail()
            raise OSError("/secret/path")

        async def _fail(self) -> None:
            raise OSError("/secret/path")

    plugin = Weak()
    for _ in range(2):
        backend = PluginBackend(plugin)
        with pytest.raises(ModelFailedError, match=r"could not initialize itself \(OSError\)") as caught:
            await backend.start(lambda *_: None)
        assert "/secret" not in caught.value.message
        assert isinstance(caught.value.__cause__, OSError)
        await backend.close()
    # What never was initialized is not shut down.
    assert plugin.events == ["initialize", "initialize"]


async def test_a_plugin_can_say_that_what_it_needs_is_away() -> None:
    class Away(AsyncPlugin):
        def initialize(self) -> None:
            raise ProviderUnavailableError("its server is away", retry_after_seconds=2.0)

    backend = PluginBackend(Away())
    with pytest.raises(ProviderUnavailableError, match="its server is away"):
        await backend.start(lambda *_: None)
    await backend.close()


async def test_a_failing_shutdown_is_logged_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn(AsyncPlugin):
        async def shutdown(self) -> None:  # type: ignore[override]
            raise OSError("busy")

    with caplog.at_level(logging.ERROR):
        async with opened(Stubborn()):
            pass
    (record,) = caplog.records
    assert record.getMessage() == "plugin failed to shut down"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], OSError)


async def test_shutdown_comes_after_calls_that_outlived_their_callers() -> None:
    entered, release, events = threading.Event(), threading.Event(), []

    class Slow(AsyncPlugin):
        def rerank(self, query: str, documents: list[str]) -> Any:  # type: ignore[override]
            entered.set()
            release.wait()
            events.append("scored")
            return [0.0] * len(documents)

        def shutdown(self) -> None:
            events.append("shutdown")

    async with opened(Slow()) as backend:
        abandoned = asyncio.ensure_future(backend.score(call()))
        await asyncio.to_thread(entered.wait)
        abandoned.cancel()
        await asyncio.wait([abandoned])
        assert abandoned.cancelled()
        asyncio.get_running_loop().call_soon(release.set)
    assert events == ["scored", "shutdown"]


async def test_a_cancelled_call_of_an_async_plugin_is_cancelled_in_it() -> None:
    entered, cancelled = threading.Event(), threading.Event()

    class Waits(AsyncPlugin):
        async def rerank(self, query: str, documents: list[str]) -> list[float]:
            entered.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise
            return []

    async with opened(Waits()) as backend:
        abandoned = asyncio.ensure_future(backend.score(call()))
        await asyncio.to_thread(entered.wait)
        abandoned.cancel()
        await asyncio.wait([abandoned])
        assert await asyncio.to_thread(cancelled.wait, 30)


async def test_threads_end_with_the_backend() -> None:
    before = set(threading.enumerate())
    async with opened(AsyncPlugin("ends")) as backend:
        await backend.score(call())
        mine = [t for t in threading.enumerate() if t.name.startswith("plugin-ends-")]
        assert {t.name for t in mine} == {"plugin-ends-0", "plugin-ends-loop"}
    for thread in mine:
        await asyncio.to_thread(thread.join, 30)
        assert not thread.is_alive()
    assert not [t for t in set(threading.enumerate()) - before if t.name.startswith("plugin-")]


_HANGING = """
import asyncio, threading
from rerankd.backends.base import TextCall
from rerankd.backends.plugin import PluginBackend, backend, threads

threads._STOP_SECONDS = backend._SHUTDOWN_SECONDS = 0.1
entered = threading.Event()

class Hanging:
    def name(self):
        return "hanging"

    def rerank(self, query, documents):
        entered.set()
        threading.Event().wait()

    async def shutdown(self):
        threading.Event().wait()

async def main():
    model = PluginBackend(Hanging())
    await model.start(lambda *_: None)
    call = asyncio.ensure_future(model.score(TextCall(query="q", texts=["d"], timeout_seconds=1.0)))
    await asyncio.to_thread(entered.wait)
    call.cancel()
    await model.close()
    print("closed")

asyncio.run(main())
"""


def test_code_that_hangs_does_not_keep_the_process_alive() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _HANGING], capture_output=True, text=True, check=False, timeout=50
    )
    assert (run.returncode, run.stdout.strip()) == (0, "closed"), run.stderr
