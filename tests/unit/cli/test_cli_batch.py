"""What `rerankd batch` makes of its command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rerankd.batch import running
from rerankd.batch.job import BatchError, Columns, Job
from rerankd.batch.running import Progress, Workers
from rerankd.cli._app import app
from rerankd.core.types import LongDocument, Options

END = Progress(parts=3, parts_done=3, parts_kept=1, queries=1200, documents=9, errors=0, model="m@1")


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command asked for, in place of the run."""
    asked: dict[str, Any] = {"end": END}

    def run(job: Job, workers: Workers, report: Any, *, restart: bool) -> Progress:
        asked.update(job=job, workers=workers, restart=restart)
        report(END)
        if isinstance(asked["end"], Exception):
            raise asked["end"]
        return asked["end"]  # type: ignore[no-any-return]

    monkeypatch.setattr(running, "run", run)
    return asked


def test_every_option_reaches_the_job(ran: dict[str, Any]) -> None:
    told = CliRunner().invoke(
        app,
        [
            *("batch", "a.jsonl", "b.jsonl", "-o", "out", "--pairs", "--query-column", "q"),
            *(
                "--document-column",
                "d",
                "--group-column",
                "g",
                "--model",
                "quality",
                "-n",
                "5",
                "--raw-scores",
            ),
            *("--best-passage", "--min-score", "0.5", "--instruction", "find", "--return-documents"),
            *(
                "--workers",
                "4",
                "--cpus",
                "2",
                "--gpus",
                "0.5",
                "--ray",
                "auto",
                "--block-mib",
                "2",
                "--restart",
            ),
        ],
    )
    assert told.exit_code == 0, told.output
    job: Job = ran["job"]
    assert (job.inputs, job.output, job.shape) == (("a.jsonl", "b.jsonl"), "out", "pairs")
    assert job.columns == Columns(query="q", document="d", group="g")
    assert job.options == Options(
        top_n=5,
        raw_scores=True,
        long_document=LongDocument.BEST_PASSAGE,
        min_score=0.5,
        instruction="find",
    )
    assert job.config.model == "quality"
    assert job.return_documents
    assert job.block_bytes == 2 * 1024 * 1024
    assert ran["workers"] == Workers(count=4, cpus=2, gpus=0.5, address="auto")
    assert ran["restart"]


def test_progress_goes_to_stderr_and_the_end_to_stdout(ran: dict[str, Any]) -> None:
    told = CliRunner().invoke(app, ["batch", "a.jsonl", "-o", "out"])
    assert told.stderr == "block 3/3: 1,200 queries, 9 documents\n"
    assert told.stdout.splitlines()[0] == "queries\t1200"
    assert "blocks_of_earlier_runs\t1" in told.stdout


def test_queries_that_could_not_be_ranked_are_an_exit_status(ran: dict[str, Any]) -> None:
    ran["end"] = Progress(parts=1, parts_done=1, parts_kept=0, queries=2, documents=1, errors=1, model="m@1")
    assert CliRunner().invoke(app, ["batch", "a.jsonl", "-o", "out"]).exit_code == 1


def test_a_run_that_cannot_go_on_says_so_in_one_line(ran: dict[str, Any]) -> None:
    ran["end"] = BatchError("no such thing")
    told = CliRunner().invoke(app, ["batch", "a.jsonl", "-o", "out"])
    assert told.exit_code == 1
    assert told.stderr.splitlines()[-1] == "rerankd: no such thing"


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    told = CliRunner().invoke(app, ["batch", "a.jsonl", "-o", str(tmp_path / "out")])
    assert told.exit_code == 1
    assert told.stderr == "rerankd: ray is not installed: pip install 'rerankd[ray]'\n"
    assert not (tmp_path / "out").exists()
