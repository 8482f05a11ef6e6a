"""Metrics go to the store of runs behind training's back, and a store that is down harms nobody."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from rerankd.core.errors import ProviderUnavailableError
from rerankd.training.runs.recording import Recorder
from rerankd.training.runs.tracking import MetricValue
from rerankd.training.types import RunEvent, RunEventType, RunStatus


class Store:
    """What a Recorder calls of Tracking; down for the first calls."""

    def __init__(self, down: int = 0) -> None:
        self.down = down
        self.asked = threading.Event()
        self.values: list[MetricValue] = []
        self.artifacts: list[str] = []
        self.ended = ""

    def begin(self, corpus_id: str, run_id: str, params: Mapping[str, object]) -> None:
        self.asked.set()
        if self.down:
            self.down -= 1
            raise ProviderUnavailableError("the store of runs does not answer")

    def log_values(self, corpus_id: str, run_id: str, values: Sequence[MetricValue]) -> None:
        self.values += values

    def log_artifact(self, corpus_id: str, run_id: str, path: Path, folder: str = "") -> None:
        self.artifacts.append(f"{folder}/{path.name}")

    def end(self, corpus_id: str, run_id: str, status: str) -> None:
        self.ended = status


def recorder_of(store: Store) -> tuple[Recorder, list[str]]:
    warnings: list[str] = []
    made = Recorder(store, corpus_id="c", run_id="r", params={"epochs": 2}, warn=warnings.append)
    return made, warnings


def measured(step: int) -> RunEvent:
    return RunEvent(
        sequence=step, time=step, type=RunEventType.METRICS, step=step, metrics={"loss": step / 10, "lr": 0.1}
    )


def test_everything_is_sent_in_order(tmp_path: Path) -> None:
    store = Store()
    recorder, warnings = recorder_of(store)
    (tmp_path / "events.jsonl").touch()
    for step in range(1, 51):
        recorder.take(measured(step))
    recorder.take(RunEvent(sequence=60, time=60, type=RunEventType.LOG, message="a line"))

    sent = recorder.finish(
        RunStatus.COMPLETED, [(tmp_path / "events.jsonl", "x"), (tmp_path / "none", "")], timeout=30
    )

    assert sent
    assert [(value.step, value.value) for value in store.values if value.name == "loss"] == [
        (step, step / 10) for step in range(1, 51)
    ]
    assert (store.artifacts, store.ended, warnings) == (["x/events.jsonl"], "FINISHED", [])


def test_what_a_store_missed_while_it_was_down_comes_later() -> None:
    store = Store(down=1)
    recorder, warnings = recorder_of(store)
    assert store.asked.wait(30)
    for step in range(1, 4):
        recorder.take(measured(step))

    assert recorder.finish(RunStatus.CANCELLED, [], timeout=30)

    assert [value.step for value in store.values] == [1, 1, 2, 2, 3, 3]
    assert store.ended == "KILLED"
    assert len(warnings) == 1
    assert "training goes on" in warnings[0]


def test_a_store_that_stays_down_costs_one_warning() -> None:
    store = Store(down=1000)
    recorder, warnings = recorder_of(store)
    recorder.take(measured(1))

    assert not recorder.finish(RunStatus.FAILED, [], timeout=30)

    assert (len(warnings), store.values, store.ended) == (1, [], "")
