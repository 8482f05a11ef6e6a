"""Runs calls of many kinds on what is compared, in turns, until the time is over."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rerankd.benchmarking.fit import Call
from rerankd.benchmarking.subject import Packed, Subject, SubjectFailedError
from rerankd.benchmarking.workload import Workload

SLOT_SECONDS = 0.8
"""What a turn takes, or as long as one call: short, so that what slows the machine meets all subjects."""

_MOST_OF_BUDGET = 0.4
"""Part of all the time that one call may take; a longer one is not begun, and said to be left out."""

Clock = Callable[[], float]
"""Seconds since some moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kind of call."""

    documents: int
    callers: int = 1
    """How many call at a time, each its next call when it has the answer."""
    kind: Literal["unary", "stream"] = "unary"


@dataclass(slots=True, kw_only=True)
class Cell:
    """One case on one subject, as far as it was measured."""

    case: Case
    subject: Subject
    calls: list[Call] = field(default_factory=list)
    turns: list[tuple[int, float]] = field(default_factory=list)
    """Documents and seconds of each whole turn."""
    tokens: int = 0
    padded: int = 0
    left_out: str = ""
    """Why nothing, or nothing more, was measured."""
    failed: bool = False
    """Whether that is because a call failed."""

    @property
    def seconds(self) -> float:
        """Time of its turns."""
        return sum(seconds for _, seconds in self.turns)

    @property
    def pairs_per_second(self) -> float:
        """Over whole turns; 0 without one."""
        return sum(documents for documents, _ in self.turns) / self.seconds if self.turns else 0.0

    @property
    def padding_share(self) -> float | None:
        """Part of the tokens in micro-batches that was padding; None = not known."""
        return 1 - self.tokens / self.padded if self.padded else None

    def take(self, before: Packed, after: Packed) -> None:
        """Notes what was packed meanwhile."""
        self.tokens += after.tokens - before.tokens
        self.padded += after.padded - before.padded


class Measuring:
    """The cells of all cases and subjects, and the turns they take."""

    def __init__(
        self,
        cases: Sequence[Case],
        subjects: Sequence[Subject],
        workload: Workload,
        *,
        slot_seconds: float = SLOT_SECONDS,
        clock: Clock = time.perf_counter,
    ) -> None:
        """`clock`: what tests count time by."""
        self.rows = [[Cell(case=case, subject=subject) for subject in subjects] for case in cases]
        self._workload = workload
        self._slot = slot_seconds
        self._clock = clock
        # Call 0 is what subjects are warmed up with.
        self._next = 1
        for cell in self.cells:
            most = len(workload.texts)
            if cell.case.kind == "unary" and cell.case.documents > cell.subject.most_documents:
                cell.left_out = f"a call may have {cell.subject.most_documents} documents"
            elif cell.case.documents > most:
                cell.left_out = f"the queries' file has {most} different documents"

    @property
    def cells(self) -> list[Cell]:
        """Case by case."""
        return [cell for row in self.rows for cell in row]

    async def run(self, seconds: float, progress: Callable[[float], None] = lambda share: None) -> None:
        """Measures for about so long; cancelled, it leaves what it has.

        The case that had least time is next, and all subjects have a turn with it, the first one last the
        next time. `progress` is told how much of the time is over.
        """
        started = self._clock()
        for turn in itertools.count():
            left = seconds - (self._clock() - started)
            progress(min(1.0, 1 - left / seconds))
            rows = [row for row in self.rows if any(self._goes_on(cell, left, seconds) for cell in row)]
            if not rows:
                return
            row = min(rows, key=lambda row: sum(cell.seconds for cell in row))
            # Calls of two subjects in the same turn are the same ones.
            first = self._next
            shift = turn % len(row)
            for cell in (*row[shift:], *row[:shift]):
                if self._goes_on(cell, seconds - (self._clock() - started), seconds):
                    await self._turn(cell, first)

    def _goes_on(self, cell: Cell, left: float, budget: float) -> bool:
        if cell.left_out or left <= 0:
            return False
        expected = self._expected(cell)
        if not cell.calls and expected > min(left, _MOST_OF_BUDGET * budget):
            cell.left_out = f"a call would take about {expected:.0f} s"
        return not cell.left_out and expected <= left

    def _expected(self, cell: Cell) -> float:
        """Seconds of a turn with one call of each caller; 0 = not known."""
        if cell.calls:
            return max(call.seconds for call in cell.calls[-cell.case.callers :])
        paces = [
            other.seconds / sum(documents for documents, _ in other.turns)
            for other in self.cells
            if other.subject is cell.subject and other.turns
        ]
        return min(paces, default=0.0) * cell.case.documents * cell.case.callers

    async def _turn(self, cell: Cell, first: int) -> None:
        packed, before = cell.subject.packed, len(cell.calls)
        started = self._clock()
        numbers = itertools.count(first)
        callers = [self._caller(cell, numbers, started + self._slot) for _ in range(cell.case.callers)]
        try:
            async with asyncio.TaskGroup() as group:
                for caller in callers:
                    group.create_task(caller)
        except* SubjectFailedError as failures:
            cell.left_out, cell.failed = str(_first(failures)), True
        cell.take(packed, cell.subject.packed)
        documents = sum(call.documents for call in cell.calls[before:])
        if documents:
            cell.turns.append((documents, self._clock() - started))
        # The next turn begins behind the calls of all subjects in this one.
        self._next = max(self._next, next(numbers))

    async def _caller(self, cell: Cell, numbers: Iterator[int], end: float) -> None:
        ask = cell.subject.stream if cell.case.kind == "stream" else cell.subject.rank
        while True:
            cell.calls.append(await ask(*self._workload.call(next(numbers), cell.case.documents)))
            if self._clock() >= end:
                return


def _first(failures: BaseExceptionGroup[SubjectFailedError]) -> SubjectFailedError:
    failure = failures.exceptions[0]
    return _first(failure) if isinstance(failure, BaseExceptionGroup) else failure
