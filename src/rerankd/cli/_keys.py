"""`rerankd keys`."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rerankd.cli._connection import json_option
from rerankd.cli._failure import Failure, server_packages
from rerankd.cli._output import print_json, print_lines

if TYPE_CHECKING:
    from rerankd.access.key_file import KeyRecord

NO_SCOPE = "none"
SCOPES = ("rerank", "admin", "learning", NO_SCOPE)


@click.group()
def keys() -> None:
    """Make the keys of a server's callers, and look at its file of keys."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help="What it is for; none = status and closed metrics only. Default: rerank.",
)
@click.option("--model", "models", multiple=True, help="Pattern of the models it may use. Default: all.")
@click.option("--tokens-per-minute", type=click.IntRange(min=0), help="Most tokens scored in a minute.")
@click.option("--concurrent-tokens", type=click.IntRange(min=0), help="Most tokens under way at a time.")
@click.option(
    "--file",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="TOML file of keys that gets the line; without it the line is printed.",
)
@json_option
def generate(
    *,
    name: str,
    scopes: tuple[str, ...],
    models: tuple[str, ...],
    tokens_per_minute: int | None,
    concurrent_tokens: int | None,
    file: Path | None,
    as_json: bool,
) -> None:
    """Make a key for NAME.

    The key is printed this once and kept nowhere; the line for the server's file of keys
    (auth.keys_file) holds only its digest. May repeat --scope and --model.
    """
    given: dict[str, Any] = {
        "scopes": tuple(scope for scope in scopes if scope != NO_SCOPE) if scopes else None,
        "models": models or None,
        "tokens_per_minute": tokens_per_minute,
        "concurrent_tokens": concurrent_tokens,
    }
    with server_packages():
        from rerankd.access import key_file
    key = key_file.generate()
    digest = key_file.digest_of(key)
    record = key_file.KeyRecord(
        sha256=digest, **{n: value for n, value in given.items() if value is not None}
    )
    try:
        line = key_file.line_of(name, record)
        if file is not None:
            _append(file, name, line)
    except key_file.KeyFileError as error:
        raise Failure(str(error)) from error
    if as_json:
        print_json({"name": name, "key": key, "line": line})
    elif file is not None:
        click.echo(key)
    else:
        click.echo(f"key:  {key}\nline: {line}")


@keys.command(name="list")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def list_(*, file: Path, as_json: bool) -> None:
    """Check FILE, and print its keys by name with what each may do."""
    with server_packages():
        from rerankd.access.key_file import KeyFileError, read_key_file
    try:
        records = read_key_file(file)
    except KeyFileError as error:
        raise Failure(str(error)) from error
    if as_json:
        told = {name: record.model_dump(mode="json", exclude={"sha256"}) for name, record in records.items()}
        print_json([{"name": name, **record} for name, record in told.items()])
        return
    print_lines(_row(name, record) for name, record in records.items())


def _row(name: str, record: KeyRecord) -> tuple[str, ...]:
    models = "*" if record.models is None else ",".join(record.models)
    bounds = (record.tokens_per_minute, record.concurrent_tokens)
    return (name, ",".join(record.scopes), models, *(str(bound or "") for bound in bounds))


def _append(file: Path, name: str, line: str) -> None:
    """Adds the line before any table, where it can stand in TOML, and replaces the file as a whole."""
    from rerankd.access.key_file import KeyFileError, read_key_file

    if file.suffix == ".json":
        raise KeyFileError(f"{file}: lines are added to TOML files only; print it and add it by hand")
    before = ""
    if file.exists():
        if name in read_key_file(file):
            raise KeyFileError(f"{file}: there is a key {name} already; take its line out first")
        before = file.read_text(encoding="utf-8")
    new = file.with_name(f".{file.name}.new")
    # Its owner's alone: whoever writes there makes keys.
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(f"{line}\n{before}")
    if file.exists():
        _like(file, new)
    try:
        read_key_file(new)
    except KeyFileError:
        new.unlink()
        raise
    os.replace(new, file)


def _like(old: Path, new: Path) -> None:
    """Lets those read the new file who read the old one: the server may be another user."""
    status = old.stat()
    shutil.copymode(old, new)
    with contextlib.suppress(PermissionError):
        os.chown(new, status.st_uid, status.st_gid)
