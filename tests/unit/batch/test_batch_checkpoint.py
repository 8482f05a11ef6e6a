"""What a second run makes of the first one's notes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rerankd.batch.checkpoint import Checkpoint, Part, PartDone, model_of
from rerankd.batch.files import InputFile
from rerankd.batch.job import BatchError, Job
from rerankd.config import Config
from rerankd.core.types import Options

FILES = [InputFile(uri="a.jsonl", size=10, modified="1")]


def done(number: int, *models: str) -> PartDone:
    return PartDone(number=number, queries=2, documents=7, errors=0, models=models)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(inputs=("a.jsonl",), output=str(tmp_path / "out"), config=Config())


def test_a_second_run_knows_what_is_done(job: Job) -> None:
    first = Checkpoint(job.output)
    first.begin(job, FILES, restart=False)
    first.finish(Part(number=3, pieces=()), done(3, "m@1"))
    second = Checkpoint(job.output)
    second.begin(job, FILES, restart=False)
    assert second.done() == {3: done(3, "m@1")}


def test_a_result_without_its_note_is_not_done(job: Job) -> None:
    checkpoint = Checkpoint(job.output)
    checkpoint.begin(job, FILES, restart=False)
    Path(job.output, "part-000000.jsonl").write_text("{}\n")
    Path(job.output, "_rerankd", ".part-000000.json.abc").write_text('{"number"')
    assert checkpoint.done() == {}


@pytest.mark.parametrize(
    ("changed", "files", "told"),
    [
        ({"options": Options(top_n=3)}, FILES, "options"),
        ({"block_bytes": 1}, FILES, "block_bytes"),
        ({"config": Config(model="quality")}, FILES, "model"),
        ({"config": Config(onnx={"precision": "int8"})}, FILES, "settings"),
        ({"config": Config(reranking={"snippet_chars": 9})}, FILES, "settings"),
        ({}, [replace(FILES[0], modified="2")], "inputs"),
    ],
)
def test_another_run_s_results_are_left_alone(
    job: Job, changed: dict[str, object], files: list[InputFile], told: str
) -> None:
    Checkpoint(job.output).begin(job, FILES, restart=False)
    with pytest.raises(BatchError, match=f"with other {told}: .*--restart"):
        Checkpoint(job.output).begin(replace(job, **changed), files, restart=False)


def test_restart_removes_what_is_there(job: Job) -> None:
    Checkpoint(job.output).begin(job, FILES, restart=False)
    Checkpoint(job.output).finish(Part(number=0, pieces=()), done(0))
    other = replace(job, block_bytes=1)
    Checkpoint(job.output).begin(other, FILES, restart=True)
    assert Checkpoint(job.output).done() == {}


def test_a_folder_of_somebody_else_is_left_alone(job: Job) -> None:
    for restart in (False, True):
        Path(job.output).mkdir(exist_ok=True)
        Path(job.output, "thesis.tex").write_text("")
        with pytest.raises(BatchError, match=r"no run of rerankd made it \(thesis.tex\)"):
            Checkpoint(job.output).begin(job, FILES, restart=restart)
        assert Path(job.output, "thesis.tex").exists()


def test_scores_of_two_models_are_noticed() -> None:
    assert model_of([done(0), done(1, "m@1"), done(2, "m@1")]) == "m@1"
    assert model_of([]) == ""
    with pytest.raises(BatchError, match="m@1, m@2"):
        model_of([done(1, "m@1"), done(2, "m@2")])
