"""The learning reranker as one thing: what the doors and the command line call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import cast

from rerankd.config.training import (
    EvaluationConfig,
    MiningConfig,
    PromotionConfig,
    RunConfig,
    TrainingConfig,
)
from rerankd.core.errors import ForbiddenError
from rerankd.core.shadowing import ShadowReport
from rerankd.training.corpora import Corpus, CorpusProfile, CorpusStore, ImportReport
from rerankd.training.evaluation import EvaluationReport, RunComparison, compare
from rerankd.training.feedback import (
    AppendResult,
    FeedbackLog,
    FeedbackReader,
    FeedbackStatistics,
    LogInUseError,
    Purge,
    PurgeResult,
)
from rerankd.training.judge import Judge, Weighed
from rerankd.training.layout import Layout
from rerankd.training.mining import MiningStatistics, mine, read_groups
from rerankd.training.promotion import Current, Promoter, RevisionStore
from rerankd.training.runs import RunManager
from rerankd.training.runs.journal import FILE as JOURNAL
from rerankd.training.runs.journal import JournalReader
from rerankd.training.scorers import Scorers
from rerankd.training.shown import ShownRankings
from rerankd.training.types import FeedbackEvent, RunEvent, RunInfo, RunStatus, TrainingGroup
from rerankd.training.work import Stopped, Work

logger = logging.getLogger(__name__)

_LINES = 256
"""Of the log that are read at a time for a download."""

MakeCorpus = Callable[[CorpusStore], ImportReport]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What the service is made of."""

    layout: Layout
    corpora: CorpusStore
    runs: RunManager
    revisions: RevisionStore
    promoter: Promoter
    scorers: Scorers
    default_model: str = ""
    """Id of the model that serves a corpus for which none was promoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """What a promotion came to."""

    current: Current
    weighed: Weighed


class Learning:
    """Feedback, corpora, mining, runs, evaluation and promotion. Lives on one event loop; `close` it.

    Attributes:
        config: The section `training`; its parts are the defaults of each call.
        shown: Keeps rankings that are served.
    """

    def __init__(self, rooms: Rooms, config: TrainingConfig) -> None:
        """Touches no disk."""
        self.config = config
        self._rooms = rooms
        self._judge = Judge(layout=rooms.layout, corpora=rooms.corpora, scorers=rooms.scorers, config=config)
        self._work = Work()
        self._log: FeedbackLog | None = None
        self._opening = asyncio.Lock()
        self.shown = ShownRankings(self.record)

    async def start(self) -> None:
        """Takes the feedback log for this process, and tells the runs of dead processes as failed.

        Raises:
            ForbiddenError: Another process writes the log.
            OSError: The directory cannot be written.
        """
        await self._writer()
        for run in await self._work.quick(self._rooms.runs.recover):
            logger.warning("a run was interrupted; it can be resumed", extra={"run": run.id})

    async def close(self) -> None:
        """Writes what is to be kept, lets runs of this process checkpoint and end, stops everything else."""
        await self.shown.close()
        await self._work.close()
        await asyncio.to_thread(self._rooms.runs.close)
        if self._log is not None:
            await asyncio.to_thread(self._log.close)

    # Feedback

    async def record(self, events: Sequence[FeedbackEvent]) -> AppendResult:
        """Keeps events, all or none; on disk when it returns."""
        log = await self._writer()
        return await self._work.quick(lambda: log.append(events))

    async def purge(self, purge: Purge) -> PurgeResult:
        """Forgets events for good."""
        log = await self._writer()
        return await self._work.quick(lambda: log.purge(purge))

    async def feedback(self, corpus_id: str = "") -> FeedbackStatistics:
        """The log in numbers; reads all of it."""
        return await self._work.quick(lambda: self._reader.statistics(corpus_id))

    async def recent(self, limit: int, corpus_id: str = "") -> list[FeedbackEvent]:
        """The last events, newest first."""
        return await self._work.quick(lambda: self._reader.recent(limit, corpus_id))

    async def log_lines(self, corpus_id: str = "") -> AsyncIterator[bytes]:
        """The log as JSON lines."""
        lines = iter(self._reader.lines(corpus_id))
        while block := await self._work.quick(lambda: b"".join(islice(lines, _LINES))):
            yield block

    # Corpora

    async def corpora(self) -> list[str]:
        """Names of the corpora."""
        return await self._work.quick(self._rooms.corpora.ids)

    async def profile(self, corpus_id: str) -> CorpusProfile:
        """A corpus in numbers; raises CorpusNotFoundError."""
        return await self._work.quick(lambda: self._rooms.corpora.get(corpus_id).profile())

    async def make_corpus(self, make: MakeCorpus) -> ImportReport:
        """A new corpus; `make` gets the store, in a thread."""
        return await self._work.quick(lambda: make(self._rooms.corpora))

    async def corpus_from_feedback(self, corpus_id: str, *, replace: bool = False) -> ImportReport:
        """A corpus out of what the log holds of it."""
        return await self._work.quick(
            lambda: self._rooms.corpora.build_from_feedback(corpus_id, self._reader, replace=replace)
        )

    async def delete_corpus(self, corpus_id: str) -> None:
        """Removes a corpus; raises CorpusNotFoundError."""
        await self._work.quick(lambda: self._rooms.corpora.delete(corpus_id))

    # Mining

    async def mine(self, corpus_id: str, config: MiningConfig) -> MiningStatistics:
        """Makes the training groups of a corpus; raises CorpusNotFoundError."""

        def work(stopped: Stopped) -> MiningStatistics:
            corpus = self._rooms.corpora.get(corpus_id)
            feedback = self._reader if "feedback" in config.sources else None
            if "model" not in config.hard_negatives:
                return mine(corpus, feedback, None, config, cancelled=stopped)
            in_use = self._rooms.scorers.in_use(corpus_id)
            with self._rooms.scorers.opened([in_use], self.config.run.max_length) as (scorer,):
                return mine(corpus, feedback, scorer, config, cancelled=stopped)

        return await self._work.long(work)

    async def groups(self, corpus_id: str, limit: int) -> tuple[int, list[TrainingGroup]]:
        """How many triplets a corpus has, and its first groups; raises CorpusNotFoundError."""

        def work() -> tuple[int, list[TrainingGroup]]:
            corpus: Corpus = self._rooms.corpora.get(corpus_id)
            count = 0
            first: list[TrainingGroup] = []
            for group in read_groups(corpus.groups_file):
                count += group.triplets
                if len(first) < limit:
                    first.append(group)
            return count, first

        return await self._work.quick(work)

    # Runs

    async def train(self, corpus_id: str, config: RunConfig) -> RunInfo:
        """Starts a run; see `RunManager.start` for what it raises."""
        return await self._work.quick(lambda: self._rooms.runs.start(corpus_id, config))

    async def run(self, run_id: str) -> RunInfo:
        """A run; raises RunNotFoundError."""
        return await self._work.quick(lambda: self._rooms.runs.get(run_id))

    async def runs(self, corpus_id: str = "") -> list[RunInfo]:
        """Runs of a corpus or all, the newest first."""
        return await self._work.quick(lambda: self._rooms.runs.list(corpus_id))

    async def watch(self, run_id: str, after: int = 0) -> AsyncGenerator[RunEvent, None]:
        """Events of a run above a sequence number, until it ends; raises RunNotFoundError."""
        events = cast("AsyncGenerator[RunEvent, None]", self._rooms.runs.events(run_id, after))
        async with aclosing(events):
            async for event in events:
                yield event

    async def last_events(self, run_id: str, after: int, limit: int) -> list[RunEvent]:
        """The last events so far, the oldest first; raises RunNotFoundError."""

        def work() -> list[RunEvent]:
            self._rooms.runs.get(run_id)
            events = JournalReader(self._rooms.layout.run(run_id) / JOURNAL).read()
            return [event for event in events if event.sequence > after][-limit:] if limit else []

        return await self._work.quick(work)

    async def cancel(self, run_id: str) -> RunInfo:
        """Ends a run with a checkpoint; raises RunNotFoundError."""
        return await self._work.quick(lambda: self._rooms.runs.cancel(run_id))

    async def resume(self, run_id: str) -> RunInfo:
        """Goes on with a run; see `RunManager.resume` for what it raises."""
        return await self._work.quick(lambda: self._rooms.runs.resume(run_id))

    async def wait(self, run_id: str, timeout_seconds: float) -> RunInfo:
        """The run when it has ended, or after that time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                async for _ in self.watch(run_id):
                    pass
        except TimeoutError:
            pass
        return await self.run(run_id)

    async def compare(self, baseline_id: str, current_id: str) -> RunComparison:
        """Two runs side by side; raises RunNotFoundError, NotComparableError."""
        baseline, current = await self.run(baseline_id), await self.run(current_id)
        return compare(baseline, current)

    # Evaluation and promotion

    async def evaluate(
        self, corpus_id: str, models: Sequence[str], config: EvaluationConfig
    ) -> EvaluationReport:
        """Judges models; see `Judge.evaluate` for what it raises."""
        return await self._work.long(lambda stopped: self._judge.evaluate(corpus_id, models, config, stopped))

    async def page(self, corpus_id: str) -> bytes:
        """The page of the last evaluation, as HTML."""
        return await self._work.quick(lambda: self._judge.page(corpus_id))

    async def promote(self, run_id: str, *, force: str = "") -> Promoted:
        """Lets the model of a run serve, if the gate lets it or `force` says why it should all the same.

        Raises:
            RunNotFoundError: There is no such run.
            InvalidRequestError: It is not completed.
            PromotionRefusedError: The gate is against it.
            ModelFailedError: Its model cannot be loaded.
        """
        run = await self.run(run_id)
        weighed = await self._work.long(lambda stopped: self._judge.weigh(run, stopped))
        current = await self._rooms.promoter.promote(
            run.corpus_id, weighed.directory, weighed.decision, run_id=run_id, force=force
        )
        return Promoted(current=current, weighed=weighed)

    async def rollback(self, corpus_id: str) -> Current:
        """Serves the revision before; raises PromotionRefusedError where there is none."""
        return await self._rooms.promoter.rollback(corpus_id)

    async def start_shadow(self, run_id: str, config: PromotionConfig) -> ShadowReport | None:
        """Lets the model of a run score live requests beside the model in use.

        Raises:
            RunNotFoundError: There is no such run.
            InvalidRequestError: It has no model, `shadow_fraction` is 0, or nothing serves here.
            ModelFailedError: It cannot be loaded.
        """
        run = await self.run(run_id)
        directory = await self._work.quick(lambda: self._rooms.scorers.export_of(run_id).directory)
        beside = self._rooms.scorers.in_use(run.corpus_id) or self._rooms.default_model
        await self._rooms.promoter.shadow(run.corpus_id, directory, config, beside=beside)
        return self.shadow(run.corpus_id)

    def shadow(self, corpus_id: str) -> ShadowReport | None:
        """What the last shadow of a corpus has seen; None if there was none."""
        beside = self._rooms.scorers.in_use(corpus_id) or self._rooms.default_model
        return self._rooms.promoter.shadow_report(corpus_id, beside=beside)

    async def served(self) -> dict[str, Current]:
        """Corpus to what is promoted for it."""
        revisions = self._rooms.revisions

        def work() -> dict[str, Current]:
            found = {corpus_id: revisions.current(corpus_id) for corpus_id in revisions.corpora()}
            return {corpus_id: current for corpus_id, current in found.items() if current is not None}

        return await self._work.quick(work)

    async def active_runs(self) -> list[RunInfo]:
        """Runs under way."""
        active = (RunStatus.QUEUED, RunStatus.RUNNING)
        return [run for run in await self.runs() if run.status in active]

    @property
    def directory(self) -> Path:
        """Where everything is kept."""
        return self._rooms.layout.root

    @property
    def _reader(self) -> FeedbackReader:
        return self._log or FeedbackReader(self._rooms.layout.feedback)

    async def _writer(self) -> FeedbackLog:
        async with self._opening:
            if self._log is None:
                self._log = await self._work.quick(self._open_log)
            return self._log

    def _open_log(self) -> FeedbackLog:
        try:
            return FeedbackLog(self._rooms.layout.feedback, self.config.feedback)
        except LogInUseError:
            raise ForbiddenError(
                "another process writes this feedback log; send feedback to it, or stop it first"
            ) from None
