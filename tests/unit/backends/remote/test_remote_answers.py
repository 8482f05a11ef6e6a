from __future__ import annotations

import email.utils
import math
import time
from typing import Any

import pytest

from rerankd.backends.remote.pairs_answer import error_of_status, read_scores, seconds_to_wait
from rerankd.backends.remote.repeating import NotNowError
from rerankd.core.errors import (
    BackendFailedError,
    InvalidRequestError,
    ModelFailedError,
    ProviderUnavailableError,
)


def test_scores() -> None:
    assert read_scores(b'{"scores": [1, -0.5, 1e3], "took": 3}') == [1.0, -0.5, 1000.0]
    assert read_scores(b'{"scores": []}') == []


def test_values_that_are_not_finite_are_for_the_core_to_judge() -> None:
    nan, infinite, large = read_scores(b'{"scores": [NaN, -Infinity, 1' + b"0" * 400 + b"]}")
    assert math.isnan(nan)
    assert (infinite, large) == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "no JSON"),
        (b"secret document", "no JSON"),
        (b"\xff\xfe\xfd", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"scores": [1' + b"0" * 10_000 + b"]}", "no JSON"),
        (b"[1, 2]", 'no list "scores"'),
        (b"{}", 'no list "scores"'),
        (b'{"scores": "1, 2"}', 'no list "scores"'),
        (b'{"scores": {"0": 1}}', 'no list "scores"'),
        (b'{"scores": [1, "secret"]}', r"scores\[1\]"),
        (b'{"scores": [true]}', r"scores\[0\]"),
        (b'{"scores": [1, 2, null]}', r"scores\[2\]"),
        (b'{"scores": [[1]]}', r"scores\[0\]"),
    ],
)
def test_what_is_no_answer_is_told_without_quoting_it(body: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what) as caught:
        read_scores(body)
    assert "secret" not in str(caught.value)
    # The cause goes to the log, and JSON's own error would carry the answer.
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (201, ModelFailedError),
        (301, ModelFailedError),
        (307, ModelFailedError),
        (400, BackendFailedError),
        (401, ModelFailedError),
        (403, ModelFailedError),
        (404, ModelFailedError),
        (422, BackendFailedError),
        (413, InvalidRequestError),
        (501, ProviderUnavailableError),
        (408, NotNowError),
        (429, NotNowError),
        (500, NotNowError),
        (503, NotNowError),
        (599, NotNowError),
    ],
)
def test_every_status_has_its_error(status: int, kind: type[Any]) -> None:
    error = error_of_status("m@1", status, 4.0)
    assert type(error) is kind
    told = error.error if isinstance(error, NotNowError) else error
    assert f"HTTP {status}" in told.message
    assert told.metadata == {"model": "m@1", "status": str(status)}
    assert told.retry_after_seconds == (4.0 if isinstance(told, ProviderUnavailableError) else None)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("0", 0.0),
        ("2.5", 2.5),
        ("-3", 0.0),
        ("1e9", 3600.0),
    ],
)
def test_waits(header: str, seconds: float | None) -> None:
    assert seconds_to_wait(header) == seconds


def test_waits_until_an_hour_of_the_day() -> None:
    assert seconds_to_wait(email.utils.formatdate(time.time() - 60, usegmt=True)) == 0.0
    told = seconds_to_wait(email.utils.formatdate(time.time() + 1000, usegmt=True))
    assert told is not None
    assert 900 < told <= 1000
    assert seconds_to_wait(email.utils.formatdate(time.time() + 1e6, usegmt=True)) == 3600.0
