"""Settings of the server from the command line: common flags, and any other by --set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from rerankd.cli._failure import Failure, server_packages

if TYPE_CHECKING:
    from rerankd.config import Config

F = TypeVar("F", bound=Callable[..., object])

_CONFIG_OPTION = click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with settings; else the one that RERANKD_CONFIG names.",
)
_SET_OPTION = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any setting by its dotted key, as `rerankd config show` lists them. May repeat.",
)


def settings_options(command: F) -> F:
    """Adds --config and --set."""
    return _CONFIG_OPTION(_SET_OPTION(command))


def load_config(flags: Mapping[str, object], settings: tuple[str, ...], config_file: Path | None) -> Config:
    """The configuration from flags, --set, environment and file.

    Raises:
        Failure: It cannot be used, or the packages of the server are not installed.
    """
    with server_packages():
        from rerankd.config import ConfigError
    try:
        return config_reader(flags, settings, config_file)()
    except ConfigError as error:
        raise Failure("; ".join(error.problems)) from error


def config_reader(
    flags: Mapping[str, object], settings: tuple[str, ...], config_file: Path | None
) -> Callable[[], Config]:
    """Reads the configuration as often as it is called; raises ConfigError where it cannot be used."""
    from rerankd.config import load

    given = {key: value for key, value in flags.items() if value is not None}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise click.UsageError(f"--set takes KEY=VALUE, not {setting!r}")
        given[key.strip()] = text
    return partial(load, given, config_file)


@contextmanager
def usable_models() -> Iterator[None]:
    """Turns what the configuration says wrongly about models into a Failure."""
    from rerankd.assembly import StartupError

    try:
        yield
    except StartupError as error:
        raise Failure(str(error)) from error
