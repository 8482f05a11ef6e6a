"""`rerankd reranking`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from rerankd.cli._connection import channel, client_options, json_option, server_option
from rerankd.cli._failure import Failure
from rerankd.cli._output import console, on_terminal, print_lines, print_message

if TYPE_CHECKING:
    import grpc
    from google.protobuf.descriptor import FieldDescriptor

    from rerankd.client import ClientOptions
    from rerankd.v1 import config_service_pb2 as pb

TOKEN_VARIABLE = "RERANKD_ADMIN__TOKEN"  # noqa: S105 - a name
"""Where the server itself finds its admin token."""

_PREFIXES = {"mode": "RERANKER_MODE_", "cloud_provider": "CLOUD_PROVIDER_", "on_failure": "FAILURE_MODE_"}
"""Fields whose values are names of an enum, and what those begin with."""

_NUMBER = re.compile(r"-?\d{1,12}(\.\d+)?")
_READ_SECONDS = 30.0

timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=300.0,
    show_default=True,
    help="Most seconds to wait; a new default model is loaded first.",
)


@click.group()
def reranking() -> None:
    """Read and change how a running server reranks requests that do not say."""


@reranking.command()
@server_option
@json_option
def show(*, target: str, as_json: bool) -> None:
    """Print what holds now, and the model of requests that name none."""
    from rerankd.v1 import config_service_pb2 as pb

    options = client_options()
    with _service(target, options) as stub:
        answer = stub.GetRerankingConfig(
            pb.GetRerankingConfigRequest(), metadata=options.call_metadata(), timeout=_READ_SECONDS
        )
    _print(answer, as_json=as_json)


@reranking.command(name="set")
@click.argument("settings", nargs=-1, required=True, metavar="KEY=VALUE...")
@server_option
@click.option("--persist", is_flag=True, help="Keep the change for the next start as well.")
@click.option(
    "--token-env",
    default=TOKEN_VARIABLE,
    show_default=True,
    metavar="NAME",
    help="Environment variable that holds the admin token.",
)
@timeout_option
@json_option
def set_(
    *, settings: tuple[str, ...], target: str, persist: bool, token_env: str, timeout: float, as_json: bool
) -> None:
    """Change some settings, all or none: `mode=cloud cloud_provider=voyage`.

    `KEY=` without a value goes back to the default, except where the value is one of a few words; a list
    is `a,b`.
    """
    options = client_options(os.environ.get(token_env))
    if not options.token:
        raise Failure(
            f"{token_env} is not set; it has to hold the admin token of the server, or --token a key of the "
            "scope admin"
        )
    request = update_of(settings, persist=persist)
    with _service(target, options) as stub:
        answer = stub.UpdateRerankingConfig(request, metadata=options.call_metadata(), timeout=timeout)
    _print(answer, as_json=as_json)


def update_of(settings: tuple[str, ...], *, persist: bool) -> pb.UpdateRerankingConfigRequest:
    """The request that `KEY=VALUE` arguments make.

    Raises:
        click.UsageError: One of them is not of this form, or its value not of the field's type.
    """
    from rerankd.v1 import config_service_pb2 as pb

    request = pb.UpdateRerankingConfigRequest(persist=persist)
    fields = {_key(field): field for field in pb.RerankingConfig.DESCRIPTOR.fields}
    for setting in settings:
        key, equals, text = (part.strip() for part in setting.partition("="))
        if not equals:
            raise click.UsageError(f"settings are KEY=VALUE, not {setting!r}")
        field = fields.get(key)
        if field is None:
            raise click.UsageError(f"{key}: no such setting; known are {', '.join(fields)}")
        if field.name in request.update_mask.paths:
            raise click.UsageError(f"{key} is given twice")
        request.update_mask.paths.append(field.name)
        try:
            _fill(request.config, field, text)
        except ValueError as error:
            raise click.UsageError(f"{key}: {error}") from error
    return request


def _key(field: FieldDescriptor) -> str:
    """How the configuration names a field of the message."""
    return "timeout_seconds" if field.name == "timeout" else field.name


def _fill(config: pb.RerankingConfig, field: FieldDescriptor, text: str) -> None:
    """Puts a value into the message; what is left unset means the default."""
    words = _words(field)
    if words:
        if text not in words:
            raise ValueError(f"must be {', '.join(words)}")
        setattr(config, field.name, words[text])
    elif field.is_repeated:
        getattr(config, field.name).extend(part.strip() for part in text.split(",") if part.strip())
    elif field.type == field.TYPE_STRING:
        setattr(config, field.name, text)
    elif text and not _NUMBER.fullmatch(text):
        raise ValueError("must be a number")
    elif field.name == "timeout" and text:
        config.timeout.FromNanoseconds(round(1e9 * float(text)))
    elif text:
        if "." in text:
            raise ValueError("must be a whole number")
        setattr(config, field.name, int(text))


def _words(field: FieldDescriptor) -> dict[str, int]:
    """The values of an enum field as the configuration spells them; empty for other fields."""
    prefix, kind = _PREFIXES.get(field.name), field.enum_type
    if prefix is None or kind is None:
        return {}
    return {value.name.removeprefix(prefix).lower(): value.number for value in kind.values if value.number}


def _print(
    answer: pb.GetRerankingConfigResponse | pb.UpdateRerankingConfigResponse, *, as_json: bool
) -> None:
    if as_json:
        print_message(answer)
        return
    rows = [*_rows(answer.config), ("default model", answer.default_model), ("changes", answer.generation)]
    if not on_terminal():
        print_lines(rows)
        return
    from rich.table import Table

    table = Table(box=None, show_header=False)
    for key, value in rows:
        table.add_row(key, str(value))
    console().print(table)


def _rows(config: pb.RerankingConfig) -> Iterator[tuple[str, object]]:
    for field in config.DESCRIPTOR.fields:
        value: Any = getattr(config, field.name)
        if words := _words(field):
            # A later server may send a number that has no name here.
            value = next((word for word, number in words.items() if number == value), value)
        elif field.is_repeated:
            value = ",".join(value)
        elif field.name == "timeout":
            value = f"{value.ToNanoseconds() / 1e9:g}"
        yield _key(field), value


@contextmanager
def _service(target: str, options: ClientOptions) -> Iterator[Any]:
    """The service of a server, its failures those of the client."""
    from rerankd.client._errors import typed_errors
    from rerankd.v1.config_service_pb2_grpc import ConfigServiceStub

    stub: Callable[[grpc.Channel], Any] = ConfigServiceStub
    with channel(target, options) as connected, typed_errors():
        yield stub(connected)
