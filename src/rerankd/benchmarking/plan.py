"""What is to be measured, and how long it may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rerankd.benchmarking.measure import Case
from rerankd.benchmarking.workload import Workload
from rerankd.client import ClientOptions

Precision = Literal["auto", "fp32", "fp16", "int8"]

BUDGETS_MS = (50.0, 100.0, 200.0, 500.0, 1000.0)
"""Latencies that are told where none is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRequest:
    """A query of the caller's own with its documents."""

    query: str
    texts: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be measured."""

    workload: Workload
    models: Sequence[str] = ()
    """Names of models, or directories; empty = those that are here."""
    precisions: Sequence[Precision] = ()
    """The first one is what the others are compared with; empty = fp32 and what is faster on this host."""
    budgets_ms: Sequence[float] = BUDGETS_MS
    requests: Sequence[OwnRequest] = ()
    """What precisions are compared by."""
    quick: bool = False
    target: str = ""
    """Address of a server to measure besides; empty = none."""
    client_options: ClientOptions | None = None
    server_only: bool = False

    @property
    def total_seconds(self) -> float:
        """What all of it may take, loading included, where loading leaves enough of it."""
        return 15.0 if self.quick else 75.0

    @property
    def least_seconds(self) -> float:
        """What measuring gets however long loading took."""
        return 5.0 if self.quick else 30.0

    @property
    def cases(self) -> list[Case]:
        """Kinds of calls, the short ones first; none with more documents than there are."""
        most = len(self.workload.texts)
        crowds, stream = ([(100, 4)], 200) if self.quick else ([(10, 8), (100, 4)], 1000)
        wanted = [
            *(Case(documents=min(most, count)) for count in (10, 100)),
            *(Case(documents=min(most, count), callers=callers) for count, callers in crowds),
            Case(documents=min(most, 1000)),
            Case(documents=min(most, stream), kind="stream"),
        ]
        return list(dict.fromkeys(wanted))

    @property
    def lane_cases(self) -> list[Case]:
        """What numbers of lanes are tried with: a lone caller, who may have to wait longer, and four."""
        size = min(100, len(self.workload.texts))
        return [Case(documents=size), Case(documents=size, callers=4)]
