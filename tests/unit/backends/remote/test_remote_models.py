from __future__ import annotations

import pytest

from rerankd.backends.remote import RemoteModels, RemoteSettings
from rerankd.core.errors import ModelNotFoundError

HTTP = RemoteSettings(url="http://host/score")
GRPC = RemoteSettings(url="grpc://host:50051")


def no_report(*_: object) -> None:
    """A load that nobody watches."""


def test_a_name_is_found_with_and_without_its_version() -> None:
    source = RemoteModels({"one@1.0": HTTP, "plain": HTTP, "two@1": HTTP, "two@2": HTTP})
    assert source.find("one@1.0") == "one@1.0"
    assert source.find("one") == "one@1.0"
    assert source.find("plain") == "plain"
    assert source.find("two@2") == "two@2"
    assert source.find("other") is None
    assert source.find("org/model") is None
    assert source.find("") is None
    assert list(source.names()) == ["one@1.0", "plain", "two@1", "two@2"]
    assert source.aliases_of("one@1.0") == ("one",)
    assert source.aliases_of("two@1") == source.aliases_of("plain") == ()


def test_a_name_and_its_versions_side_by_side() -> None:
    source = RemoteModels({"a": HTTP, "a@1": HTTP})
    assert source.find("a") == "a"
    assert source.find("a@1") == "a@1"
    assert source.aliases_of("a@1") == ()


@pytest.mark.parametrize(
    ("wrong", "there"),
    [
        ("one@2.0", r"no version '2\.0' of one; there is one@1\.0"),
        ("two", "two needs a version; there is two@1, two@2"),
        ("two@3", "there is two@1, two@2"),
        ("plain@1", "there is plain without a version"),
        ("plain@", "there is plain without a version"),
    ],
)
def test_the_error_names_what_there_is(wrong: str, there: str) -> None:
    source = RemoteModels({"one@1.0": HTTP, "plain": HTTP, "two@1": HTTP, "two@2": HTTP})
    with pytest.raises(ModelNotFoundError, match=there):
        source.find(wrong)


@pytest.mark.parametrize("name", ["", "@1", "a@", "a@1@2", "two words", "-a"])
def test_names_that_no_request_could_write_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a model"):
        RemoteModels({name: HTTP})


@pytest.mark.parametrize(("settings", "provider"), [(HTTP, "http"), (GRPC, "rerankd")])
async def test_loading_calls_nobody(settings: RemoteSettings, provider: str) -> None:
    backend = RemoteModels({"one@1.0": settings}).load("one@1.0", no_report)
    description = backend.description
    assert (description.id, description.revision, description.backend) == ("one@1.0", "1.0", "remote")
    assert description.provider == provider
    # Requests name models, never hosts; nor do answers.
    assert "host" not in repr(description)
    await backend.start(no_report)
    await backend.close()
