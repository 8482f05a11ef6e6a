"""`rerankd models`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rerankd.cli._connection import json_option
from rerankd.cli._failure import server_packages
from rerankd.cli._output import console, on_terminal, print_json, print_lines
from rerankd.cli._progress import stage_bars
from rerankd.cli._settings import load_config, settings_options, usable_models

if TYPE_CHECKING:
    from rerankd.artifacts.listing import ModelListing
    from rerankd.artifacts.store import ArtifactStore
    from rerankd.core.types import WarmupStage

MIB = 1024 * 1024


@click.group()
def models() -> None:
    """Look at, download and check the files of models."""


@models.command(name="list")
@settings_options
@json_option
def list_(*, config_file: Path | None, settings: tuple[str, ...], as_json: bool) -> None:
    """Print the models with a name here, and which are on disk."""
    listings = _store(settings, config_file).listing()
    if as_json:
        print_json([dataclasses.asdict(listing) for listing in listings])
    elif on_terminal():
        _print_table(listings)
    else:
        print_lines(
            (row.id, ",".join(row.names), row.kind, _size(row), row.license, row.description)
            for row in listings
        )


@models.command()
@click.argument("model")
@click.option("--update", is_flag=True, help="Ask the Hub for a newer version, unless one is configured.")
@settings_options
@json_option
def pull(
    *, model: str, update: bool, config_file: Path | None, settings: tuple[str, ...], as_json: bool
) -> None:
    """Download MODEL, so that a server needs no network for it."""
    store = _store(settings, config_file)
    with stage_bars() as bars:

        def report(stage: WarmupStage, share: float, detail: str) -> None:
            bars(stage.value, share, detail)

        files = store.pull(store.canonical(model, trusted=True), report, update=update)
    if as_json:
        print_json({"id": files.id, "revision": files.revision, "precision": files.precision})
    else:
        click.echo(f"{files.id} is on disk: {files.precision}, revision {files.revision}")


@models.command()
@click.argument("model")
@settings_options
@json_option
def verify(*, model: str, config_file: Path | None, settings: tuple[str, ...], as_json: bool) -> None:
    """Compare the files of MODEL on disk with their checksums."""
    store = _store(settings, config_file)
    model_id = store.canonical(model, trusted=True)
    paths = store.verify(model_id)
    if as_json:
        print_json({"id": model_id, "files": paths})
    else:
        click.echo(f"{model_id} is intact: {len(paths)} files")


def _store(settings: tuple[str, ...], config_file: Path | None) -> ArtifactStore:
    config = load_config({}, settings, config_file)
    with server_packages():
        from rerankd.assembly import build_store
    with usable_models():
        return build_store(config)


def _print_table(listings: Sequence[ModelListing]) -> None:
    from rich.table import Table

    table = Table("model", "also", "kind", "files", "licence", "description", box=None, header_style="bold")
    for row in listings:
        table.add_row(row.id, ", ".join(row.names), row.kind, _size(row), row.license, row.description)
    console().print(table)


def _size(row: ModelListing) -> str:
    return f"{row.size_bytes / MIB:,.0f} MiB" if row.available else "not here"
