"""Which queries train, which stop a run early, which judge it: never the same ones."""

from __future__ import annotations

from dataclasses import dataclass


def query_key(text: str) -> str:
    """What two queries share that differ in case, white space, punctuation or Unicode form alone."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRule:
    """How splits are made that a corpus does not bring: by a hash of each query's key."""

    dev_fraction: float = 0.1
    test_fraction: float = 0.2
