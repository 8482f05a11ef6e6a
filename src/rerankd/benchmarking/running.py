"""A benchmark from its plan to its report: load, measure, compare, recommend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from rerankd.assembly import is_directory
from rerankd.benchmarking.closeness import closeness
from rerankd.benchmarking.in_process import EngineSubject, load_engine, measured_config
from rerankd.benchmarking.machine import this_machine
from rerankd.benchmarking.measure import Measuring
from rerankd.benchmarking.plan import Plan
from rerankd.benchmarking.recommend import choose_lanes, choose_precision, recommendation
from rerankd.benchmarking.report import (
    SCHEMA_VERSION,
    Closeness,
    Recommendation,
    Report,
    SubjectFigures,
    TextFacts,
    figures_of,
)
from rerankd.benchmarking.selection import lanes_to_try, models_to_measure, precisions_here
from rerankd.benchmarking.served import open_served
from rerankd.benchmarking.subject import Subject, SubjectFailedError
from rerankd.config import Config
from rerankd.core.registry import StageEvent

T = TypeVar("T")

Progress = Callable[[str, float, str], None]
"""Told the name of a stage, how much of it is done from 0 to 1, and a detail to show."""

_LANES_SHARE = 0.2
"""Part of the time for measuring that trying other numbers of lanes gets."""


_GRACE_SECONDS = 3.0
"""How much longer than planned the last call may take."""


class _StoppedError(Exception):
    """Somebody wants what there is."""


class Benchmark:
    """One run. Lives on one event loop."""

    def __init__(self, config: Config, plan: Plan, progress: Progress, stop: asyncio.Event) -> None:
        """`stop`: once it is set, `run` ends soon, with what it has."""
        self._config = config
        self._plan = plan
        self._progress = progress
        self._stop = stop
        self._started = time.monotonic()
        self._notes: list[str] = []
        self._failures: list[str] = []
        self._closeness: list[Closeness] = []
        self._measuring: Measuring | None = None
        self._trial: Measuring | None = None

    async def run(self) -> Report:
        """Measures, and tells what it found; frees all that it loaded."""
        complete = True
        async with AsyncExitStack() as opened:
            try:
                await self._measure(opened)
            except _StoppedError:
                complete = False
        return self._report(complete=complete)

    async def _measure(self, opened: AsyncExitStack) -> None:
        local = await self._load(opened) if not self._plan.server_only else []
        subjects: list[Subject] = [*local, *(await self._connect(opened) if self._plan.target else [])]
        if not subjects:
            return
        await self._compare(local)
        self._measuring = Measuring(self._plan.cases, subjects, self._plan.workload)
        seconds = max(self._plan.least_seconds, self._plan.total_seconds - (time.monotonic() - self._started))
        trials = lanes_to_try(self._config, local) if not self._plan.quick else []
        own = seconds * (1 - _LANES_SHARE) if trials else seconds
        await self._turns(self._measuring, own, "measure")
        if trials:
            await self._try_lanes(opened, local, trials, seconds - own)

    async def _load(self, opened: AsyncExitStack) -> list[EngineSubject]:
        models, notes = await asyncio.to_thread(models_to_measure, self._config, self._plan.models)
        self._notes += notes
        precisions = self._plan.precisions or await asyncio.to_thread(precisions_here, self._config)
        wanted = [(model, precision) for model in models for precision in precisions]
        loaded: list[EngineSubject] = []
        for number, (model, precision) in enumerate(wanted):
            config = measured_config(self._config, model, precision)
            subject = await self._engine(config, f"{_shown(model)} {precision}", number / len(wanted))
            if subject is None:
                continue
            if any(subject.facts.name == other.facts.name for other in loaded):
                self._notes.append(
                    f"{_shown(model)}: {precision} is the same as {subject.facts.precision} here"
                )
                await subject.close()
                continue
            opened.push_async_callback(subject.close)
            loaded.append(subject)
        return loaded

    async def _engine(self, config: Config, name: str, share: float) -> EngineSubject | None:
        def on_stage(event: StageEvent) -> None:
            self._progress("load", share, f"{name}: {event.stage.value}")

        try:
            return await self._until_stopped(
                load_engine(config, on_stage, warm_up=self._plan.workload.call(0, self._warm_up_documents))
            )
        except SubjectFailedError as error:
            self._failures.append(f"{name}: {error}")
            return None

    async def _connect(self, opened: AsyncExitStack) -> list[Subject]:
        plan, connected = self._plan, list[Subject]()
        if plan.client_options is None:
            raise ValueError("a target needs client_options")
        for model in plan.models or ("",):
            try:
                subject = await self._until_stopped(
                    open_served(
                        plan.target,
                        plan.client_options,
                        model,
                        warm_up=plan.workload.call(0, self._warm_up_documents),
                    )
                )
            except SubjectFailedError as error:
                self._failures.append(f"{' '.join(filter(None, (model, 'server')))}: {error}")
                continue
            opened.push_async_callback(subject.close)
            connected.append(subject)
        return connected

    @property
    def _warm_up_documents(self) -> int:
        return min(32, len(self._plan.workload.texts))

    async def _compare(self, subjects: Sequence[EngineSubject]) -> None:
        """How near the precisions of a model are; of made texts that would say nothing about rankings."""
        bases: dict[str, EngineSubject] = {}
        for subject in subjects if self._plan.requests else ():
            base = bases.setdefault(subject.facts.model, subject)
            if base is subject:
                continue
            try:
                found = await self._until_stopped(closeness(base, subject, self._plan.requests))
            except SubjectFailedError as error:
                self._failures.append(f"{subject.facts.name}: {error}")
                continue
            self._closeness.append(found)

    async def _try_lanes(
        self, opened: AsyncExitStack, local: Sequence[EngineSubject], trials: Sequence[int], seconds: float
    ) -> None:
        """The first model in the precision that is recommended for it, with other numbers of lanes."""
        figures = self._figures(self._measuring)
        model = local[0].facts.model
        chosen, _ = choose_precision(_of_model(figures, model), self._closeness)
        first = next(subject for subject in local if subject.facts is chosen.facts)
        subjects = [first]
        for lanes in trials:
            subject = await self._engine(
                first.config_with(lanes), f"{first.facts.name} with {lanes} lanes", 1.0
            )
            if subject is not None:
                opened.push_async_callback(subject.close)
                subjects.append(subject)
        self._trial = Measuring(self._plan.lane_cases, subjects, self._plan.workload)
        await self._turns(self._trial, seconds, "lanes")

    async def _turns(self, measuring: Measuring, seconds: float, stage: str) -> None:
        """Measures for so long; on a machine that stands still, a call that does not end is given up."""
        work = measuring.run(seconds, lambda share: self._progress(stage, share, ""))
        with suppress(TimeoutError):
            await self._until_stopped(asyncio.wait_for(work, seconds + _GRACE_SECONDS))

    async def _until_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """What the work gives; ended as soon as somebody wants what there is.

        Raises:
            _StoppedError: Somebody does.
        """
        task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise _StoppedError
        finally:
            task.cancel()
            stopped.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)

    def _figures(self, measuring: Measuring | None) -> list[SubjectFigures]:
        return figures_of(measuring.cells, self._plan.budgets_ms) if measuring is not None else []

    def _recommendations(
        self, figures: Sequence[SubjectFigures], trial: Sequence[SubjectFigures]
    ) -> list[Recommendation]:
        found = []
        local = [each for each in figures if each.facts.where == "in-process" and each.best_pairs_per_second]
        for model in dict.fromkeys(each.facts.model for each in local):
            chosen, reasons = choose_precision(_of_model(local, model), self._closeness)
            if trial and trial[0].facts.model == model:
                chosen, more = choose_lanes(trial)
                reasons += more
            found.append(recommendation(chosen, reasons))
        return found

    def _failed_calls(self) -> list[str]:
        measured = [each for each in (self._measuring, self._trial) if each is not None]
        cells = [cell for measuring in measured for cell in measuring.cells if cell.failed]
        return [*dict.fromkeys(f"{cell.subject.facts.name}: {cell.left_out}" for cell in cells)]

    def _report(self, *, complete: bool) -> Report:
        figures, trial = self._figures(self._measuring), self._figures(self._trial)
        workload = self._plan.workload
        return Report(
            schema_version=SCHEMA_VERSION,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            complete=complete,
            seconds=time.monotonic() - self._started,
            machine=this_machine(),
            text=TextFacts(
                source=workload.source, queries=len(workload.queries), documents=len(workload.texts)
            ),
            subjects=figures,
            lane_trials=trial,
            closeness=self._closeness,
            recommendations=self._recommendations(figures, trial),
            notes=self._notes,
            failures=[*self._failures, *self._failed_calls()],
        )


def _shown(model: str) -> str:
    """A directory by the last part of its path: reports tell no paths."""
    return Path(model).expanduser().resolve().name if is_directory(model) else model


def _of_model(figures: Sequence[SubjectFigures], model: str) -> list[SubjectFigures]:
    return [each for each in figures if each.facts.model == model and each.facts.where == "in-process"]
