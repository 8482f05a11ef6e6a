"""`rerankd batch`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rerankd.cli._batch_options import columns_options, ranking_options, worker_options
from rerankd.cli._connection import json_option
from rerankd.cli._failure import Failure, server_packages
from rerankd.cli._output import print_json, print_lines
from rerankd.cli._progress import stage_bars
from rerankd.cli._settings import load_config, settings_options

if TYPE_CHECKING:
    from rerankd.batch.job import Columns, Job
    from rerankd.batch.running import Progress, Report, Workers
    from rerankd.core.types import Options

WITH_ERRORS = 1
_MIB = 1024 * 1024


@click.command()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option("-o", "--output", required=True, help="Folder, or URI of one, that the results go to.")
@click.option("--pairs", is_flag=True, help="A row is a query with one document, not with a list of them.")
@columns_options
@click.option("--return-documents", is_flag=True, help="Results bring their documents; pairs always do.")
@click.option("--model", help="Id, preset, alias or directory.")
@ranking_options
@worker_options
@click.option("--block-mib", default=4.0, show_default=True, type=click.FloatRange(min=0.001, max=1024))
@click.option("--restart", is_flag=True, help="Remove results that are there, and begin anew.")
@settings_options
@json_option
@click.pass_context
def batch(
    ctx: click.Context,
    *,
    inputs: tuple[str, ...],
    output: str,
    pairs: bool,
    columns: Columns,
    return_documents: bool,
    model: str | None,
    options: Options,
    workers: Workers,
    block_mib: float,
    restart: bool,
    config_file: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Rerank datasets of Parquet or JSON lines, of any size.

    INPUT is a file or a folder, here or wherever Arrow reaches (s3://, gs://). Each row is a query with a
    list of documents, texts or objects with `text` and `id`; the result is the row with `results` in
    their place. With --pairs each row has one document; the best rows of each query come out with `rank`
    and `score`. What cannot be ranked has its reason in `error`, and the exit status is then 1.

    Stopped or killed, the same command goes on where it was: blocks of --block-mib that are done are not
    done again. Needs the extra ray.
    """
    config = load_config({"model": model}, settings, config_file)
    with server_packages("ray"):
        from rerankd.batch.job import Job
    job = Job(
        inputs=inputs,
        output=output,
        config=config,
        options=options,
        shape="pairs" if pairs else "lists",
        columns=columns,
        return_documents=return_documents,
        block_bytes=round(block_mib * _MIB),
    )
    end = _run(job, workers, restart=restart)
    _print(end, as_json=as_json)
    ctx.exit(WITH_ERRORS if end.errors else 0)


def _run(job: Job, workers: Workers, *, restart: bool) -> Progress:
    from rerankd.batch.job import BatchError

    try:
        with server_packages("ray"), _reporting() as report:
            from rerankd.batch.running import run

            return run(job, workers, report, restart=restart)
    except BatchError as error:
        raise Failure(str(error)) from error


@contextmanager
def _reporting() -> Iterator[Report]:
    """A bar on a terminal, a line a block elsewhere; both on stderr."""
    with stage_bars() as bars:

        def report(now: Progress) -> None:
            blocks = f"block {now.parts_done}/{now.parts}"
            text = f"{now.queries:,} queries, {now.documents:,} documents"
            if sys.stderr.isatty():
                bars("rerank", now.parts_done / max(1, now.parts), f"{blocks}, {text}")
            else:
                click.echo(f"{blocks}: {text}", err=True)

        yield report


def _print(end: Progress, *, as_json: bool) -> None:
    rows = (
        ("queries", end.queries),
        ("documents", end.documents),
        ("queries_with_error", end.errors),
        ("blocks", end.parts),
        ("blocks_of_earlier_runs", end.parts_kept),
        ("model", end.model),
    )
    if as_json:
        print_json(dict(rows))
    else:
        print_lines(rows)
