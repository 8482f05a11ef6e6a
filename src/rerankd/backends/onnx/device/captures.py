"""Which shapes run as one captured CUDA graph, and which kernel by kernel.

A graph that was captured replays hundreds of kernels by one call, reading and writing the same addresses each
time. ONNX Runtime keeps one for each `gpu_graph_id` of a run, for each thread, and never frees one before its
session ends; so only common shapes get one.
"""

from __future__ import annotations

import logging
from collections import Counter

from rerankd.backends.onnx.device.buckets import Shape

logger = logging.getLogger(__name__)

NO_GRAPH = -1
"""The `gpu_graph_id` with which nothing is captured and nothing replayed."""

MOST_GRAPHS = 64
"""Each holds some megabytes on the device."""
COMMON = 4
"""Runs of a shape after which it counts as common."""


class Captures:
    """The bookkeeping; one for each session, used by the one thread that runs it."""

    def __init__(self, up_to_tokens: int = 0) -> None:
        """`up_to_tokens`: padded tokens of the largest batch that gains by a graph; 0 = none does."""
        self.up_to_tokens = up_to_tokens
        self._ids: dict[Shape, int] = {}
        self._seen: Counter[Shape] = Counter()

    @property
    def shapes(self) -> frozenset[Shape]:
        """Those that have a graph."""
        return frozenset(self._ids)

    def graph_id(self, shape: Shape) -> int:
        """The graph to run a batch with; counts the run."""
        if shape.tokens > self.up_to_tokens:
            return NO_GRAPH
        known = self._ids.get(shape)
        if known is not None:
            return known
        self._seen[shape] += 1
        if self._seen[shape] < COMMON or len(self._ids) >= MOST_GRAPHS:
            return NO_GRAPH
        del self._seen[shape]
        return self.capture(shape)

    def capture(self, shape: Shape) -> int:
        """The graph of a shape, whether it is common or not."""
        # 0 is what runs without any id get.
        return self._ids.setdefault(shape, len(self._ids) + 1)

    def give_up(self, shape: Shape, reason: str) -> None:
        """After a capture or a replay failed: from now on every batch runs kernel by kernel."""
        logger.warning(
            "a CUDA graph failed and none is used any more",
            extra={"rows": shape.rows, "width": shape.width, "reason": reason},
        )
        self.up_to_tokens = 0
        self._ids.clear()
