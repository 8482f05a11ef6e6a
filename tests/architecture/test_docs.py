"""Reference pages equal the tables in code; tests/docs_site checks links, and that nothing is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


# It imports every door, and asks buf for the contract.
@pytest.mark.timeout(300)
def test_reference_pages_are_fresh() -> None:
    run = subprocess.run(
        [sys.executable, "scripts/gen_docs", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
