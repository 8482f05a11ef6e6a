"""`rerankd debug-bundle`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from rerankd.cli._connection import given_token
from rerankd.cli._failure import Failure
from rerankd.cli._http import http_option, read
from rerankd.cli._reranking import TOKEN_VARIABLE

PATH = "/debug/bundle"
STDOUT = Path("-")


@click.command(name="debug-bundle")
@http_option
@click.option(
    "--token-env",
    default=TOKEN_VARIABLE,
    show_default=True,
    metavar="NAME",
    help="Environment variable that holds the admin token.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="File to write, - = stdout; else rerankd-debug-DATE.tar.gz here.",
)
def debug_bundle(*, url: str, token_env: str, output: Path | None) -> None:
    """Save the state of a running server to one file, to look at or to send along.

    Configuration (secrets hidden), status, metrics, versions, what every thread and task does, and the
    last 2,000 log lines. No query and no document is in it.
    """
    token = os.environ.get(token_env, "")
    if not (token or given_token()):
        raise Failure(
            f"{token_env} is not set; it has to hold the admin token of the server, or --token a key of the "
            "scope admin"
        )
    archive = read(f"{url}{PATH}", token=token)
    if output == STDOUT:
        sys.stdout.buffer.write(archive)
        return
    path = output or Path(f"rerankd-debug-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")
    # It tells enough of a server to be nobody else's business.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(archive)
    click.echo(str(path))
