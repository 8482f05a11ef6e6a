"""Each client's example that ranks a file, larger than one message takes, against the real server."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Protocol

import pytest
from support.languages import Client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RIGHT = "Paris is the capital of France."


class Server(Protocol):
    """What the fixture `server` of tests/conftest.py gives."""

    target: str


def test_it_prints_the_best_lines(client: Client, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "documents.jsonl"
    with path.open("w", encoding="utf-8") as lines:
        for i in range(1100):
            text = RIGHT if i == 1050 else f"Bread number {i}."
            lines.write(json.dumps({"id": f"d{i}", "text": text}) + "\n")
    values = {"target": server.target, "query": "capital of France", "file": str(path), "top": "3"}
    done = subprocess.run(
        [part.format(**values) for part in client.rerank_file],
        env=os.environ | {"LC_ALL": "C.UTF-8", "COLUMNS": "200"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if "d1050" in line or "Bread" in line or RIGHT in line]
    assert len(told) == 3, done.stdout
    assert RIGHT in told[0]


def test_it_says_why_it_fails(client: Client, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "documents.jsonl"
    path.write_text("", encoding="utf-8")
    values = {"target": server.target, "query": "q", "file": str(path), "top": "3"}
    done = subprocess.run(
        [part.format(**values) for part in client.rerank_file],
        env=os.environ | {"LC_ALL": "C.UTF-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "documents" in done.stderr
