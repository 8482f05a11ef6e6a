"""Options of the commands that talk to a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

F = TypeVar("F", bound=Callable[..., object])

DEFAULT_TARGET = "localhost:50051"

server_option = click.option(
    "--server",
    "target",
    envvar="RERANKD_TARGET",
    default=DEFAULT_TARGET,
    show_default=True,
    show_envvar=True,
    metavar="TARGET",
    help="Address of the gRPC port.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
