"""docs/new_user.md tells the path that scripts/new_user_path goes, with what each step printed and took."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "new_user.md"


def test_the_page_tells_what_the_script_does() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/new_user_path", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_each_step_was_measured() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d)\. (.+) \| ([\d.]+) \| (\d+) \|$", page, re.MULTILINE)
    steps = re.findall(r"^## (\d)\. (.+)$", page, re.MULTILINE)
    assert [(number, title) for number, title, _, _ in rows] == steps
    since = [int(row[3]) for row in rows]
    assert since == sorted(since)
    # Both programs find the second document, and its score is the same by both doors.
    assert "Too much salt" in page
    assert str(ROOT) not in page
