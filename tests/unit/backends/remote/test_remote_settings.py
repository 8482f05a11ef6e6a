from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rerankd.backends.remote import RemoteSettings
from rerankd.config.delegated import RemoteConfig


@pytest.mark.parametrize(
    ("url", "is_rerankd"),
    [
        ("http://localhost:8000/score", False),
        ("https://scorer.example/v1/score?flavour=fast", False),
        ("grpc://localhost:50051", True),
        ("grpcs://[::1]:50051", True),
        ("grpc://rerankd:50051/", True),
    ],
)
def test_addresses(url: str, is_rerankd: bool) -> None:
    assert RemoteSettings(url=url).is_rerankd is is_rerankd


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"url": "ftp://host/x"}, "url must begin with"),
        ({"url": "http:///x"}, "url must begin with"),
        ({"url": "http://host:99999/"}, "port"),
        ({"url": "http://user:word@host/"}, "user"),
        ({"url": "grpc://host"}, "host:port"),
        ({"url": "grpc://host:1/path"}, "host:port"),
        ({"url": "http://host/", "model": "other"}, "model is for another rerankd"),
        ({"token": "two words"}, "token must be"),
        ({"token": "line\nbreak"}, "token must be"),
        ({"token": ""}, "token must be"),
        ({"timeout_seconds": 0}, "timeout_seconds is 0"),
        ({"retries": -1}, "retries is -1"),
        ({"max_concurrency": 0}, "max_concurrency is 0"),
        ({"max_documents": 0}, "max_documents is 0"),
    ],
)
def test_what_cannot_work_is_refused(wrong: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what) as caught:
        RemoteSettings(**({"url": "http://host/"} | wrong))
    for secret in ("word@", "two words", "line"):
        assert secret not in str(caught.value)


def test_a_token_and_a_url_are_not_shown() -> None:
    shown = repr(RemoteSettings(url="http://host/?key=abc", token="secret"))
    assert "secret" not in shown
    assert "abc" not in shown


def test_they_are_those_of_the_configuration() -> None:
    ours = {field.name: field.default for field in dataclasses.fields(RemoteSettings)}
    theirs = {name: field.default for name, field in RemoteConfig.model_fields.items()}
    assert set(ours) == set(theirs)
    for name in set(ours) - {"url"}:
        assert ours[name] == theirs[name], name
