"""No room on the disk, where the server wants to write: it says so, and goes on with what it has."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.faulty import flags_for, good_call, lines_of, running
from support.full_disk import FullDisk, full_disk
from support.hub import FakeHub

from rerankd.client import Client, ModelFailedError

TOKEN = "token-of-the-operator"


@pytest.fixture(params=["tmpfs", "rlimit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FullDisk]:
    with full_disk(request.param, tmp_path / "disk") as disk:
        yield disk


def test_a_model_loads_though_what_it_would_keep_cannot_be_kept(disk: FullDisk, stored_model: Path) -> None:
    flags = flags_for(stored_model, disk.folder / "cache")
    with running(flags, prelude=disk.prelude) as server:
        good_call(server.target)
    (line,) = lines_of(server, "a rewritten graph cannot be kept on disk")
    assert line["error"] == disk.reason


def test_a_download_that_finds_no_room_fails_alone_and_goes_through_once_there_is_some(
    disk: FullDisk, stored_model: Path, hub: FakeHub
) -> None:
    flags = flags_for(stored_model, disk.folder / "cache", **{"models.allow": ["acme/*"]})
    with running(flags, prelude=disk.prelude) as server, Client(server.target) as client:
        with pytest.raises(ModelFailedError, match=f"the model cache cannot be written: {disk.reason}"):
            client.rerank("red", ["red river"], model="acme/reranker")
        good_call(server.target)
        disk.make_room(server.pid)
        client.warmup("acme/reranker")
        good_call(server.target, model="acme/reranker")
    (line,) = lines_of(server, "model failed to load")
    assert disk.reason in line["detail"]
    assert "models.cache_dir" in line["detail"]


def test_a_change_that_cannot_be_kept_changes_nothing(
    disk: FullDisk, stored_model: Path, tmp_path: Path
) -> None:
    flags = flags_for(
        stored_model,
        tmp_path / "cache",
        **{"http_enabled": True, "admin.token": TOKEN, "admin.state_file": str(disk.folder / "state.json")},
    )

    def patch(server_url: str) -> int:
        request = urllib.request.Request(
            f"{server_url}/config/reranking?persist=true",
            data=json.dumps({"snippet_chars": 77}).encode(),
            method="PATCH",
            headers={"authorization": f"Bearer {TOKEN}", "content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def snippet_chars(server_url: str) -> int:
        with urllib.request.urlopen(f"{server_url}/config/reranking", timeout=30) as answer:
            told = json.loads(answer.read())
        return int(told.get("reranking", told)["snippet_chars"])

    with running(flags, prelude=disk.prelude) as server:
        before = snippet_chars(server.http_url)
        assert patch(server.http_url) == 500
        assert snippet_chars(server.http_url) == before
        good_call(server.target)
        disk.make_room(server.pid)
        assert patch(server.http_url) == 200
        assert snippet_chars(server.http_url) == 77
    (line,) = lines_of(server, "call failed")
    assert disk.reason in line["exc_info"]
    assert not [path for path in disk.folder.iterdir() if path.name.startswith(".state")]
