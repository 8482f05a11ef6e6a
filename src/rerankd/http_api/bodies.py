"""Bodies of requests: read within a bound, and parsed as strict JSON."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Sequence
from typing import NoReturn

from starlette.datastructures import Headers
from starlette.types import Receive

from rerankd.core.errors import CancelledError, InvalidRequestError
from rerankd.http_api.failures import BodyTooLargeError, BodyTooSlowError, UnsupportedMediaError
from rerankd.http_api.json_text import MEDIA_TYPE, JsonObject

MAX_DEPTH = 32
"""Levels of objects and lists in a document: what the contract allows a structured one."""

BODY_SECONDS = 30.0
"""Longest time for a body where nobody says otherwise."""

MAX_VALUES = 262_144
"""Values in one body. Parsing stops everything else in the process, and is fast only for long texts."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_INT64_DIGITS = 18


def check_media(headers: Headers, *accepted: str) -> None:
    """Refuses a body that is not JSON in UTF-8; one whose type is not said at all is read as JSON.

    Raises:
        UnsupportedMediaError: It is something else, or compressed.
    """
    kind, *parameters = headers.get("content-type", "").lower().split(";")
    accepted = accepted or (MEDIA_TYPE,)
    if kind.strip() not in ("", *accepted):
        raise UnsupportedMediaError(
            f"the body is not read as this content-type; send {' or '.join(accepted)}", field="content-type"
        )
    charsets = [p.split("=", 1)[1].strip(' "') for p in parameters if p.strip().startswith("charset=")]
    if any(charset not in ("utf-8", "utf8", "us-ascii") for charset in charsets):
        raise UnsupportedMediaError("the body must be UTF-8", field="content-type")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaError("the body must not be compressed", field="content-encoding")


async def parts_of(receive: Receive) -> AsyncIterator[bytes]:
    """The body as it arrives.

    Raises:
        CancelledError: The caller went away before its end.
    """
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CancelledError("the caller went away")
        more = message.get("more_body", False)
        if part := message.get("body", b""):
            yield part


def check_length(headers: Headers, limit: int) -> None:
    """Refuses a body that says itself that it is far above the limit, before any of it is read.

    Raises:
        BodyTooLargeError: It is more than twice as long.
    """
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > 2 * limit:
        raise _too_large(limit)


async def read_body(receive: Receive, limit: int, timeout_seconds: float = BODY_SECONDS) -> bytes:
    """The whole body.

    Raises:
        BodyTooLargeError: It has more bytes than the limit.
        BodyTooSlowError: It did not come to its end in time.
        CancelledError: The caller went away before its end.
    """
    try:
        # Of all of it, not from part to part: a byte now and then would keep a connection for ever.
        async with asyncio.timeout(timeout_seconds):
            return await _whole(receive, limit)
    except TimeoutError as error:
        raise BodyTooSlowError(
            f"the body did not come to its end within {timeout_seconds:g} s; send it at once, or use "
            "/api/v1/rerank/stream",
            metadata={"limit_seconds": f"{timeout_seconds:g}"},
        ) from error


async def _whole(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in parts_of(receive):
        size += len(part)
        if size > limit:
            parts.clear()
            # A connection that is closed on a sender who has not finished can lose the answer: what is
            # a little too large is read to its end.
            if size > 2 * limit:
                break
        else:
            parts.append(part)
    if size > limit:
        raise _too_large(limit)
    return b"".join(parts)


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(
        f"the body has more than {limit} bytes; send fewer or shorter documents, or use "
        "/api/v1/rerank/stream",
        metadata={"limit": str(limit)},
    )


def object_of(body: bytes) -> JsonObject:
    """The JSON object that a body is.

    Raises:
        InvalidRequestError: It is no JSON object in UTF-8, names a key twice, or holds a number or a
            text that nothing here could take.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"the body is not UTF-8 at byte {error.start}") from None
    if not text.strip():
        raise InvalidRequestError("the body is empty; send a JSON object")
    if _has_too_many_values(body):
        raise InvalidRequestError(f"the body holds more than {MAX_VALUES} values; send less in one request")
    try:
        value = _DECODER.decode(text)
        if _SURROGATE.search(text):
            # A pair of them is one character and fine; one alone cannot be written as UTF-8.
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise InvalidRequestError(
            f"the body is not JSON at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise InvalidRequestError("the body is nested too deep") from None
    except UnicodeEncodeError:
        raise InvalidRequestError("a text holds half of a surrogate pair; send whole characters") from None
    if not isinstance(value, dict):
        raise InvalidRequestError("the body must be a JSON object")
    return value


def check_depth(value: object, field: str) -> None:
    """Raises InvalidRequestError for a value that is nested more than MAX_DEPTH levels."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise InvalidRequestError(f"{field} is nested more than {MAX_DEPTH} levels deep", field=field)


def _has_too_many_values(body: bytes) -> bool:
    # Each value but the first follows a mark. Marks inside of texts are told apart only if need be.
    if _marks(body) <= MAX_VALUES:
        return False
    without_texts, texts = _STRING.subn(b"", body, count=MAX_VALUES)
    return texts == MAX_VALUES or _marks(without_texts) > MAX_VALUES


def _marks(body: bytes) -> int:
    return body.count(b",") + body.count(b"[") + body.count(b"{")


def _inside(value: object) -> Sequence[object]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for each in inner if isinstance(each, dict | list)]


def _object(pairs: list[tuple[str, object]]) -> JsonObject:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise InvalidRequestError("an object of the body has a key twice")
    return value


def _constant(name: str) -> NoReturn:
    raise InvalidRequestError(f"the body holds {name}; numbers must be finite")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise InvalidRequestError("the body holds a number beyond the range of a double")
    return value


def _int(digits: str) -> int | float:
    # Longer ones could not be told back as a number that others read the same.
    return int(digits) if len(digits) <= _INT64_DIGITS else _float(digits)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int
)
