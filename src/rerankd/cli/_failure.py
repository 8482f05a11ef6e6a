"""How a failure reads on a terminal: one line with the reason and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click


class Failure(click.ClickException):
    """A failure that needs no traceback; its message says what happened and what to do."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints the line, on stderr unless told otherwise."""
        click.echo(f"rerankd: {self.format_message()}", file=file or sys.stderr)


_HINTS = {
    "UNAVAILABLE": "is a server running there? `rerankd serve` starts one, --server names another, and --tls "
    "speaks to one with a certificate",
    "MODEL_NOT_FOUND": "`rerankd status` lists a server's models, `rerankd models list` those it can load",
    "MODEL_LOADING": "`rerankd status --wait` waits for it",
    "MODEL_FAILED": "the server's log has the cause; `rerankd warmup` tries again",
    "UNAUTHENTICATED": "--token or RERANKD_TOKEN gives the key, `rerankd keys generate` makes one",
    "DEADLINE_EXCEEDED": "--timeout allows more time",
}


def describe(error: Exception) -> str:
    """The line for any exception."""
    # Imported here, because a command that goes well may need neither.
    from rerankd.client import RerankdError as ClientError
    from rerankd.core.errors import RerankdError as CoreError

    if isinstance(error, ClientError):
        return _line(error.reason or error.code.name, error.message)
    if isinstance(error, CoreError):
        return _line(error.spec.reason, error.message)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return f"{type(error).__name__}: {error} (--debug before the command shows the traceback)"


@contextmanager
def server_packages() -> Iterator[None]:
    """Says which extra to install where an import fails that only a server needs."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("rerankd"):
            raise
        raise Failure(f"{error.name} is not installed: pip install 'rerankd[server]'") from error


def _line(reason: str, message: str) -> str:
    hint = _HINTS.get(reason)
    return f"{reason}: {message}; {hint}" if hint else f"{reason}: {message}"
