"""`rerankd health`."""

from __future__ import annotations

import click

from rerankd.cli._connection import connect, server_option
from rerankd.cli._failure import Failure


@click.command()
@server_option
@click.option("--service", default=None, help="Health name; default: ready. '' = the process alone.")
@click.option("--timeout", type=float, default=3.0, show_default=True, help="Seconds to wait for the answer.")
def health(*, target: str, service: str | None, timeout: float) -> None:
    """Ask grpc.health.v1 once, as a probe does; the exit status tells.

    0 = SERVING, 1 = anything else. `rerankd.model/ID` is the name of a model. Needs no key.
    """
    with connect(target) as client:
        names = () if service is None else (service,)
        if not client.is_ready(*names, timeout_seconds=timeout):
            raise Failure(f"{target} answers, but is not SERVING{f' {service}' if service else ''}")
    click.echo("SERVING")
