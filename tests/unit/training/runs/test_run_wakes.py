"""Followers of a run are woken through the worker's socket, and hear of its end."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rerankd.training.runs.wakes import Waker, follow, listen


async def test_every_follower_is_woken_and_none_misses_what_came_before_it_was_accepted(
    tmp_path: Path,
) -> None:
    directory = tmp_path / ("a" * 120)  # Longer than a socket's name may be.
    directory.mkdir()
    listener = listen(directory)
    async with follow(directory) as early:
        waker = Waker(listener)
        assert early is not None
        assert await early.read(10)
        async with follow(directory) as late:
            assert late is not None
            assert await late.read(10)
            waker.wake()
            assert await early.read(10)
            assert await late.read(10)
        waker.wake()
        assert await early.read(10)


async def test_a_follower_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    waker = Waker(listen(tmp_path))
    async with follow(tmp_path) as slow:
        assert slow is not None
        await slow.read(1)
        for _ in range(20_000):
            await asyncio.to_thread(waker.wake) if _ == 0 else waker.wake()
        assert await slow.read(10)


async def test_where_nobody_listens_there_is_no_stream(tmp_path: Path) -> None:
    async with follow(tmp_path) as nothing:
        assert nothing is None
    listen(tmp_path).close()
    async with follow(tmp_path) as dead:
        assert dead is None
