"""`rerankd bench` for real: the bundled model here and behind a server, a file of own data, and Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic import TypeAdapter
from support.servers import ServerProcess
from test_cli import QUERY, SAMPLE, STYLE, read, rerankd, rows

from rerankd.benchmarking.report import CaseFigures, Report
from rerankd.cli._metrics_page import parse
from rerankd.config import Config

# Loading and the fifteen seconds of --quick, on a machine that other tests may share.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def check_case(case: CaseFigures) -> None:
    """What holds on every machine."""
    if not case.calls:
        assert case.left_out
        return
    assert case.p50_ms is not None
    assert case.p95_ms is not None
    assert case.p99_ms is not None
    assert 0 < case.p50_ms <= case.p95_ms <= case.p99_ms
    assert case.padding_share is None or 0 <= case.padding_share < 1
    if case.kind == "stream":
        assert case.first_score_p50_ms is not None
        assert 0 < case.first_score_p50_ms <= case.p99_ms


def check_report(content: dict[str, Any]) -> Report:
    """Held against the types that write it: no field too many or too few, and what always holds."""
    report = TypeAdapter(Report).validate_python(content)
    assert json.loads(json.dumps(report.as_json())) == content
    assert report.schema_version == 1
    for subject in report.subjects:
        assert subject.best_pairs_per_second > 0
        assert subject.cases[0].calls > 0
        for case in subject.cases:
            check_case(case)
        assert subject.fit is not None
        for room in subject.room:
            assert 0 <= room.candidates_p99 <= room.candidates
    return report


def test_here_and_behind_a_server(server: ServerProcess, tmp_path: Path) -> None:
    json_file, picture = tmp_path / "report.json", tmp_path / "picture.svg"
    done = rerankd(
        *("bench", "--quick", "--server", server.target, "--latency-budget", "150"),
        *("--json", str(json_file), "--plot", str(picture)),
    )
    assert (done.returncode, done.stderr) == (0, "")
    text = json_file.read_text(encoding="utf-8")
    report = check_report(json.loads(text))
    assert report.complete
    here, coarse, served = report.subjects
    assert [s.name for s in report.subjects] == [
        "rerankd/mini-en fp32",
        "rerankd/mini-en int8",
        "rerankd/mini-en fp32 server",
    ]
    assert (here.facts.where, coarse.facts.precision, served.facts.where) == ("in-process", "int8", "server")
    assert here.facts.lanes >= 1
    assert here.facts.memory_mib is not None
    assert here.cases[0].padding_share is not None
    # A server tells no caller how it packs.
    assert served.cases[0].padding_share is None
    assert [room.budget_ms for room in here.room] == [150]
    (found,) = report.recommendations
    config = Config.model_validate(tomllib.loads(found.toml))
    assert (config.model, config.onnx.precision) == ("rerankd/mini-en", found.precision)
    assert (config.onnx.lanes, config.onnx.batch_tokens) == (found.lanes, found.batch_tokens)
    # Reports are shown around.
    assert str(Path.home()) not in text
    assert len(socket.gethostname()) < 4 or socket.gethostname() not in text
    assert ElementTree.parse(picture).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    told = rows(done.stdout)
    assert [row[1] for row in told if row[0] == "fit"] == [s.name for s in report.subjects]
    assert ["setting", "rerankd/mini-en", "onnx.precision", found.precision] in told


def own_data(path: Path) -> Path:
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    other = ["The pump failed.", "Salt is mined.", *lines[:4]]
    queries = [{"query": QUERY, "documents": lines}, {"query": "why did the pump fail", "documents": other}]
    path.write_text("\n".join(json.dumps(query) for query in queries))
    return path


def test_with_own_data_precisions_are_compared_by_their_rankings(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    done = rerankd(
        *("bench", "--quick", "--queries", str(own_data(tmp_path / "own.jsonl"))),
        *("--json", "-", "--plot", str(picture)),
    )
    assert (done.returncode, done.stderr) == (0, "")
    report = check_report(json.loads(done.stdout))
    assert (report.text.source, report.text.queries, report.text.documents) == ("own", 2, 10)
    # No call has more documents than there are.
    assert {case.documents for subject in report.subjects for case in subject.cases} == {10}
    (close,) = report.closeness
    assert (close.subject, close.compared_with) == ("rerankd/mini-en int8", "rerankd/mini-en fp32")
    assert close.requests == 2
    assert 0.5 < close.top10_overlap <= 1
    assert 0 < close.mean_drift <= close.max_drift < 0.5
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def cache_hits(server: ServerProcess) -> float:
    with urllib.request.urlopen(f"{server.http_url}/metrics") as page:
        return parse(page.read().decode(), 0.0).total("rerankd_score_cache_hits_total")


def test_a_servers_score_cache_is_not_what_is_measured(server: ServerProcess) -> None:
    """The server of this test has a cache, as all have that do not turn it off."""
    before = cache_hits(server)
    done = rerankd("bench", "--quick", "--server", server.target, "--server-only", "--json", "-")
    assert (done.returncode, done.stderr) == (0, "")
    (served,) = check_report(json.loads(done.stdout)).subjects
    assert sum(case.calls for case in served.cases) > 2
    assert cache_hits(server) == before
    assert served.facts.provider == "CPUExecutionProvider"


def test_what_is_not_on_disk_is_said_and_never_fetched(tmp_path: Path) -> None:
    done = rerankd(
        "bench",
        "--quick",
        "--model",
        "nobody/nothing",
        "--set",
        f"models.cache_dir={tmp_path}",
        "--json",
        "-",
    )
    assert done.returncode == 1
    report = TypeAdapter(Report).validate_json(done.stdout)
    assert (report.subjects, report.recommendations) == ([], [])
    assert len(report.failures) == 2
    assert "rerankd models pull nobody/nothing" in report.failures[0]
    assert "not measured: nobody/nothing fp32: MODEL_FAILED" in done.stderr


def test_a_directory_is_called_by_its_last_part(tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    done = rerankd("bench", "--model", str(folder), "--precision", "fp32", "--json", "-")
    assert done.returncode == 1
    (failure,) = json.loads(done.stdout)["failures"]
    assert failure.startswith("my-model fp32: ")
    assert str(tmp_path) not in done.stdout


def test_a_server_that_is_not_there_is_said() -> None:
    done = rerankd("bench", "--server", "127.0.0.1:1", "--server-only")
    assert done.returncode == 1
    assert "not measured: server: UNAVAILABLE" in done.stderr


def test_ctrl_c_prints_what_there_is() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "130", "LINES": "40", "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-m", "rerankd", "bench", "--precision", "fp32"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    ) as process:
        os.close(theirs)
        seen = b""
        asked = False
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            while chunk := read(terminal.fileno()):
                seen += chunk
                if b"measure" in seen and not asked:
                    asked = True
                    process.send_signal(signal.SIGINT)
    told = STYLE.sub("", seen.decode())
    assert process.returncode == 130
    assert "interrupted: figures are rougher" in told
    assert "Traceback" not in told
