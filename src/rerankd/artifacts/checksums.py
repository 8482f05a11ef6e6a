"""Digests of files, and the lists of them that come with models."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

SUMS_FILE = "SHA256SUMS"
_BLOCK = 1 << 20


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_sha1_of(path: Path) -> str:
    """Hex id that git gives the file's content."""
    # The Hub announces this digest, and no other, for files outside LFS; it guards against
    # accidents, the sha256 of everything that is large guards against more.
    digest = hashlib.sha1(usedforsecurity=False)
    digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def combined(digests: Mapping[str, str]) -> str:
    """One digest for a set of files: `sha256:` and 12 hex digits."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()[:12]


def read_sums(directory: Path) -> dict[str, str]:
    """The directory's SHA256SUMS, name -> digest; empty where it has none."""
    try:
        lines = (directory / SUMS_FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    parts = (line.split(maxsplit=1) for line in lines)
    # sha256sum marks files that it read in binary mode with an asterisk.
    return {
        part[1].strip().removeprefix("*").removeprefix("./"): part[0].lower()
        for part in parts
        if len(part) == 2
    }
