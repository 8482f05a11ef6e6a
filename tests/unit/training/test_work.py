"""Blocking work: one long one at a time, stopped when its caller goes or the server does."""

from __future__ import annotations

import asyncio
import threading

import pytest

from rerankd.core.errors import DrainingError
from rerankd.training.work import Stopped, Work, stop_here


async def test_long_work_goes_one_after_the_other() -> None:
    work, running, most = Work(), 0, 0
    lock = threading.Lock()

    def one(_: Stopped) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1

    await asyncio.gather(*(work.long(one) for _ in range(5)))
    assert most == 1
    await work.close()


async def test_a_caller_who_goes_stops_the_work() -> None:
    work, begun, ended = Work(), threading.Event(), threading.Event()

    def one(stopped: Stopped) -> None:
        begun.set()
        try:
            while True:
                stop_here(stopped)
        finally:
            ended.set()

    task = asyncio.create_task(work.long(one))
    await asyncio.to_thread(begun.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, 30)
    await work.close()


async def test_closing_stops_what_runs_and_refuses_what_comes() -> None:
    work, begun = Work(), threading.Event()

    def one(stopped: Stopped) -> None:
        begun.set()
        while True:
            stop_here(stopped)

    task = asyncio.create_task(work.long(one))
    await asyncio.to_thread(begun.wait, 30)
    await work.close()
    with pytest.raises(DrainingError):
        await task
    with pytest.raises(DrainingError):
        await work.quick(lambda: None)
