"""Pages of lists."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from rerankd.core.errors import InvalidRequestError

T = TypeVar("T")

_USUAL_SIZE = 100
_LARGEST_SIZE = 1000


def page(
    items: Sequence[T], name_of: Callable[[T], str], *, size: int, token: str
) -> tuple[Sequence[T], str]:
    """A page of a list, and the token of the next one; empty on the last.

    A token names the last item of its page, so that what is added meanwhile neither repeats nor hides one.

    Raises:
        InvalidRequestError: The size is out of bounds, or the token is none of ours.
    """
    if not 0 <= size <= _LARGEST_SIZE:
        raise InvalidRequestError(
            f"page_size is {size}; it must be 0 (the default, {_USUAL_SIZE}) to {_LARGEST_SIZE}",
            field="page_size",
        )
    start = _after(items, name_of, token) if token else 0
    end = start + (size or _USUAL_SIZE)
    found = items[start:end]
    return found, _token(name_of(found[-1])) if end < len(items) else ""


def _after(items: Sequence[T], name_of: Callable[[T], str], token: str) -> int:
    try:
        name = base64.urlsafe_b64decode(token.encode()).decode()
    except (ValueError, binascii.Error):
        name = ""
    for position, item in enumerate(items):
        if name_of(item) == name:
            return position + 1
    raise InvalidRequestError(
        "page_token is not known, or what it named is gone; begin again without it", field="page_token"
    )


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()
