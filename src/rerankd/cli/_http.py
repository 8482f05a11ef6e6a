"""What commands read from the HTTP port of a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from rerankd.cli._connection import credential_options, given_token, tls_context
from rerankd.cli._failure import Failure

F = TypeVar("F", bound=Callable[..., object])

DEFAULT_URL = "http://localhost:8080"
_READ_SECONDS = 30.0


def _url(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    if "://" not in value:
        value = f"http://{value}"
    if not value.startswith(("http://", "https://")):
        raise click.BadParameter("it must begin with http:// or https://")
    return value.rstrip("/")


def http_option(command: F) -> F:
    """Adds --http, which the command takes as `url`, and the credentials, which `read` uses."""
    option = click.option(
        "--http",
        "url",
        default=DEFAULT_URL,
        show_default=True,
        callback=_url,
        metavar="URL",
        help="Address of the HTTP port; https:// where the server speaks TLS.",
    )
    return option(credential_options(command))


def read(url: str, *, token: str = "") -> bytes:
    """What a page holds; `token` stands in where the flags say none.

    Raises:
        Failure: Nobody answers there, or the answer is an error.
    """
    import urllib.error
    import urllib.request

    token = given_token() or token
    headers = {"authorization": f"Bearer {token}"} if token else {}
    context = tls_context() if url.startswith("https://") else None
    try:
        question = urllib.request.Request(url, headers=headers)  # noqa: S310 - the option allows no other
        with urllib.request.urlopen(question, timeout=_READ_SECONDS, context=context) as answer:  # noqa: S310
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as error:
        with error:
            raise Failure(_told(error.code, error.read())) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise Failure(f"{url}: {reason}; is a server running there? --http names another") from error


def _told(status: int, body: bytes) -> str:
    """The line for an error, from what the server says of it."""
    try:
        told: Any = json.loads(body)["error"]
        return f"{told['reason']}: {told['message']}"
    except (ValueError, KeyError, TypeError):
        return f"the server answered {status}"
