"""What `rerankd bench` shows, and what it refuses before it measures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.benchmark_figures import facts, measured_cells, report

from rerankd.benchmarking.recommend import recommendation
from rerankd.benchmarking.report import Closeness, Report, figures_of
from rerankd.cli._app import app
from rerankd.cli._bench_view import print_plainly, print_tables


def full_report() -> Report:
    plain = report()
    close = Closeness(
        subject="test/model int8",
        compared_with="test/model fp32",
        requests=10,
        top10_overlap=0.94,
        mean_drift=0.001,
        max_drift=0.02,
    )
    return report(
        complete=False,
        lane_trials=figures_of(measured_cells(facts("int8", lanes=1)), ()),
        closeness=[close],
        recommendations=[recommendation(plain.subjects[1], ["it is twice as fast"])],
        notes=["big/model is left out"],
    )


def test_tables_say_it_all(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "130")
    print_tables(full_report())
    told = capsys.readouterr().out
    for words in (
        "Test CPU, 2 cores",
        "made texts",
        "interrupted",
        "test/model int8, 1 lane ",
        "20.0%",
        "a call would take about 9 s: one call of 1000 documents",
        "94% of the first ten",
        "* more than the largest call",
        "big/model is left out",
        "it is twice as fast",
        'precision = "int8"',
    ):
        assert words in told
    assert max(map(len, told.splitlines())) <= 130


def test_lines_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    print_plainly(full_report())
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    kinds = [row[0] for row in rows]
    assert kinds.count("calls") == 15
    assert kinds.count("candidates") == 4
    calls = next(row for row in rows if row[0] == "calls")
    assert calls[1:6] == ["test/model fp32", "unary", "10", "1", "30"]
    assert {len(row) for row in rows if row[0] == "calls"} == {13}
    assert ["setting", "test/model", "onnx.lanes", "2"] in rows
    assert ["note", "big/model is left out"] in rows


def test_a_report_of_nothing_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = report(subjects=[])
    print_tables(nothing)
    print_plainly(nothing)
    assert "Test CPU" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--precision", "fp32,int4"], "'int4' is none of auto, fp32, fp16, int8"),
        (["--plot", "picture.pdf"], "'picture.pdf' ends in none of .png, .svg"),
        (["--plot", "nowhere/picture.png"], "there is no folder 'nowhere'"),
        (["--json", "nowhere/report.json"], "there is no folder 'nowhere'"),
        (["--latency-budget", "0"], "0"),
        (["--queries", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--server-only"], "--server-only needs --server"),
    ],
)
def test_wrong_use_is_refused_at_once(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["bench", *arguments])
    assert done.exit_code == 2
    assert words in done.output


@pytest.mark.parametrize(
    ("text", "words"),
    [('{"query": "a"}\n', "own.jsonl line 1"), ('{"query": "a", "documents": []}\n', "nothing to rank")],
)
def test_own_data_that_cannot_be_read_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "own.jsonl").write_text(text)
    done = CliRunner().invoke(app, ["bench", "--queries", str(tmp_path / "own.jsonl")])
    assert done.exit_code == 1
    assert words in done.output


def test_without_the_extra_a_plot_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    script = "import sys; sys.modules['matplotlib'] = None\nfrom rerankd.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", script, "bench", "--plot", str(tmp_path / "picture.svg")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr == "rerankd: matplotlib is not installed: pip install 'rerankd[bench]'\n"
