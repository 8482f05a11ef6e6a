"""A run is its request and its events."""

from __future__ import annotations

from pathlib import Path

import pytest

from rerankd.config.training import RunConfig
from rerankd.training.runs.base_models import BaseModel
from rerankd.training.runs.progress import RunProgress
from rerankd.training.runs.records import RunRecord
from rerankd.training.runs.request import RunRequest
from rerankd.training.types import RunEvent, RunEventType, RunStatus


def request(**settings: object) -> RunRequest:
    return RunRequest(
        id="corpus-20260101T000000-abcd",
        corpus_id="corpus",
        created=5.0,
        config=RunConfig(**settings),
        base=BaseModel(name="default", revision="sha256:1", directory="/base"),
        root="/root",
        dataset={"queries": 3},
    )


def event(sequence: int, kind: RunEventType, **fields: object) -> RunEvent:
    return RunEvent(sequence=sequence, time=100.0 + sequence, type=kind, **fields)


def state(sequence: int, status: RunStatus) -> RunEvent:
    return event(sequence, RunEventType.STATE, message=status.value)


def evaluated(sequence: int, step: int, value: float, seconds: float) -> RunEvent:
    metrics = {"ndcg@10": value, "mrr@10": 1.0, "seconds": seconds}
    return event(sequence, RunEventType.METRICS, step=step, percent=10.0 * step, metrics=metrics)


def test_a_request_comes_back_from_disk(tmp_path: Path) -> None:
    written = request(epochs=7, loss="bce")
    written.write(tmp_path)

    assert RunRequest.read(tmp_path) == written


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"config": {}, "base": {}}'])
def test_a_damaged_request_is_a_value_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "request.json").write_text(content)

    with pytest.raises(ValueError, match=r"."):
        RunRequest.read(tmp_path)


def test_a_run_without_events_is_queued() -> None:
    info = RunRecord(request()).info

    assert (info.status, info.progress, info.started, info.summary) == (RunStatus.QUEUED, 0.0, None, None)
    assert (info.primary_metric, info.primary_k, info.base_revision) == ("ndcg", 10, "sha256:1")


def test_a_run_that_failed_and_was_resumed_keeps_its_start_and_forgets_the_error() -> None:
    record = RunRecord(request())
    record.add([state(1, RunStatus.QUEUED), state(2, RunStatus.RUNNING)])
    record.add([event(3, RunEventType.ERROR, message="it broke"), state(4, RunStatus.FAILED)])
    failed = record.info
    assert (failed.status, failed.error, failed.ended) == (RunStatus.FAILED, "it broke", 104.0)

    record.add([state(5, RunStatus.QUEUED), state(6, RunStatus.RUNNING)])

    resumed = record.info
    assert (resumed.status, resumed.error, resumed.ended, resumed.started) == (
        RunStatus.RUNNING,
        "",
        None,
        102.0,
    )


def test_the_summary_takes_the_first_best_and_steps_that_were_repeated_once() -> None:
    record = RunRecord(request())
    record.add([evaluated(1, 1, 0.2, 5.0), evaluated(2, 2, 0.9, 9.0)])
    record.add([evaluated(3, 2, 0.6, 12.0), evaluated(4, 3, 0.6, 20.0), evaluated(5, 4, 0.4, 25.0)])

    summary = record.info.summary

    assert summary is not None
    assert (summary.best, summary.best_step, summary.seconds_to_best) == (0.6, 2, 12.0)
    assert summary.final == 0.4
    assert summary.stability == pytest.approx(0.16583, abs=1e-5)
    assert record.info.progress == pytest.approx(0.4)


def test_progress_keeps_the_last_of_everything() -> None:
    progress = RunProgress()
    for told in (
        state(1, RunStatus.RUNNING),
        event(2, RunEventType.PROGRESS, metrics={"steps": 40.0}),
        event(3, RunEventType.METRICS, step=4, percent=10.0, epoch=0.2, metrics={"loss": 0.7}),
        event(4, RunEventType.PROGRESS, step=6, percent=15.0, metrics={"steps": 40.0, "seconds_left": 9.5}),
        event(5, RunEventType.LOG, message="checkpoint at step 6"),
    ):
        progress = progress.after(told)

    assert (progress.status, progress.step, progress.steps, progress.percent) == ("running", 6, 40, 15.0)
    assert (progress.seconds_left, dict(progress.metrics)) == (9.5, {"loss": 0.7})
    assert progress.message == "checkpoint at step 6"
