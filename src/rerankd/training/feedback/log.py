"""The one writer of the log."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from rerankd.config.training import FeedbackConfig
from rerankd.training.durable import locked_file, replaced_file, sync_directory
from rerankd.training.feedback import purging
from rerankd.training.feedback.purging import Eraser, Purge, PurgeResult
from rerankd.training.feedback.reader import KEY_FILE, FeedbackReader
from rerankd.training.feedback.records import event_of, line_of, outline_of
from rerankd.training.feedback.seen import REMEMBERED, SeenIds
from rerankd.training.feedback.segments import Segment
from rerankd.training.feedback.validation import MAX_LINE_BYTES, check_events, check_line
from rerankd.training.feedback.writer import SegmentWriter
from rerankd.training.types import FeedbackEvent, ShownDocument

logger = logging.getLogger(__name__)

_MIB = 1024 * 1024
_DAY = 86_400.0


class LogInUseError(RuntimeError):
    """Another process (or another FeedbackLog here) writes this log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendResult:
    """What became of the events of one call."""

    accepted: tuple[str, ...]
    """Ids that are on disk now, in the order of the call."""
    duplicates: tuple[str, ...]
    """Ids that were there already; their events are not kept again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What opening the log repaired."""

    torn_bytes: int = 0
    """Bytes of a last line without an end, which a crash left; they were cut off."""
    resumed_purge: bool = False
    """A purge that a crash interrupted was finished."""


class FeedbackLog(FeedbackReader):
    """The log, open for writing. Blocks; safe from any thread; close it, or use it as a context.

    One sync of the disk for each call of `append`, before it returns: what was accepted outlives the
    machine's power. Many events in a call cost as much as one.
    """

    def __init__(
        self, directory: Path, config: FeedbackConfig, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Raises LogInUseError where another writer has the log, OSError where it cannot be written."""
        super().__init__(directory)
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._purging = threading.Lock()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._guard = _take(directory / "lock")
        try:
            self._key_bytes = self._make_key()
            self._writer = SegmentWriter(
                directory,
                segment_bytes=config.segment_mib * _MIB,
                max_bytes=config.max_mib * _MIB,
                max_age=config.max_age_days * _DAY,
            )
            resumed = self._resume_purge()
            self._seen = self._ids_on_disk()
        except BaseException:
            self.close()
            raise
        self._recovery = Recovery(torn_bytes=self._writer.torn_bytes, resumed_purge=resumed)
        if self._recovery != Recovery():
            logger.warning("The feedback log was repaired after a crash: %s", self._recovery)

    @property
    def recovery(self) -> Recovery:
        """What opening the log repaired."""
        return self._recovery

    def append(self, events: Sequence[FeedbackEvent]) -> AppendResult:
        """Keeps events: all of them or, where one is not valid, none. On disk when this returns.

        An event without an id gets one, an event with time 0 the present time. An id that is among the
        latest 200,000 is not kept again, so a call that brings its own ids may be repeated.

        Raises:
            InvalidRequestError: An event is not valid; `field` names it (`events[3].query`).
            OSError: The disk is full or broken. What was kept of the call is whole, and is not kept again
                when the call is repeated.
        """
        check_events(events)
        ready = [self._complete(event) for event in events]
        lines = [line_of(event) for event in ready]
        for place, line in enumerate(lines):
            check_line(line, place)
        accepted: list[str] = []
        duplicates: list[str] = []
        with self._lock:
            self._check_open()
            block: dict[str, bytes] = {}
            size = 0
            for event, line in zip(ready, lines, strict=True):
                if event.id in block or event.id in self._seen:
                    duplicates.append(event.id)
                    continue
                if size + len(line) > MAX_LINE_BYTES:
                    accepted += self._write(block)
                    block, size = {}, 0
                block[event.id] = line
                size += len(line)
            accepted += self._write(block)
        return AppendResult(accepted=tuple(accepted), duplicates=tuple(duplicates))

    def purge(self, purge: Purge) -> PurgeResult:
        """Forgets what fits, in all that was appended before; a crash in the middle is made good later.

        Appending goes on meanwhile.
        """
        purge.check()
        eraser = Eraser(purge, self._key_bytes)
        with self._purging:
            with self._lock:
                self._check_open()
                self._writer.close_active()
                segments = self._writer.segments
            if not segments:
                return PurgeResult(events=0, redacted=0)
            if eraser.resolves_queries:
                for segment in segments:
                    eraser.learn(event for line in segment.lines() if (event := event_of(line)) is not None)
            # With the requests in it: a second try would not find those whose queries are gone already.
            purging.save_intent(self._directory, eraser.resolved(), segments[-1].number)
            result = self._erase(segments, eraser)
            purging.forget_intent(self._directory)
        return result

    def clear(self, corpus_id: str = "") -> PurgeResult:
        """Forgets everything, or everything of a corpus."""
        return self.purge(Purge(everything=True, corpus_id=corpus_id))

    def expire(self) -> None:
        """Lets go what is older than the setting `max_age_days`; each append does so too."""
        with self._lock:
            self._check_open()
            self._writer.expire(self._clock())

    def close(self) -> None:
        """Lets another writer have the log; harmless twice."""
        with self._purging, self._lock:
            if self._guard < 0:
                return
            if hasattr(self, "_writer"):
                self._writer.close_active()
            os.close(self._guard)
            self._guard = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._guard < 0:
            raise ValueError("the feedback log is closed")

    def _complete(self, event: FeedbackEvent) -> FeedbackEvent:
        event = replace(
            event,
            id=event.id or uuid.uuid4().hex,
            time=event.time or self._clock(),
            shown=tuple(
                replace(document, rank=document.rank or place)
                for place, document in enumerate(event.shown, start=1)
            ),
        )
        return self._without_text(event) if self._config.text == "hashed" else event

    def _without_text(self, event: FeedbackEvent) -> FeedbackEvent:
        def bare(document: ShownDocument) -> ShownDocument:
            return replace(document, text="")

        return replace(
            event,
            query=self.query_digest(event.query) if event.query else "",
            shown=tuple(bare(document) for document in event.shown),
            document=None if event.document is None else bare(event.document),
            hashed=True,
        )

    def _write(self, block: dict[str, bytes]) -> list[str]:
        if block:
            self._writer.append(b"".join(block.values()), self._clock())
            for event_id in block:
                self._seen.add(event_id)
        return list(block)

    def _erase(self, segments: Sequence[Segment], eraser: Eraser) -> PurgeResult:
        events = redacted = 0
        for segment in segments:

            def put(content: Path | None, segment: Segment = segment) -> bool:
                with self._lock:
                    return self._writer.put(segment, content)

            result = purging.rewrite(segment, eraser, put)
            events += result.events
            redacted += result.redacted
        return PurgeResult(events=events, redacted=redacted)

    def _resume_purge(self) -> bool:
        intent = purging.load_intent(self._directory)
        if intent is None:
            return False
        purge, last = intent
        self._writer.close_active()
        self._erase([s for s in self._writer.segments if s.number <= last], Eraser(purge, self._key_bytes))
        purging.forget_intent(self._directory)
        return True

    def _ids_on_disk(self) -> SeenIds:
        newest_first: list[list[str]] = []
        # Older files hold nothing that would be remembered, and need not be read.
        for segment in reversed(self._writer.segments):
            events = map(outline_of, segment.lines())
            newest_first.append([event.id for event in events if event is not None])
            if sum(map(len, newest_first)) >= REMEMBERED:
                break
        seen = SeenIds()
        for ids in reversed(newest_first):
            for event_id in ids:
                seen.add(event_id)
        return seen

    def _key(self) -> bytes:
        return self._key_bytes

    def _make_key(self) -> bytes:
        path = self._directory / KEY_FILE
        if not path.exists():
            with replaced_file(path) as file:
                file.write(secrets.token_hex(32).encode())
            sync_directory(self._directory.parent)
        return path.read_bytes()


def _take(path: Path) -> int:
    try:
        return locked_file(path, wait=False)
    except BlockingIOError as error:
        raise LogInUseError(f"another process writes the feedback log in {path.parent}") from error
