"""The clients of each language: what they need, how they are built, which commands their programs are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A built client."""

    name: str
    probe: list[str]
