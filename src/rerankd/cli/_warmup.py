"""`rerankd warmup`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rerankd.cli._connection import connect, json_option, server_option
from rerankd.cli._output import print_message
from rerankd.cli._progress import stage_bars

if TYPE_CHECKING:
    from rerankd.client import ModelStatus, WarmupResponse


@click.command()
@click.argument("model", default="")
@server_option
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=300.0,
    show_default=True,
    help="Most seconds to wait; the load goes on afterwards.",
)
@json_option
def warmup(*, model: str, target: str, timeout: float, as_json: bool) -> None:
    """Make a server load MODEL and wait until it is warm.

    Without MODEL it is the server's default one. A load that is under way is joined.
    """
    from rerankd.v1 import rerank_service_pb2 as pb

    with connect(target) as client, stage_bars() as report:

        def on_progress(message: WarmupResponse) -> None:
            if message.stage != pb.WARMUP_STAGE_DONE:
                report(stage_name(message.stage), message.progress, message.detail)

        status = client.warmup(model, on_progress=on_progress, timeout_seconds=timeout)
    if as_json:
        print_message(status)
    else:
        click.echo(_sentence(status))


def stage_name(stage: int) -> str:
    """The stage in a word; its number if a later server sends one that is not known here."""
    from rerankd.v1 import rerank_service_pb2 as pb

    names: dict[int, str] = {value: name for name, value in pb.WarmupStage.items()}
    return names.get(stage, f"stage {stage}").removeprefix("WARMUP_STAGE_").lower()


def _sentence(status: ModelStatus) -> str:
    seconds = sum(stage.duration.ToTimedelta().total_seconds() for stage in status.stages)
    where = ", ".join(part for part in (status.device, status.provider, status.precision) if part)
    return f"{status.id} is warm ({where or status.backend}; loading took {seconds:.1f} s)"
