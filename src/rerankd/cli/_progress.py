"""Bars for the stages of a load, on stderr and only on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rerankd.cli._output import console

StageReporter = Callable[[str, float, str], None]
"""Takes the name of a stage, how much of it is done from 0 to 1, and a detail to show."""


def _silent(stage: str, share: float, detail: str) -> None:
    """Reports nothing: nobody watches."""


@contextmanager
def stage_bars() -> Iterator[StageReporter]:
    """One bar for each stage that is reported."""
    out = console(stderr=True)
    if not out.is_terminal:
        yield _silent
        return
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    bars: dict[str, TaskID] = {}
    progress = Progress(
        TextColumn("{task.description:10}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
        console=out,
        transient=True,
    )

    def report(stage: str, share: float, detail: str) -> None:
        if stage not in bars:
            # Stages follow each other: when one begins, the others are over.
            for bar in bars.values():
                progress.update(bar, completed=1.0)
            bars[stage] = progress.add_task(stage, total=1.0, detail="")
        progress.update(bars[stage], completed=share, detail=detail)

    with progress:
        yield report
