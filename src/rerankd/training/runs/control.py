"""Starts, cancels, resumes and tells of runs."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

from rerankd.config.training import RunConfig
from rerankd.core.errors import (
    CorpusNotFoundError,
    InvalidRequestError,
    RunActiveError,
    RunNotFoundError,
    TooFewTripletsError,
)
from rerankd.training.layout import CORPUS_ID, Layout
from rerankd.training.runs.base_models import BaseModel, trainable
from rerankd.training.runs.failures import reason_of_death
from rerankd.training.runs.groups import FILE as GROUPS
from rerankd.training.runs.groups import pin_groups, profile_groups
from rerankd.training.runs.journal import FILE as EVENTS
from rerankd.training.runs.journal import Journal, JournalReader
from rerankd.training.runs.locks import CorpusLock, Holder, holder_of
from rerankd.training.runs.processes import AdoptedWorker, Watch, Worker, spawn
from rerankd.training.runs.records import ENDED, RunRecord
from rerankd.training.runs.request import FILE as REQUEST
from rerankd.training.runs.request import RunRequest
from rerankd.training.runs.wakes import follow, listen, woken
from rerankd.training.types import RunEvent, RunEventType, RunInfo, RunStatus

logger = logging.getLogger(__name__)

_RUN_ID = re.compile(rf"({CORPUS_ID.pattern})-\d{{8}}T\d{{6}}-[0-9a-f]{{4}}")
_CANCEL_SECONDS = 30.0
"""Time for the step under way and a checkpoint; a run that needs more is told as it is by then."""


class RunManager:
    """The runs under one directory, also those that other processes started.

    All methods but `events` block, on the disk or on a worker; call them in threads. Any number of servers on
    one machine may share the directory.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        find_base: Callable[[str], BaseModel],
        tracking_uri: str = "",
        min_triplets: int = 1,
        processes: int = 0,
        python: str = sys.executable,
    ) -> None:
        """Touches no disk.

        Args:
            layout: Where corpora and runs are.
            find_base: From the setting `base_model` to a model; raises ModelNotFoundError for a name that
                may not be used here.
            tracking_uri: MLflow server; empty = SQLite under the layout.
            min_triplets: Fewest triplets that a run starts with.
            processes: Processes that share the batches; 0 = one for each GPU, or one.
            python: Interpreter of the workers.
        """
        self._layout = layout
        self._find_base = find_base
        self._tracking_uri = tracking_uri
        self._min_triplets = min_triplets
        self._processes = processes
        self._python = python
        self._guard = threading.RLock()
        self._watches: dict[str, Watch] = {}
        self._own: set[str] = set()
        self._records: dict[str, tuple[RunRecord, JournalReader]] = {}

    def recover(self) -> list[RunInfo]:
        """Marks runs whose worker died as failed, so that they can be resumed; gives those. For start-up."""
        unsettled = [info.id for info in self._known() if info.status not in ENDED]
        infos = [self.get(run_id) for run_id in unsettled]
        return [info for info in infos if info.status in ENDED]

    def start(self, corpus_id: str, config: RunConfig) -> RunInfo:
        """Starts a run in a process of its own.

        Raises:
            CorpusNotFoundError: There is no such corpus.
            RunActiveError: Another run of the corpus is under way, here or in another process.
            TooFewTripletsError: The corpus has too few groups; mine first.
            ModelNotFoundError: The base model may not be used here, or there is none of this name.
            InvalidRequestError: A line of groups.jsonl is damaged.
        """
        corpus = self._layout.corpus(corpus_id)
        if not CORPUS_ID.fullmatch(corpus_id) or not corpus.is_dir():
            raise CorpusNotFoundError(
                f"there is no corpus {corpus_id[:64]}", field="corpus_id", metadata={"corpus": corpus_id[:64]}
            )
        base = trainable(self._layout, self._find_base(config.base_model))
        lock = self._lock(corpus_id)
        try:
            profile = profile_groups(corpus / GROUPS)
            if profile.triplets < self._min_triplets:
                raise TooFewTripletsError(
                    f"corpus {corpus_id} has {profile.triplets} triplets; {self._min_triplets} are needed: "
                    "collect more feedback or judgments and mine again",
                    metadata={"triplets": str(profile.triplets), "needed": str(self._min_triplets)},
                )
            now = time.time()
            stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
            request = RunRequest(
                id=f"{corpus_id}-{stamp}-{secrets.token_hex(2)}",
                corpus_id=corpus_id,
                created=now,
                config=config,
                base=base,
                root=str(self._layout.root.absolute()),
                tracking_uri=self._tracking_uri,
                processes=self._processes,
                dataset=profile.as_record(),
            )
            directory = self._layout.run(request.id)
            directory.mkdir(parents=True)
            pin_groups(corpus, directory)
            request.write(directory)
            self._launch(request, lock)
        finally:
            lock.release()
        return self.get(request.id)

    def get(self, run_id: str) -> RunInfo:
        """The run as it is now.

        Raises:
            RunNotFoundError: There is no such run.
        """
        info = self._folded(run_id)
        if info.status not in ENDED and self._watch(run_id) is None:
            self._settle(info.corpus_id, run_id, None)
            info = self._folded(run_id)
        return info

    def list(self, corpus_id: str = "") -> list[RunInfo]:
        """Runs of a corpus, or all, the newest first."""
        infos = [self.get(info.id) for info in self._known(corpus_id)]
        return sorted(infos, key=lambda info: info.created, reverse=True)

    def cancel(self, run_id: str, *, timeout: float = _CANCEL_SECONDS) -> RunInfo:
        """Ends a run after its step, with a checkpoint; a run that has ended is told as it is.

        Waits for the end, but not longer than `timeout` seconds.

        Raises:
            RunNotFoundError: There is no such run.
        """
        self._folded(run_id)
        watch = self._watch(run_id)
        if watch is not None:
            watch.worker.signal(signal.SIGTERM)
            watch.ended.wait(timeout)
        return self.get(run_id)

    def resume(self, run_id: str) -> RunInfo:
        """Goes on with a run that was cancelled or failed, from its last checkpoint.

        Raises:
            RunNotFoundError: There is no such run.
            RunActiveError: It, or another run of the corpus, is under way.
            InvalidRequestError: It is completed.
        """
        info = self.get(run_id)
        if info.status is RunStatus.COMPLETED:
            raise InvalidRequestError(f"run {run_id} is completed; start another one", field="run_id")
        lock = self._lock(info.corpus_id)
        try:
            self._launch(_request(self._layout.run(run_id)), lock)
        finally:
            lock.release()
        return self.get(run_id)

    def delete(self, run_id: str) -> None:
        """Removes a run that has ended: its events, checkpoints and exports. MLflow keeps what it has.

        Raises:
            RunNotFoundError: There is no such run.
            RunActiveError: It is under way.
        """
        if self.get(run_id).status not in ENDED:
            raise _active(run_id)
        with self._guard:
            self._records.pop(run_id, None)
            shutil.rmtree(self._layout.run(run_id))

    def wait(self, run_id: str, timeout: float | None = None) -> RunInfo:
        """Blocks until the run has ended, or for so many seconds; gives it as it is then.

        Raises:
            RunNotFoundError: There is no such run.
        """
        self._folded(run_id)
        watch = self._watch(run_id)
        if watch is not None:
            watch.ended.wait(timeout)
        return self.get(run_id)

    async def events(self, run_id: str, after: int = 0) -> AsyncIterator[RunEvent]:
        """Events above a sequence number: those of the past, then those to come, until the run ends.

        Raises:
            RunNotFoundError: There is no such run.
        """
        directory = await asyncio.to_thread(self._directory, run_id)
        reader = JournalReader(directory / EVENTS)
        async with follow(directory) as wakes:
            alive = wakes is not None
            while True:
                for event in await asyncio.to_thread(reader.read):
                    if event.sequence > after:
                        yield event
                if not alive:
                    return
                # The stream's end is the worker's; then there is one more look, at what was written last.
                alive = wakes is not None and await woken(wakes)
                if not alive:
                    await asyncio.to_thread(self.wait, run_id)

    def close(self) -> None:
        """Interrupts the workers that this manager started (they keep a checkpoint) and waits for them."""
        with self._guard:
            watches = [watch for run_id, watch in self._watches.items() if run_id in self._own]
        for watch in watches:
            watch.worker.signal(signal.SIGINT)
        end = time.monotonic() + _CANCEL_SECONDS
        for watch in watches:
            watch.ended.wait(max(0.0, end - time.monotonic()))

    def _lock(self, corpus_id: str) -> CorpusLock:
        lock = CorpusLock.acquire(self._layout, corpus_id)
        if lock is None:
            holder = holder_of(self._layout, corpus_id)
            raise _active(holder.run_id if holder is not None else "")
        for info in self._known(corpus_id):
            self._mark_dead(info.id, None)
        return lock

    def _launch(self, request: RunRequest, lock: CorpusLock) -> None:
        directory = self._layout.run(request.id)
        lock.tell(Holder(run_id=request.id, pid=0))
        journal = Journal(directory / EVENTS)
        journal.append(RunEventType.STATE, message=RunStatus.QUEUED)
        journal.close()
        with self._guard, listen(directory) as listener:
            offline = bool(request.base.directory)
            worker = spawn(self._python, directory, lock=lock.descriptor, listener=listener, offline=offline)
            lock.tell(Holder(run_id=request.id, pid=worker.pid))
            self._own.add(request.id)
            self._watches[request.id] = self._watched(worker, request)

    def _watched(self, worker: Worker, request: RunRequest) -> Watch:
        return Watch(worker, lambda code: self._settle(request.corpus_id, request.id, code))

    def _watch(self, run_id: str) -> Watch | None:
        """The watch over a run's worker; None where it has none that lives."""
        with self._guard:
            watch = self._watches.get(run_id)
            if watch is not None and not watch.ended.is_set():
                return watch
            # Another process may have resumed it since.
            self._watches.pop(run_id, None)
            request = _request(self._directory(run_id))
            holder = holder_of(self._layout, request.corpus_id)
            if holder is None or holder.run_id != run_id:
                return None
            worker = AdoptedWorker.find(holder.pid)
            if worker is not None:
                self._watches[run_id] = self._watched(worker, request)
            return self._watches.get(run_id)

    def _settle(self, corpus_id: str, run_id: str, code: int | None) -> None:
        """Marks a run as failed if its worker left it unfinished."""
        lock = CorpusLock.acquire(self._layout, corpus_id)
        if lock is None:
            return  # Whoever has it has marked the dead, or is this very run.
        try:
            self._mark_dead(run_id, code)
        finally:
            lock.release()

    def _mark_dead(self, run_id: str, code: int | None) -> None:
        if self._folded(run_id).status in ENDED:
            return
        journal = Journal(self._layout.run(run_id) / EVENTS)
        if code == -signal.SIGTERM:
            # It was cancelled before it could listen.
            journal.append(RunEventType.STATE, message=RunStatus.CANCELLED)
        else:
            journal.append(RunEventType.ERROR, message=reason_of_death(code))
            journal.append(RunEventType.STATE, message=RunStatus.FAILED)
        journal.close()

    def _folded(self, run_id: str) -> RunInfo:
        directory = self._directory(run_id)
        with self._guard:
            if run_id not in self._records:
                record = RunRecord(_request(directory))
                self._records[run_id] = record, JournalReader(directory / EVENTS)
            record, reader = self._records[run_id]
            record.add(reader.read())
            return record.info

    def _directory(self, run_id: str) -> Path:
        directory = self._layout.run(run_id)
        if not _RUN_ID.fullmatch(run_id) or not (directory / REQUEST).is_file():
            raise _no_run(run_id)
        return directory

    def _known(self, corpus_id: str = "") -> Iterator[RunInfo]:
        """The runs as their events tell; a damaged one is left out, with a line in the log."""
        for run_id in self._ids(corpus_id):
            try:
                yield self._folded(run_id)
            except RunNotFoundError:
                logger.warning("a run cannot be read", extra={"run": run_id})

    def _ids(self, corpus_id: str = "") -> Sequence[str]:
        found = [path.parent.name for path in self._layout.run("").glob(f"*/{REQUEST}")]
        matches = ((run_id, _RUN_ID.fullmatch(run_id)) for run_id in found)
        return [run_id for run_id, match in matches if match and corpus_id in ("", match[1])]


def _request(directory: Path) -> RunRequest:
    try:
        return RunRequest.read(directory)
    except (OSError, ValueError) as error:
        raise _no_run(directory.name) from error


def _no_run(run_id: str) -> RunNotFoundError:
    return RunNotFoundError(f"there is no run {run_id[:96]}", field="run_id", metadata={"run": run_id[:96]})


def _active(run_id: str) -> RunActiveError:
    return RunActiveError(
        f"run {run_id or 'of this corpus'} is under way; wait for its end or cancel it",
        metadata={"run": run_id},
    )
