"""How many sessions and how large a micro-batch suit a model on this machine: measured once, kept on disk.

One lane for each core never waits at a barrier for the slower core: a small model gains up to half, any model
gains where others use the machine too. On many cores a lone request would wait for it. No rule that we know
predicts which it is, so it is tried.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rerankd.backends.onnx.devices import processor
from rerankd.backends.onnx.kept_file import publish

logger = logging.getLogger(__name__)

SECONDS = 2.0
"""What a measurement takes, about."""

BATCH_TOKENS = (256, 384, 512, 1024)
"""Budgets that are tried, in padded tokens."""

_EASILY_FILLED = 4
"""Lanes that a call of ten documents keeps busy: it is no slower than on one lane of as many threads."""

_FEW_LANES_WORTH, _MANY_LANES_WORTH = 1.05, 0.87
"""Measured throughput of more than one lane counts as so much: few of them stay fast when others take a core,
which shows only at times; many double the time of a lone request, and have to earn it."""

_BATCH_SECONDS = 0.06
"""A micro-batch that takes no longer hardly delays anybody."""

_SHORT_LOSS, _LONG_LOSS = 0.97, 0.9
"""Part of the best throughput that a smaller micro-batch has to reach: more where the best one is short, less
where it is long, because everybody waits for the one that runs."""

_VERSION = 4


@dataclass(frozen=True, slots=True, order=True)
class Tuning:
    """How a model runs."""

    lanes: int
    """Sessions that score side by side."""
    batch_tokens: int
    """Padded tokens of one micro-batch."""


Batch = Callable[[], int]
"""Scores one micro-batch and gives its padded tokens."""


def choose(rates: Mapping[Tuning, float]) -> Tuning:
    """The tuning to run with, from tokens per second of each that was tried."""
    worth = {
        lanes: max(rate for tuning, rate in rates.items() if tuning.lanes == lanes) * worth_of(lanes)
        for lanes in {tuning.lanes for tuning in rates}
    }
    lanes = max(worth, key=lambda n: (worth[n], -n))
    tried = {tuning: rate for tuning, rate in rates.items() if tuning.lanes == lanes}
    fastest = max(tried, key=lambda tuning: tried[tuning])
    seconds = fastest.batch_tokens * lanes / tried[fastest]
    enough = (_SHORT_LOSS if seconds <= _BATCH_SECONDS else _LONG_LOSS) * tried[fastest]
    return min(tuning for tuning, rate in tried.items() if rate >= enough)


def worth_of(lanes: int) -> float:
    """What measured throughput of so many lanes counts, where it is compared with that of other numbers."""
    if lanes == 1:
        return 1.0
    return _FEW_LANES_WORTH if lanes <= _EASILY_FILLED else _MANY_LANES_WORTH


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured: tokens per second of each candidate, round by round."""

    rounds: Mapping[Tuning, Sequence[float]]

    @property
    def rates(self) -> dict[Tuning, float]:
        """Those of each candidate's best round: others on the machine only ever take away."""
        return {tuning: max(each) for tuning, each in self.rounds.items()}

    @property
    def is_steady(self) -> bool:
        """Whether usual rounds say the same as the best ones, so that the result is worth keeping."""
        usual = {tuning: statistics.median(each) for tuning, each in self.rounds.items()}
        return choose(usual).lanes == choose(self.rates).lanes


def measure(candidates: Mapping[Tuning, Sequence[Batch]], seconds: float = SECONDS) -> Measurement:
    """Runs the candidates in rounds in which all of them take turns.

    Args:
        candidates: A batch for each lane of each tuning; lanes run side by side.
        seconds: What all of it may take, about. Each candidate has at least one round.
    """
    for batches in candidates.values():
        _run(batches, 0.0)
    rates: dict[Tuning, list[float]] = {tuning: [] for tuning in candidates}
    slot = seconds / (4 * len(candidates))
    end = time.perf_counter() + seconds
    while not all(rates.values()) or time.perf_counter() + slot < end:
        for tuning, batches in candidates.items():
            rates[tuning].append(_run(batches, slot))
    return Measurement(rates)


def _run(batches: Sequence[Batch], seconds: float) -> float:
    """Tokens per second of lanes that run side by side; each scores at least one batch."""
    tokens = [0] * len(batches)
    failures: list[BaseException] = []
    start = time.perf_counter()
    end = start + seconds

    def work(lane: int) -> None:
        try:
            while True:
                tokens[lane] += batches[lane]()
                if time.perf_counter() >= end:
                    return
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,), name=f"measure-{i}") for i in range(1, len(batches))]
    for thread in threads:
        thread.start()
    work(0)
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(tokens) / (time.perf_counter() - start)


class TuningCache:
    """What was measured before on machines like this one; failures of the disk cost time, never a load."""

    def __init__(self, folder: Path | None, *parts: str) -> None:
        """`parts` name all that the result depends on beside the processor; `folder` None keeps nothing."""
        digest = hashlib.sha256()
        for part in (str(_VERSION), *parts, processor()):
            digest.update(f"{len(part)}:{part}".encode())
        self._path = folder / f"{digest.hexdigest()[:32]}.json" if folder is not None else None

    def read(self) -> Tuning | None:
        """What was chosen; None where nothing usable is kept."""
        if self._path is None:
            return None
        with contextlib.suppress(OSError, ValueError, TypeError):
            tuning = Tuning(**json.loads(self._path.read_bytes()))
            if all(type(value) is int and value >= 1 for value in asdict(tuning).values()):
                return tuning
        return None

    def write(self, tuning: Tuning) -> None:
        """Keeps a choice."""
        if self._path is None:
            return
        try:
            publish(self._path, [json.dumps(asdict(tuning)).encode()])
        except OSError as error:
            logger.warning(
                "a measurement cannot be kept on disk", extra={"error": os.strerror(error.errno or 0)}
            )
