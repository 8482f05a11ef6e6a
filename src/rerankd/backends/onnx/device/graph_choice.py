"""Up to which size captured CUDA graphs are faster than kernel by kernel: measured, once for each load."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rerankd.backends.onnx.device.buckets import Buckets, Shape
from rerankd.backends.onnx.device.runner import DeviceRunner
from rerankd.backends.onnx.failures import short_cause
from rerankd.backends.onnx.pairs import BatchAssembler, stand_in

logger = logging.getLogger(__name__)

_GAIN = 1.05
"""A graph holds memory and makes the first runs of a shape slower: it has to earn that."""
_ROUNDS = 7
_ROWS = (1, 4, 16, 64)
_USUAL_TOKENS = 96


@dataclass(frozen=True, slots=True)
class Timing:
    """Of one shape, in seconds."""

    tokens: int
    plain: float
    graph: float


def up_to_tokens(timings: Sequence[Timing]) -> int:
    """The largest of the growing shapes such that it and all smaller ones gain; 0 = the smallest does not."""
    found = 0
    for timing in sorted(timings, key=lambda each: each.tokens):
        if timing.plain < _GAIN * timing.graph:
            break
        found = timing.tokens
    return found


def tried_shapes(buckets: Buckets) -> list[Shape]:
    """From a lone pair to a full batch, of usual length."""
    width = buckets.width(min(_USUAL_TOKENS, buckets.max_tokens))
    most = buckets.rows_of(width)
    return [Shape(rows, width) for rows in sorted({*(rows for rows in _ROWS if rows < most), most})]


def choose_graphs(
    runner: DeviceRunner, assembler: BatchAssembler, clock: Callable[[], float] = time.perf_counter
) -> str:
    """Lets a runner use graphs where they are faster, and says in a few words what was found."""
    try:
        timings = [_measured(runner, assembler, shape, clock) for shape in tried_shapes(runner.buckets)]
    except Exception as error:  # The runtime has no common base class below Exception.
        logger.warning("CUDA graphs cannot be captured", extra={"reason": short_cause(error)})
        return f"without CUDA graphs: {short_cause(error)}"
    limit = runner.captures.up_to_tokens = up_to_tokens(timings)
    logger.info(
        "measured CUDA graphs",
        extra={
            "up_to_tokens": limit,
            "gain": {str(each.tokens): round(each.plain / each.graph, 2) for each in timings},
        },
    )
    return f"CUDA graphs up to {limit} tokens" if limit else "without CUDA graphs: they are not faster here"


def _measured(
    runner: DeviceRunner, assembler: BatchAssembler, shape: Shape, clock: Callable[[], float]
) -> Timing:
    """Both ways take turns; the best round of each counts, because others on the machine only ever add."""
    feed = assembler.assemble([stand_in(assembler, shape.width)], shape.rows, shape.width)

    def seconds(*, graph: bool) -> float:
        started = clock()
        runner.run_shape(shape, feed, graph=graph)
        return clock() - started

    # The first round allocates and captures.
    rounds = [(seconds(graph=False), seconds(graph=True)) for _ in range(_ROUNDS + 1)][1:]
    return Timing(shape.tokens, plain=min(each[0] for each in rounds), graph=min(each[1] for each in rounds))
