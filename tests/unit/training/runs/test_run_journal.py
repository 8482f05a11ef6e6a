"""events.jsonl: numbered without gaps, whole after a crash, read on from where a reader stopped."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankd.training.runs.journal import Journal, JournalReader
from rerankd.training.types import RunEventType


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def fill(path: Path, count: int) -> None:
    journal = Journal(path)
    for number in range(count):
        journal.append(RunEventType.METRICS, step=number, metrics={"loss": 1.5})
    journal.close()


def test_events_come_back_as_they_were_told(path: Path) -> None:
    journal = Journal(path)
    told = [
        journal.append(RunEventType.STATE, message="running"),
        journal.append(RunEventType.METRICS, step=3, epoch=0.5, percent=12.5, metrics={"ndcg@10": 0.25}),
        journal.append(RunEventType.LOG, message="a line\nwith a break, and \u2028 another"),
    ]
    journal.close()

    read = JournalReader(path).read()

    assert [(e.sequence, e.type, e.step, e.percent, dict(e.metrics), e.message) for e in read] == [
        (e.sequence, e.type, e.step, e.percent, dict(e.metrics), e.message) for e in told
    ]


def test_another_writer_goes_on_with_the_numbers(path: Path) -> None:
    fill(path, 3)
    fill(path, 2)

    assert [event.sequence for event in JournalReader(path).read()] == [1, 2, 3, 4, 5]


@given(cut=st.integers(min_value=1, max_value=200))
def test_a_torn_line_is_cut_off_and_its_number_used_again(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("torn") / "events.jsonl"
    fill(path, 4)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    survived = len(JournalReader(path).read())

    fill(path, 1)

    assert [event.sequence for event in JournalReader(path).read()] == [*range(1, survived + 2)]
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_what_follows_a_damaged_line_is_not_told(path: Path) -> None:
    fill(path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"{}\n" + lines[2])

    assert [event.sequence for event in JournalReader(path).read()] == [1]


def test_a_reader_waits_for_the_end_of_a_line(path: Path) -> None:
    fill(path, 2)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    reader = JournalReader(path)
    assert [event.sequence for event in reader.read()] == [1]

    path.write_bytes(whole)

    assert [event.sequence for event in reader.read()] == [2]
    assert reader.read() == []


def test_numbers_that_json_cannot_say_are_left_out(path: Path) -> None:
    journal = Journal(path)
    journal.append(RunEventType.METRICS, metrics={"loss": math.nan, "ndcg@10": 0.5, "grad_norm": math.inf})
    journal.close()

    assert JournalReader(path).read()[0].metrics == {"ndcg@10": 0.5}


def test_a_file_that_is_not_there_has_no_events(path: Path) -> None:
    assert JournalReader(path).read() == []
