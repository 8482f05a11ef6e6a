"""Sessions as many as suit the machine: told by the operator, known from before, or measured now."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rerankd.backends.onnx.device.providers import GPU_BATCH_TOKENS, ModelShape
from rerankd.backends.onnx.devices import available_cores
from rerankd.backends.onnx.pairs import Feed
from rerankd.backends.onnx.session import (
    CPU_BATCH_TOKENS,
    GraphSource,
    OpenSessions,
    open_sessions,
)
from rerankd.backends.onnx.settings import OnnxSettings, Provider
from rerankd.backends.onnx.tuning import BATCH_TOKENS, Batch, Tuning, TuningCache, choose, measure

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

logger = logging.getLogger(__name__)

_MOST_COPIES_BYTES = 1 << 30
"""What copies of the weights may take together; lanes of one thread need none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedSessions:
    """Open sessions, and the micro-batch that suits them."""

    sessions: OpenSessions
    batch_tokens: int
    note: str = ""
    """What was measured, for whoever reads the load's progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What a measurement runs."""

    output: str
    """Name of the graph's output."""
    feed: Callable[[int], tuple[Feed, int]]
    """A micro-batch of about so many padded tokens, and how many it has."""


def open_tuned(
    source: GraphSource,
    settings: OnnxSettings,
    folder: Path,
    workload: Workload,
    *,
    weights_bytes: int,
    known_as: Sequence[str],
    model: ModelShape | None = None,
) -> TunedSessions:
    """Opens a model's sessions; on a CPU, where `settings.lanes` is 0, after a measurement.

    Args:
        source: Gives the graph; asked once for each provider.
        settings: How to run it; what they say is never measured.
        folder: Where external data lie.
        workload: What is run to measure.
        weights_bytes: Size of one copy of the weights.
        known_as: What names the model and its arithmetic, for the results on disk.
        model: What an accelerator has to know of it.

    Raises:
        ModelFailedError: As `open_sessions`.
    """
    source = cache(source)
    cores = settings.threads or available_cores()
    kept = TuningCache(
        settings.cache_dir / "tuning" if settings.cache_dir is not None else None,
        *known_as,
        str(cores),
        str(settings.batch_tokens),
    )
    known = None if settings.lanes else kept.read()
    lanes = settings.lanes or (known.lanes if known is not None else 1)
    first = open_sessions(source, replace(settings, lanes=lanes), folder, model)
    if first.provider is not Provider.CPU:
        return TunedSessions(sessions=first, batch_tokens=settings.batch_tokens or GPU_BATCH_TOKENS)
    if settings.lanes:
        return TunedSessions(sessions=first, batch_tokens=settings.batch_tokens or CPU_BATCH_TOKENS)
    if known is not None:
        return TunedSessions(sessions=first, batch_tokens=known.batch_tokens, note=_told(known, "known"))
    on_cpu = replace(settings, provider=Provider.CPU)
    by_lanes = {1: first}
    for lanes in _more_lanes(cores):
        if lanes == cores or lanes * weights_bytes <= _MOST_COPIES_BYTES:
            by_lanes[lanes] = _with_lanes(source, on_cpu, lanes, folder)
    tuning, is_steady = _measured(by_lanes, settings, workload)
    if is_steady:
        kept.write(tuning)
    return TunedSessions(
        sessions=by_lanes[tuning.lanes], batch_tokens=tuning.batch_tokens, note=_told(tuning, "measured")
    )


def _more_lanes(cores: int) -> tuple[int, ...]:
    """One for each core, and on larger machines one for each four."""
    return tuple(lanes for lanes in (cores // 4, cores) if lanes > 1)


def _with_lanes(source: GraphSource, settings: OnnxSettings, lanes: int, folder: Path) -> OpenSessions:
    return open_sessions(source, replace(settings, lanes=lanes), folder)


def _measured(
    by_lanes: dict[int, OpenSessions], settings: OnnxSettings, workload: Workload
) -> tuple[Tuning, bool]:
    """What suits the model, and whether the machine was quiet enough to trust that from now on."""
    budgets = (settings.batch_tokens,) if settings.batch_tokens else BATCH_TOKENS
    if len(by_lanes) == len(budgets) == 1:
        return Tuning(1, budgets[0]), True
    measured = measure(
        {
            Tuning(lanes, budget): [_batch(session, workload, budget) for session in opened.sessions]
            for lanes, opened in by_lanes.items()
            for budget in budgets
        }
    )
    tuning = choose(measured.rates)
    logger.info(
        "measured how the model runs best",
        extra={
            "lanes": tuning.lanes,
            "batch_tokens": tuning.batch_tokens,
            "tokens_per_second": {
                f"{t.lanes}x{t.batch_tokens}": round(r) for t, r in sorted(measured.rates.items())
            },
            "steady": measured.is_steady,
        },
    )
    return tuning, measured.is_steady


def _batch(session: InferenceSession, workload: Workload, budget: int) -> Batch:
    feed, tokens = workload.feed(budget)

    def run() -> int:
        session.run([workload.output], feed)
        return tokens

    return run


def _told(tuning: Tuning, how: str) -> str:
    return f"{how}: {tuning.lanes} lane(s), micro-batches of {tuning.batch_tokens} tokens"
