"""Bodies: what is JSON here, what is refused, and that nothing of a body is told back."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from rerankd.core.errors import CancelledError, InvalidRequestError
from rerankd.http_api.bodies import MAX_DEPTH, MAX_VALUES, check_depth, check_media, object_of, read_body
from rerankd.http_api.failures import BodyTooLargeError, UnsupportedMediaError


def receiving(*messages: dict[str, Any]) -> Any:
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(waiting)

    return receive


def part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
    ],
)
def test_json_in_utf8_is_read(kind: str) -> None:
    check_media(Headers({"content-type": kind}))


def test_a_type_that_is_not_said_is_json() -> None:
    check_media(Headers({}))


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_other_bodies_are_415(headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaError) as caught:
        check_media(Headers(headers))
    assert caught.value.spec.http == 415


async def test_parts_are_one_body() -> None:
    assert await read_body(receiving(part(b"ab", more=True), part(b"c", more=False)), 3) == b"abc"


async def test_a_body_above_the_limit_is_read_to_its_end_and_refused() -> None:
    receive = receiving(part(b"abc", more=True), part(b"d", more=True), part(b"e", more=False))
    with pytest.raises(BodyTooLargeError, match="more than 3 bytes"):
        await read_body(receive, 3)
    with pytest.raises(RuntimeError):  # Nothing was left to read.
        await receive()


async def test_a_body_far_above_the_limit_is_not_read_on() -> None:
    receive = receiving(part(b"abcdefg", more=True), part(b"h", more=False))
    with pytest.raises(BodyTooLargeError):
        await read_body(receive, 3)
    assert await receive() == part(b"h", more=False)


async def test_a_caller_who_goes_away_in_the_middle_is_cancelled() -> None:
    with pytest.raises(CancelledError):
        await read_body(receiving(part(b"a", more=True), {"type": "http.disconnect"}), 3)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"[]", "must be a JSON object"),
        (b'"secret"', "must be a JSON object"),
        (b'{"secret": }', "not JSON at line 1, column 12"),
        (b'{"query": "secret\xff"}', "not UTF-8 at byte 17"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        (b'{"secret": NaN}', "NaN; numbers must be finite"),
        (b'{"secret": -Infinity}', "-Infinity; numbers must be finite"),
        (b'{"secret": 1e999}', "beyond the range"),
        (b'{"secret": %s}' % (b"9" * 400), "beyond the range"),
        (b'{"secret": %s}' % (b"9" * 5000), "beyond the range"),
        (b'{"secret": 1, "secret": 2}', "a key twice"),
        (b'{"documents": [{"secret": 1, "secret": 2}]}', "a key twice"),
        (b'{"query": "secret \\ud800"}', "half of a surrogate pair"),
        (b'{"query": "secret \\udC00\\ud800"}', "half of a surrogate pair"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"secret":' * 100_000, "nested too deep"),
    ],
)
def test_what_is_no_strict_json_object_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said) as caught:
        object_of(body)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("text", ["\N{PILE OF POO}", "\x00", "é", '"', "\\u0041"])
def test_whole_characters_arrive_as_they_are(text: str) -> None:
    for written in (json.dumps({"query": text}), json.dumps({"query": text}, ensure_ascii=False)):
        assert object_of(written.encode()) == {"query": text}


@pytest.mark.parametrize("value", [b"[]", b"{}", b"1", b'""', b'{"a":[1]}'])
def test_bodies_of_very_many_values_are_refused_unparsed(value: bytes) -> None:
    few, many = ((b'{"a":[' + b",".join([value] * n) + b"]}") for n in (1000, MAX_VALUES + 1))
    assert object_of(few)
    with pytest.raises(InvalidRequestError, match=f"more than {MAX_VALUES} values"):
        object_of(many)


def test_marks_inside_of_texts_are_no_values() -> None:
    text = 'x,[{"\\' * MAX_VALUES
    assert object_of(json.dumps({"a": text, "b": [1, 2]}).encode()) == {"a": text, "b": [1, 2]}


def test_long_whole_numbers_become_doubles() -> None:
    assert object_of(b'{"a": 123456789012345678, "b": 1234567890123456789012}') == {
        "a": 123456789012345678,
        "b": 1.2345678901234568e21,
    }


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_a_bad_request(body: bytes) -> None:
    with suppress(InvalidRequestError):
        assert isinstance(object_of(body), dict)


def nested(levels: int) -> object:
    value: object = "x"
    for number in range(levels):
        value = [value] if number % 2 else {"k": value}
    return value


def test_documents_may_be_nested_as_deep_as_the_contract_says() -> None:
    check_depth(nested(MAX_DEPTH), "documents[0]")
    with pytest.raises(InvalidRequestError, match=r"documents\[0\] is nested more than 32 levels deep"):
        check_depth(nested(MAX_DEPTH + 1), "documents[0]")


async def test_reading_ends_with_the_last_part() -> None:
    """Whoever reads on would wait for the caller to hang up."""
    assert await asyncio.wait_for(read_body(receiving(part(b"", more=False)), 3), 5) == b""
