"""Options of `rerankd batch`, in groups: each becomes one value."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from rerankd.cli._failure import server_packages

F = TypeVar("F", bound=Callable[..., Any])


def _grouped(command: F, option: Callable[[F], F], name: str, make: Callable[..., object]) -> F:
    """Adds options to a command, which gets what `make` makes of them under one name."""

    @wraps(command)
    def call(**given: Any) -> Any:
        theirs = {key: given.pop(key) for key in list(given) if key in taken}
        return command(**given, **{name: make(**theirs)})

    # The wrapper has the list of the command's options, to which its own are added.
    before = len(getattr(call, "__click_params__", ()))
    grouped = option(call)  # type: ignore[arg-type]
    taken = {parameter.name for parameter in grouped.__click_params__[before:]}  # type: ignore[attr-defined]
    return grouped


def _together(*options: Callable[[F], F]) -> Callable[[F], F]:
    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def columns_options(command: F) -> F:
    """Names of columns, as `columns`."""

    def columns(query: str, documents: str, document: str, group: str) -> object:
        with server_packages("ray"):
            from rerankd.batch.job import Columns
        return Columns(query=query, documents=documents, document=document, group=group)

    options: Callable[[F], F] = _together(
        click.option("--query-column", "query", default="query", show_default=True),
        click.option("--documents-column", "documents", default="documents", show_default=True),
        click.option("--document-column", "document", default="document", show_default=True),
        click.option("--group-column", "group", default="", help="Rows ranked together; default: the query."),
    )
    return _grouped(command, options, "columns", columns)


def ranking_options(command: F) -> F:
    """How a query is ranked, as `options`."""

    def ranking(best_passage: bool, **given: Any) -> object:
        with server_packages("ray"):
            from rerankd.core.types import LongDocument, Options
        mode = LongDocument.BEST_PASSAGE if best_passage else LongDocument.TRUNCATE_END
        return Options(long_document=mode, **given)

    options: Callable[[F], F] = _together(
        click.option("-n", "--top-n", default=0, type=click.IntRange(min=0), help="Results kept; 0 = all."),
        click.option("--raw-scores", is_flag=True, help="Logits instead of scores from 0 to 1."),
        click.option("--best-passage", is_flag=True, help="Score long documents in windows."),
        click.option("--min-score", type=float, help="Leave out what scores less."),
        click.option("--instruction", default="", help="What relevance means, for models that take it."),
    )
    return _grouped(command, options, "options", ranking)


def worker_options(command: F) -> F:
    """Who does the work, as `workers`."""

    def workers(count: int, cpus: float, gpus: float, address: str) -> object:
        with server_packages("ray"):
            from rerankd.batch.running import Workers
        return Workers(count=count, cpus=cpus, gpus=gpus, address=address)

    share = click.FloatRange(min=0)
    options: Callable[[F], F] = _together(
        click.option("--workers", "count", default=1, show_default=True, type=click.IntRange(min=1)),
        click.option("--cpus", default=0.0, type=share, help="Of a worker; default: its share of them all."),
        click.option("--gpus", default=0.0, type=share, help="Of a worker; 0.5 lets two share one."),
        click.option("--ray", "address", default="local", show_default=True, help="Address of a cluster."),
    )
    return _grouped(command, options, "workers", workers)
