"""Every test that the threat model names exists, and every threat has one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "threat_model.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/.]+)::(\w+)`", PAGE)))


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, functions) and node.name.startswith("test_")}


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_what_the_page_names_exists(file: str, name: str) -> None:
    assert (ROOT / file).is_file(), file
    assert name in names_in(ROOT / file), f"{file} has no {name}"


def test_every_row_has_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    headings = [row for row in rows if row.rstrip(" |").endswith("shown by")]
    assert len(headings) >= 5
    assert not [row for row in rows if row not in headings and "`tests/" not in row]
