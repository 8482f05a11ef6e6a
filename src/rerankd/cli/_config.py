"""`rerankd config`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from rerankd.cli._connection import json_option
from rerankd.cli._failure import Failure
from rerankd.cli._output import console, on_terminal, print_json, print_lines
from rerankd.cli._settings import load_config, settings_options


@click.group()
def config() -> None:
    """Look at the settings of the server."""


@config.command()
@settings_options
@json_option
def show(*, config_file: Path | None, settings: tuple[str, ...], as_json: bool) -> None:
    """Print every setting and where its value came from."""
    loaded = load_config({}, settings, config_file)
    from rerankd.config import ConfigError
    from rerankd.config import show as rows_of
    from rerankd.reconfiguration.state import with_state

    try:
        rows = rows_of(with_state(loaded))
    except ConfigError as error:
        raise Failure("; ".join(error.problems)) from error
    if as_json:
        print_json([{"key": key, "value": value, "source": source} for key, value, source in rows])
    elif on_terminal():
        _print_table(rows)
    else:
        print_lines(rows)


def _print_table(rows: Sequence[tuple[str, str, str]]) -> None:
    from rich.table import Table

    table = Table("key", "value", "source", box=None, header_style="bold")
    for key, value, source in rows:
        table.add_row(key, value, source, style="dim" if source == "default" else None)
    console().print(table)
