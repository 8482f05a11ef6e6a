"""Texts that go to somebody else in several calls: where they are cut, and one answer from many."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import chain
from typing import TypeVar

from rerankd.backends.base import TextScores

T = TypeVar("T")


def runs_within(weights: Sequence[int], *, max_items: int, max_weight: int) -> list[slice]:
    """Cuts a sequence into runs that are as long as both bounds let them be.

    An item above `max_weight` is a run of its own.
    """
    runs, start, total = [], 0, 0
    for position, weight in enumerate(weights):
        if position > start and (position - start == max_items or total + weight > max_weight):
            runs.append(slice(start, position))
            start, total = position, 0
        total += weight
    runs.append(slice(start, len(weights)))
    return runs


def balanced_runs(weights: Sequence[int], *, max_items: int, max_weight: int = 0) -> list[slice]:
    """As few runs as `runs_within`, but about equally heavy; a `max_weight` of 0 bounds nothing."""
    limit = max_weight or sum(weights)
    runs = runs_within(weights, max_items=max_items, max_weight=limit)
    if len(runs) < 2:
        return runs
    # The lightest limit that needs no more runs makes the heaviest run, which is waited for, lightest.
    low, high = 0, limit
    while low < high:
        middle = (low + high) // 2
        if len(runs_within(weights, max_items=max_items, max_weight=middle)) > len(runs):
            low = middle + 1
        else:
            high = middle
    return runs_within(weights, max_items=max_items, max_weight=low)


async def side_by_side(calls: Sequence[Coroutine[object, object, T]]) -> list[T]:
    """The results of calls that run at once; the first that fails ends the others and is raised itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except ExceptionGroup as failures:
        first = failures.exceptions[0]
        raise first from first.__cause__
    return [task.result() for task in tasks]


def merged(parts: Sequence[TextScores]) -> TextScores:
    """The answer to all texts from the answers to the runs of them, in order."""
    return TextScores(
        scores=list(chain.from_iterable(part.scores for part in parts)),
        tokens=sum(part.tokens for part in parts),
        units=sum(part.units for part in parts),
        units_estimated=any(part.units_estimated for part in parts),
        cost_usd=sum(part.cost_usd for part in parts),
        dropped_tokens=list(chain.from_iterable(part.dropped_tokens for part in parts)),
        passages=list(chain.from_iterable(part.passages for part in parts)),
    )
