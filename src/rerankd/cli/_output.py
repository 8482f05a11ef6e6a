"""What goes to stdout: tables for people, tab-separated lines for pipes, JSON for programs."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from rich.console import Console


def on_terminal() -> bool:
    """Whether a person reads stdout."""
    return sys.stdout.isatty()


def console(*, stderr: bool = False) -> Console:
    """A console; it leaves colours out in a pipe and where NO_COLOR is set."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def print_message(message: Message) -> None:
    """A message in protobuf's JSON; zeros are printed, because 0 is a score like any other."""
    from google.protobuf.json_format import MessageToJson

    click.echo(MessageToJson(message, always_print_fields_with_no_presence=True, ensure_ascii=False))


def print_json(value: object) -> None:
    """Any value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_lines(rows: Iterable[Sequence[object]]) -> None:
    """One line for each row, its cells parted by tabs."""
    for row in rows:
        click.echo("\t".join(one_line(str(cell)) for cell in row))


def one_line(text: str) -> str:
    """The text on one line, without what a terminal would obey: documents come from anywhere."""
    printable = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text)
    return " ".join(printable.split())
