"""What commands read from the HTTP port of a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

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


http_option = click.option(
    "--http",
    "url",
    default=DEFAULT_URL,
    show_default=True,
    callback=_url,
    metavar="URL",
    help="Address of the HTTP port.",
)


def read(url: str, *, token: str = "") -> bytes:
    """What a page holds.

    Raises:
        Failure: Nobody answers there, or the answer is an error.
    """
    import urllib.error
    import urllib.request

    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        question = urllib.request.Request(url, headers=headers)  # noqa: S310 - the option allows http only
        with urllib.request.urlopen(question, timeout=_READ_SECONDS) as answer:  # noqa: S310
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
