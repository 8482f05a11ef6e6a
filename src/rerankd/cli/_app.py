"""The command group: what every command shares, above all how it fails."""

from __future__ import annotations

from typing import Any

import click

from rerankd import __version__
from rerankd.cli._batch import batch
from rerankd.cli._bench import bench
from rerankd.cli._config import config
from rerankd.cli._debug_bundle import debug_bundle
from rerankd.cli._failure import Failure, describe
from rerankd.cli._health import health
from rerankd.cli._keys import keys
from rerankd.cli._models import models
from rerankd.cli._rerank import rerank
from rerankd.cli._reranking import reranking
from rerankd.cli._serve import serve
from rerankd.cli._status import status
from rerankd.cli._top import top
from rerankd.cli._warmup import warmup
from rerankd.cli.learn import learn

INTERRUPTED = 130
"""What a shell reports for a program that Ctrl-C ended: 128 and the number of SIGINT."""


class FailingPolitely(click.Group):
    """Turns every failure of a command into one line on stderr, unless --debug asks for all of it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None
        except (click.exceptions.Exit, click.ClickException, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params["debug"]:
                raise
            raise Failure(describe(error)) from error


@click.group(cls=FailingPolitely, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rerankd")
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
def app(debug: bool) -> None:
    """Rerank the candidates of a search by how well each answers the query."""


for command in (
    *(serve, rerank, batch, status, health, warmup, models, config, reranking, keys, learn),
    *(top, debug_bundle, bench),
):
    app.add_command(command)
