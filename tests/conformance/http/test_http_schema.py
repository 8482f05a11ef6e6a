"""schemathesis reads the served OpenAPI document and tries what it says, and what it forbids."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from http_settings import ADMIN_TOKEN
from support.http_server import ask
from support.sdk_environments import python_of

HERE = Path(__file__).parent
EXAMPLES = "25"
FEWEST_CASES = 30
"""Of each operation, on average."""

PHASES = ("coverage", "fuzzing")

# A body can fit the schema and name a model that is not here, or fields that no document has.
UNKNOWABLE = ("positive_data_acceptance",)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("server", "selection", "operations"),
    [
        # Changes of the configuration go to a server of their own: they change what is refused.
        ("small", ("--exclude-method", "PATCH"), 18),
        ("admin", ("--include-path", "/config/reranking"), 2),
    ],
    ids=["all but changes", "changes"],
)
def test_the_document_is_true(
    url_of: Callable[[str], str], server: str, selection: Sequence[str], operations: int, tmp_path: Path
) -> None:
    url = url_of(server)
    schemathesis = python_of("schemathesis").with_name("schemathesis")
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            *(schemathesis, "--config-file", HERE / "schemathesis.toml", "run", f"{url}/openapi.json"),
            # The same cases each time: chance finds no fault that the next run does not.
            *("--generation-deterministic", "--max-examples", EXAMPLES, "--phases", ",".join(PHASES)),
            *("--checks", "all", "--exclude-checks", ",".join(UNKNOWABLE), "--continue-on-failure"),
            *("--header", f"Authorization: Bearer {ADMIN_TOKEN}", *selection),
            *("--no-color", "--report-json-path", report),
        ],
        cwd=tmp_path,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    told = json.loads(report.read_text())
    assert told["operations"]["tested"] == told["operations"]["selected"] >= operations
    assert told["operations"]["errored"] == 0
    assert told["test_cases"]["generated"] >= FEWEST_CASES * operations
    assert {name for name, phase in told["phases"].items() if phase["status"] == "success"} >= set(PHASES)
    assert ask(url, "GET", "/health").status == 200
