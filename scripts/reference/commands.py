"""The page of the command line, from the tree of commands itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from reference.markdown import escaped, table
from rerankd.cli._app import app

_INTRODUCTION = """\
# Command line

`rerankd COMMAND --help` prints the same. The exit status is 0 on success, 1 for a failure, which is one line
on the standard error, 2 for a command line that cannot be read, and 130 after Ctrl-C; `rerankd --debug
COMMAND` shows the traceback of a failure. Options that an environment variable can give name it.
"""


def command_line() -> str:
    """Every command with its arguments and options."""
    lines = [_INTRODUCTION]
    for path, command, context in commands():
        lines += _section(path, command, context)
    return "\n".join(lines)


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command that is not hidden, with its whole name, a group before what is in it."""
    yield from _walk("rerankd", app, None)


def _walk(
    name: str, command: click.Command, parent: click.Context | None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    context = click.Context(command, parent=parent, info_name=name)
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for child, inner in sorted(command.commands.items()):
            if not inner.hidden:
                yield from _walk(child, inner, context)


def _section(path: str, command: click.Command, context: click.Context) -> list[str]:
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    lines = [f"## {path}", "", *_prose(command.help or ""), "```text", usage, "```", ""]
    options = [record for one in command.params if (record := one.get_help_record(context))]
    if options:
        lines += table(["option", "meaning"], ((f"`{names}`", escaped(text)) for names, text in options))
    if isinstance(command, click.Group):
        inner = ((child, one) for child, one in sorted(command.commands.items()) if not one.hidden)
        lines += table(
            ["command", "what it does"],
            ((_link(f"{path} {child}"), escaped(one.get_short_help_str(200))) for child, one in inner),
        )
    return lines


def _link(path: str) -> str:
    return f"[`{path}`](#{path.replace(' ', '-')})"


def _prose(text: str) -> list[str]:
    r"""Paragraphs of a docstring; those under click's mark \\b keep their lines."""
    lines: list[str] = []
    for paragraph in inspect.cleandoc(text.partition("\f")[0]).split("\n\n"):
        if paragraph.startswith("\b\n"):
            lines += ["```text", *paragraph.splitlines()[1:], "```", ""]
        else:
            lines += [*map(escaped, paragraph.splitlines()), ""]
    return lines
