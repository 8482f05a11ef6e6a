"""Options of the commands that talk to a server, and the client that they describe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rerankd.cli._failure import Failure

if TYPE_CHECKING:
    import ssl

    import grpc

    from rerankd.client import Client, ClientOptions

F = TypeVar("F", bound=Callable[..., object])

DEFAULT_TARGET = "localhost:50051"

_GIVEN = f"{__name__}.given"


def _keep(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    """Options that every such command has, and none looks at: `client_options` does."""
    ctx.meta.setdefault(_GIVEN, {})[parameter.name] = value


def _kept(*names: str, **attributes: Any) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=_keep, show_envvar=True, **attributes)


_PEM = click.Path(exists=True, dir_okay=False, path_type=Path)

_CREDENTIALS: tuple[Callable[[Any], Any], ...] = (
    _kept(
        "--token",
        envvar="RERANKD_TOKEN",
        metavar="KEY",
        help="Key for the server; other users of this machine see flags, but no variables.",
    ),
    _kept(
        "--tls/--plain-text",
        default=None,
        envvar="RERANKD_TLS",
        help="Whether the server speaks TLS; the files below imply it.",
    ),
    _kept(
        "--tls-ca",
        envvar="RERANKD_TLS_CA",
        type=_PEM,
        help="PEM file with the authorities that may have signed the server's certificate.",
    ),
    _kept(
        "--tls-cert",
        envvar="RERANKD_TLS_CERT",
        type=_PEM,
        help="PEM file with the certificate to show, for servers that ask for one.",
    ),
    _kept("--tls-key", envvar="RERANKD_TLS_KEY", type=_PEM, help="PEM file with the key of --tls-cert."),
)


def credential_options(command: F) -> F:
    """Adds --token and the options of TLS."""
    for option in reversed(_CREDENTIALS):
        command = option(command)
    return command


def server_option(command: F) -> F:
    """Adds --server, which the command takes as `target`, and the credentials, which `connect` reads."""
    option = click.option(
        "--server",
        "target",
        envvar="RERANKD_TARGET",
        default=DEFAULT_TARGET,
        show_default=True,
        show_envvar=True,
        metavar="TARGET",
        help="Address of the gRPC port.",
    )
    return option(credential_options(command))


def given_token() -> str:
    """The key that the running command was given; empty if none."""
    return str(_given().get("token") or "")


def tls_context() -> ssl.SSLContext:
    """What the running command's flags say of TLS, for Python's own connections.

    Raises:
        click.UsageError: A certificate came without its key, or the other way round.
        Failure: A file holds nothing that can be used.
    """
    import ssl

    certificate, key, roots = _files()
    try:
        context = ssl.create_default_context(cafile=None if roots is None else str(roots))
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        raise Failure(f"the files of --tls-ca, --tls-cert and --tls-key cannot be used: {error}") from error
    return context


def _given() -> dict[str, Any]:
    given: dict[str, Any] = click.get_current_context().meta.get(_GIVEN, {})
    return given


def _files() -> tuple[Path | None, Path | None, Path | None]:
    """Certificate, key and authorities."""
    given = _given()
    certificate, key, roots = (given.get(name) for name in ("tls_cert", "tls_key", "tls_ca"))
    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together")
    return certificate, key, roots


def client_options(token: str | None = None) -> ClientOptions:
    """What the flags of the running command say; `token` stands in where they say none.

    Raises:
        click.UsageError: A certificate came without its key, or the other way round.
    """
    from rerankd.client import ClientOptions, TLSConfig

    certificate, key, roots = _files()
    wanted = _given().get("tls")
    if wanted is None:
        wanted = bool(certificate or roots)
    tls = None
    if wanted:
        tls = TLSConfig(
            root_certificates=_content(roots),
            client_certificate=_content(certificate),
            client_private_key=_content(key),
        )
    return ClientOptions(token=given_token() or token, tls=tls)


def connect(target: str, token: str | None = None) -> Client:
    """The client of the running command."""
    from rerankd.client import Client

    return Client(target, client_options(token))


def channel(target: str, options: ClientOptions) -> grpc.Channel:
    """A bare channel, for services that the client does not wrap."""
    import grpc

    credentials = options.credentials()
    if credentials is None:
        return grpc.insecure_channel(target, options.channel_arguments())
    return grpc.secure_channel(target, credentials, options.channel_arguments())


def _content(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
