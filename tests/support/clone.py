"""A copy of this tree as a fresh clone is, whose .venv is the environment that the tests run in."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def make_clone(folder: Path) -> Path:
    """Copies what git would, and stands in for what `scripts/setup_venv` would install; the copy's root.

    Commands of the copy run its own sources, and its setup finds that everything is installed.
    """
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line]
    root = shutil.copytree(ROOT, folder / "rerankd", ignore=shutil.ignore_patterns(".git", *ignored))
    programs = root / ".venv" / "bin"
    programs.mkdir(parents=True)
    python = f'#!/bin/sh\nexport PYTHONPATH="{root}/src"\nexec "{sys.executable}"'
    for name, arguments in {"python": "", "rerankd": " -m rerankd", "pytest": " -m pytest"}.items():
        program = programs / name
        program.write_text(f'{python}{arguments} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    for lock in ("server", "dev"):
        wanted = subprocess.run(
            f"cat requirements/{lock}.lock pyproject.toml | cksum",
            shell=True,
            cwd=root,
            capture_output=True,
            check=True,
        )
        (root / ".venv" / f".installed-{lock}").write_bytes(wanted.stdout)
    return root
