"""Whatever is appended, purged and interrupted: nothing accepted is lost, nothing is there twice."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.feedback import clicked, shown

from rerankd.config.training import FeedbackConfig
from rerankd.training.feedback import FeedbackLog, FeedbackReader, Purge
from rerankd.training.feedback import log as log_module
from rerankd.training.feedback.records import line_of
from rerankd.training.feedback.writer import SegmentWriter
from rerankd.training.types import FeedbackEvent

UNBOUNDED = FeedbackConfig(segment_mib=1, max_mib=1_000_000)
NAMES = st.integers(0, 40)
BATCHES = st.lists(NAMES, min_size=1, max_size=6)


class KilledError(Exception):
    """Stands for the end of the process."""


def event_named(name: int) -> FeedbackEvent:
    request = f"r{name % 7}"
    if name % 2:
        return clicked(request, f"d{name % 5}", event_id=f"e{name}")
    return shown(request, f"query {name % 7}", ["d0", f"d{name % 5 or 9}"], event_id=f"e{name}")


def kill(log: FeedbackLog) -> None:
    """Ends the log as the kernel does with a process's files: nothing is written any more."""
    log._writer.close_active()
    os.close(log._guard)
    log._guard = -1


class LogMachine(RuleBasedStateMachine):
    """Files of about three events, so that all that can happen happens at borders of files too."""

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="feedback-"))
        self.unit = log_module._MIB
        log_module._MIB = 500
        self.expected: list[str] = []
        self.purged: set[str] = set()
        self.reopen()

    def reopen(self) -> None:
        self.log = FeedbackLog(self.directory, UNBOUNDED)
        self.purged.clear()

    @rule(names=BATCHES)
    def append(self, names: list[int]) -> None:
        new = [f"e{name}" for name in dict.fromkeys(names)]
        new = [name for name in new if name not in self.expected and name not in self.purged]
        result = self.log.append([event_named(name) for name in names])
        assert list(result.accepted) == new
        self.expected += new

    @rule(names=BATCHES, data=st.data())
    def crash_while_appending(self, names: list[int], data: st.DataObject) -> None:
        new = [name for name in dict.fromkeys(names) if f"e{name}" not in self.expected]
        lines = [line_of(event_named(name)) for name in new]
        block = b"".join(lines)
        written = block[: data.draw(st.integers(0, len(block)))]
        kill(self.log)
        files = sorted(self.directory.glob("*.jsonl"))
        file = files[-1] if files else self.directory / "00000001-5.jsonl"
        with file.open("ab") as end:
            end.write(written)
        self.reopen()
        whole = written.count(b"\n")
        assert self.log.recovery.torn_bytes == len(written) - sum(map(len, lines[:whole]))
        self.expected += [f"e{name}" for name in new[:whole]]

    @rule(data=st.data())
    def lose_the_end_of_the_last_file(self, data: st.DataObject) -> None:
        kill(self.log)
        files = sorted(self.directory.glob("*.jsonl"))
        if files:
            size = files[-1].stat().st_size
            kept = data.draw(st.integers(0, size))
            lost = files[-1].read_bytes().count(b"\n") - files[-1].read_bytes()[:kept].count(b"\n")
            os.truncate(files[-1], kept)
            self.expected = self.expected[: len(self.expected) - lost]
        self.reopen()

    @rule(names=st.lists(NAMES, min_size=1, max_size=3), killed_at=st.none() | st.integers(0, 4))
    def purge(self, names: list[int], killed_at: int | None) -> None:
        gone = [f"e{name}" for name in names]
        before = self.expected
        self.expected = [name for name in self.expected if name not in gone]
        self.purged |= set(before) - set(self.expected)
        with pytest.MonkeyPatch.context() as patch:
            calls = iter(range(1000))
            put = SegmentWriter.put

            def put_or_die(writer: SegmentWriter, *arguments: object) -> bool:
                if next(calls) == killed_at:
                    raise KilledError
                return put(writer, *arguments)  # type: ignore[arg-type]

            patch.setattr(SegmentWriter, "put", put_or_die)
            try:
                self.log.purge(Purge(event_ids=gone))
                return
            except KilledError:
                kill(self.log)
        self.reopen()
        assert self.log.recovery.resumed_purge

    @rule()
    def restart(self) -> None:
        self.log.close()
        self.reopen()
        assert self.log.recovery.torn_bytes == 0

    @invariant()
    def the_log_has_what_was_accepted_once_and_in_order(self) -> None:
        if hasattr(self, "log"):
            assert [event.id for event in FeedbackReader(self.directory).events()] == self.expected
            assert all(event == event_named(int(event.id[1:])) or event.shown for event in self.log.events())

    def teardown(self) -> None:
        if hasattr(self, "log"):
            log_module._MIB = self.unit
            self.log.close()
            shutil.rmtree(self.directory)


LogMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLog = LogMachine.TestCase


@pytest.mark.parametrize("killed_at", range(6))
def test_a_purge_by_query_that_is_killed_anywhere_is_finished_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    monkeypatch.setattr(log_module, "_MIB", 300)
    log = FeedbackLog(tmp_path, UNBOUNDED)
    for name in range(6):
        request = f"r{name % 2}"
        log.append(
            [shown(request, f"query {name % 2}", ["d"], event_id=f"s{name}"), clicked(request, f"d{name}")]
        )
    calls = iter(range(1000))
    put = SegmentWriter.put

    def put_or_die(writer: SegmentWriter, *arguments: object) -> bool:
        if next(calls) == killed_at:
            raise KilledError
        return put(writer, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(SegmentWriter, "put", put_or_die)
        try:
            log.purge(Purge(queries=["Query 1"]))
            log.close()
        except KilledError:
            kill(log)
    with FeedbackLog(tmp_path, UNBOUNDED) as log:
        assert {event.request_id for event in log.events()} == {"r0"}
        assert len(list(log.events())) == 6
    assert not list(tmp_path.glob(".*"))
    assert not (tmp_path / "purge.json").exists()


@given(line=st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_bytes_break_the_reader(line: bytes) -> None:
    from rerankd.training.feedback.records import event_of

    event_of(line)
