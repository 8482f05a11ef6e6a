"""`rerankd status`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from rerankd.cli._connection import connect, json_option, server_option
from rerankd.cli._output import console, on_terminal, one_line, print_lines, print_message

if TYPE_CHECKING:
    from rich.table import Table

    from rerankd.v1 import rerank_service_pb2 as pb

NOT_READY = 1


@click.command()
@server_option
@click.option("--wait", is_flag=True, help="Wait until the server is there and its default model is warm.")
@click.option(
    "--timeout", type=float, default=300.0, show_default=True, help="Most seconds to wait, with --wait."
)
@json_option
@click.pass_context
def status(ctx: click.Context, *, target: str, wait: bool, timeout: float, as_json: bool) -> None:
    """Show a server's models, limits and queue.

    The exit status is 0 only when the server is ready, 1 otherwise.
    """
    with connect(target) as client:
        if wait:
            client.wait_until_ready(timeout)
        ready = client.is_ready()
        answer = client.status()
    if as_json:
        print_message(answer)
    elif on_terminal():
        _print_tables(answer, target, ready=ready)
    else:
        print_lines([("ready", str(ready).lower()), *_rows(answer)])
    ctx.exit(0 if ready else NOT_READY)


def _print_tables(answer: pb.StatusResponse, target: str, *, ready: bool) -> None:
    from rich.text import Text

    out = console()
    word = Text("ready", style="bold green") if ready else Text("not ready", style="bold yellow")
    up = _seconds(answer.uptime_duration.ToTimedelta().total_seconds())
    out.print(Text(f"rerankd {answer.version} at {target}, up {up}, "), word, sep="", end="\n\n")
    out.print(_models_table(answer))
    out.print()
    out.print(_pairs_table(row for row in _rows(answer) if row[0].startswith(("queue.", "limits."))))


def _models_table(answer: pb.StatusResponse) -> Table:
    from rich.table import Table
    from rich.text import Text

    from rerankd.v1 import rerank_service_pb2 as pb

    table = Table("model", "also", "state", "device", "provider", "precision", box=None, header_style="bold")
    colours = {pb.MODEL_STATE_ACTIVE: "green", pb.MODEL_STATE_FAILED: "red"}
    for model in answer.models:
        name = f"{model.id} (default)" if model.id == answer.default_model else model.id
        state = Text(_state(model), style=colours.get(model.state, "yellow"))
        table.add_row(name, ", ".join(model.aliases), state, model.device, model.provider, model.precision)
        if model.error_message:
            table.add_row("", "", Text(one_line(f"{model.error_reason}: {model.error_message}"), style="red"))
    return table


def _pairs_table(rows: Iterator[tuple[str, object]]) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False)
    for key, value in rows:
        table.add_row(key, f"{value:,}" if isinstance(value, int) else str(value))
    return table


def _rows(answer: pb.StatusResponse) -> Iterator[tuple[str, object]]:
    yield "version", answer.version
    yield "default_model", answer.default_model
    for model in answer.models:
        yield f"models.{model.id}.state", _state(model)
        for name in ("revision", "backend", "device", "provider", "precision", "error_message"):
            if value := getattr(model, name):
                yield f"models.{model.id}.{name}", value
    yield "queue.documents", answer.queue.documents
    yield "queue.tokens", answer.queue.tokens
    for field in answer.limits.DESCRIPTOR.fields:
        value = getattr(answer.limits, field.name)
        seconds = field.message_type is not None
        yield f"limits.{field.name}", _seconds(value.ToTimedelta().total_seconds()) if seconds else value


def _state(model: pb.ModelStatus) -> str:
    from rerankd.v1 import rerank_service_pb2 as pb

    if model.state not in pb.ModelState.values():
        return str(model.state)
    return pb.ModelState.Name(model.state).removeprefix("MODEL_STATE_")


def _seconds(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
