"""A key file for tests that need no more than that there is one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rerankd.access.key_file import KeyRecord, digest_of, line_of

Metadata = tuple[tuple[str, str], ...]


def write_keys(file: Path, names: Mapping[str, KeyRecord | None]) -> None:
    """Keys whose secrets are their own names; `None` = one that may do what keys do by default."""
    lines = []
    for name, record in names.items():
        plain = record or KeyRecord(sha256="0" * 64)
        lines.append(line_of(name, plain.model_copy(update={"sha256": digest_of(name)})))
    file.write_text("\n".join(lines))


def shown(name: str) -> Metadata:
    """What a caller with that key sends."""
    return (("authorization", f"Bearer {name}"),)
