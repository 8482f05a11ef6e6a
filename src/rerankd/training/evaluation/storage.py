"""Reports as files: JSON for programs, one HTML page and its pictures for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rerankd.core.errors import InvalidRequestError
from rerankd.training.evaluation.pages import page
from rerankd.training.evaluation.plots import metrics_plot, queries_plot
from rerankd.training.evaluation.report import EvaluationReport, Summary, from_json, to_json
from rerankd.training.placing import write_bytes

REPORT, PAGE = "evaluation.json", "evaluation.html"


def save(report: EvaluationReport, directory: Path, *, metric: str = "ndcg@10") -> list[Path]:
    """Writes the report, its page and its pictures; gives the files, the report first."""
    directory.mkdir(parents=True, exist_ok=True)
    files = {
        REPORT: _encoded(to_json(report)),
        PAGE: page([report], metric=metric).encode(),
        "metrics.png": metrics_plot(report),
    }
    for number, system in enumerate(system for system in report.systems if system.scorer):
        if metric in system.metrics:
            files[f"queries-{number}.png"] = queries_plot(report, system.name, metric=metric)
    for name, content in files.items():
        write_bytes(directory / name, content)
    return [directory / name for name in files]


def load(directory: Path) -> EvaluationReport:
    """The report that `save` wrote.

    Raises:
        InvalidRequestError: There is none, or it is not readable.
    """
    try:
        value = json.loads((directory / REPORT).read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidRequestError(
            "there is no evaluation report, or it is damaged; evaluate again"
        ) from error
    return from_json(EvaluationReport, value)


def save_all(
    reports: Sequence[EvaluationReport],
    summaries: Sequence[Summary],
    *,
    json_path: Path | None,
    html_path: Path | None,
    metric: str = "ndcg@10",
) -> None:
    """Writes the reports of several corpora and their summaries into one file of each kind."""
    if json_path is not None:
        value = {"reports": [to_json(r) for r in reports], "summaries": [to_json(s) for s in summaries]}
        write_bytes(json_path, _encoded(value))
    if html_path is not None:
        write_bytes(html_path, page(reports, summaries, metric=metric).encode())


def _encoded(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"
