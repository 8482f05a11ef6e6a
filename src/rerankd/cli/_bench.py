"""`rerankd bench`."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rerankd.cli._connection import client_options, credential_options
from rerankd.cli._failure import Failure, server_packages
from rerankd.cli._output import on_terminal, print_json
from rerankd.cli._progress import StageReporter, stage_bars
from rerankd.cli._settings import load_config, settings_options, usable_models

if TYPE_CHECKING:
    from rerankd.benchmarking.plan import OwnRequest, Plan, Precision
    from rerankd.benchmarking.report import Report
    from rerankd.benchmarking.workload import Workload
    from rerankd.config import Config

FAILED, INTERRUPTED = 1, 130
PRECISIONS = ("auto", "fp32", "fp16", "int8")
PICTURES = (".png", ".svg")


def _precisions(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    for name in names:
        if name not in PRECISIONS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(PRECISIONS)}")
    return names


def _picture(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and value.suffix.lower() not in PICTURES:
        raise click.BadParameter(f"{value.name!r} ends in none of {', '.join(PICTURES)}")
    return _into_folder(ctx, parameter, value)


def _into_folder(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Found out before a minute of measuring, and not after it."""
    if value is not None and not value.parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(value.parent)!r}")
    return value


_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--model",
    "--preset",
    "models",
    multiple=True,
    metavar="NAME",
    help="Model to measure; may repeat. Default: the configured one and up to three others that are on disk.",
)
@click.option(
    "--precision",
    "precisions",
    default="",
    callback=_precisions,
    metavar="NAME,...",
    help="Precisions to compare, the exact one first: auto, fp32, fp16, int8. Default: fp32 and, on a CPU, "
    "int8, on a GPU fp16.",
)
@click.option(
    "--latency-budget",
    "budgets",
    multiple=True,
    type=click.FloatRange(min=0, min_open=True),
    metavar="MS",
    help="Tell how many candidates a call may have to end in so many milliseconds; may repeat. "
    "Default: 50, 100, 200, 500 and 1000.",
)
@click.option(
    "--queries",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.jsonl",
    help='Your own data, in each line {"query": "...", "documents": ["...", ...]}, instead of made texts; '
    "precisions are then compared by their rankings too.",
)
@click.option("--quick", is_flag=True, help="Some 15 seconds instead of some 75: rougher figures.")
@click.option(
    "--server",
    "target",
    default="",
    metavar="TARGET",
    help="Measure a running server through its gRPC port too. It gets full load meanwhile.",
)
@click.option("--server-only", is_flag=True, help="With --server, load nothing here.")
@credential_options
@click.option(
    "--json",
    "json_file",
    type=_FILE,
    callback=_into_folder,
    metavar="FILE",
    help="Write the report as JSON; - prints it instead of the tables.",
)
@click.option(
    "--plot",
    "picture",
    type=_FILE,
    callback=_picture,
    metavar="FILE",
    help="Draw latency and throughput, as .svg or .png. Needs the extra bench.",
)
@settings_options
@click.pass_context
def bench(
    ctx: click.Context,
    *,
    models: tuple[str, ...],
    precisions: tuple[Precision, ...],
    budgets: tuple[float, ...],
    queries: Path | None,
    quick: bool,
    target: str,
    server_only: bool,
    json_file: Path | None,
    picture: Path | None,
    config_file: Path | None,
    settings: tuple[str, ...],
) -> None:
    """Measure this host: pairs a second, latencies, and how many candidates fit a latency budget.

    Loads models into this process, with the engine that a server has, and runs calls of 10, 100 and 1000
    documents and streams in each precision, in turns. Recommends settings for `rerankd serve --config`.
    Models that are not on disk are not downloaded: `rerankd models pull` does that.

    Ctrl-C ends the measuring and prints what there is. The exit status is 0 when all that was asked for was
    measured, 1 when some of it could not be, 130 after Ctrl-C.
    """
    if server_only and not target:
        raise click.UsageError("--server-only needs --server")
    config = load_config({}, settings, config_file)
    if picture is not None:
        with server_packages("bench"):
            import matplotlib  # noqa: F401 - whether it is there
    with server_packages():
        from rerankd.benchmarking.plan import BUDGETS_MS, Plan
    requests = _own_requests(queries) if queries is not None else []
    plan = Plan(
        workload=_workload(requests, queries),
        models=models,
        precisions=precisions,
        budgets_ms=tuple(sorted(set(budgets))) or BUDGETS_MS,
        requests=requests,
        quick=quick,
        target=target,
        client_options=client_options() if target else None,
        server_only=server_only,
    )
    report = _run(config, plan)
    _tell(report, json_file, picture)
    if not report.complete:
        ctx.exit(INTERRUPTED)
    ctx.exit(FAILED if report.failures else 0)


def _own_requests(path: Path) -> list[OwnRequest]:
    from rerankd.benchmarking.plan import OwnRequest
    from rerankd.core.warmup import read_samples

    return [
        OwnRequest(query=sample.query, texts=[document.text for document in sample.documents])
        for sample in read_samples(path)
        if sample.documents
    ]


def _workload(requests: list[OwnRequest], path: Path | None) -> Workload:
    from rerankd.benchmarking.workload import made_workload, own_workload

    if path is None:
        return made_workload()
    texts = [text for request in requests for text in request.texts]
    try:
        return own_workload([request.query for request in requests], texts)
    except ValueError as error:
        raise Failure(f"{path.name}: {error}") from error


def _run(config: Config, plan: Plan) -> Report:
    with stage_bars() as bars, usable_models():
        return asyncio.run(_measured(config, plan, bars))


async def _measured(config: Config, plan: Plan, bars: StageReporter) -> Report:
    from rerankd.benchmarking.running import Benchmark

    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def interrupt() -> None:
        # Whoever presses Ctrl-C again does not want to wait for what there is.
        loop.remove_signal_handler(signal.SIGINT)
        stop.set()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        return await Benchmark(config, plan, bars, stop).run()
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _tell(report: Report, json_file: Path | None, picture: Path | None) -> None:
    """Prints, writes and draws; on stderr what could not be measured."""
    from rerankd.cli._bench_view import print_plainly, print_tables

    if json_file is not None and str(json_file) == "-":
        print_json(report.as_json())
    else:
        (print_tables if on_terminal() else print_plainly)(report)
        if json_file is not None:
            json_file.write_text(json.dumps(report.as_json(), indent=1) + "\n", encoding="utf-8")
    for failure in report.failures:
        click.echo(f"rerankd: not measured: {failure}", err=True)
    if picture is not None and any(each.best_pairs_per_second for each in report.subjects):
        from rerankd.benchmarking.plot import draw

        draw(report, picture)
