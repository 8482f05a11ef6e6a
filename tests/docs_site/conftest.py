"""The documentation site, built once for all tests of this folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from docs_site.pages import Site, read_site

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "docs"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), *arguments],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site; skips where Sphinx cannot be had. With CI=true that is a failure."""
    installed = run("--install")
    if installed.returncode:
        said = installed.stderr.strip().splitlines() or [f"exit status {installed.returncode}"]
        message = f"the environment of scripts/docs cannot be made: {said[-1]}"
        if os.environ.get("CI") == "true":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    output = tmp_path_factory.mktemp("docs") / "html"
    built = run("--output", str(output))
    assert built.returncode == 0, built.stderr
    return read_site(output)
