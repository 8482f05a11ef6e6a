"""Text of callers that would be more than text: in headers, trailers, logs, model names."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest
from support.calls import request
from support.http import Answer, both_doors, call
from support.hub import FakeHub
from support.servers import FakeServer
from support.statuses import failure_of

from rerankd.artifacts.settings import ArtifactSettings
from rerankd.artifacts.store import ArtifactStore
from rerankd.core.errors import ModelNotFoundError
from rerankd.telemetry import logs

FORGED = "x\r\nset-cookie: stolen=1\r\n\r\nHTTP/1.1 200 OK"
STRANGE_IDS = ["", "a b", "a\tb", "é", "x" * 129, '"><script>', "a\x7fb"]


async def rerank(server: FakeServer, model: str = "default", **headers: str) -> Answer:
    body = {"model": model, "query": "alpha", "documents": ["alpha one"]}
    return await call(server.app.http_port, "/v2/rerank", body, headers=headers)


@pytest.mark.parametrize("identity", [i for i in STRANGE_IDS if i.isascii() and i != '"><script>'])
async def test_a_request_id_is_visible_ascii_or_another_one(identity: str) -> None:
    async with both_doors() as server:
        answer = await rerank(server, **({"x-request-id": identity} if identity.strip() == identity else {}))
        assert answer.status in (200, 400)
        if answer.status == 200:
            assert answer.headers["x-request-id"] != identity


async def test_a_model_name_is_text_wherever_it_is_told() -> None:
    async with both_doors(http={"accept_any_model": True}) as server:
        for model in (FORGED, "a\0b", "a\u2028b", "é" * 50):
            answer = await rerank(server, model)
            assert answer.status == 200
            assert "set-cookie" not in answer.headers
            failure = await failure_of(server.stub.Rerank(request(1, model=model)))
            assert failure.reason == "MODEL_NOT_FOUND"
            assert "set-cookie" not in failure.trailers


async def test_metadata_that_is_no_id_is_replaced() -> None:
    async with both_doors() as server:
        reply = server.stub.Rerank(request(1), metadata=(("x-request-id", "a b"),))
        await reply
        assert dict(await reply.initial_metadata())["x-request-id"] != "a b"


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_of_the_log_is_one_line(form: str) -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        logs.configure("info", form, stream)  # type: ignore[arg-type]
        forged = "x\n2026-01-01 00:00:00 error forged\x1b[2J\u2028y"
        logging.getLogger("rerankd.test").info("a %s", forged, extra={"model": forged})
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    (line,) = stream.getvalue().splitlines()
    assert "\x1b" not in line
    assert "forged" in line
    if form == "json":
        assert json.loads(line)["model"].startswith("x\n")


URLS = [
    "http://169.254.169.254/latest/meta-data",
    "https://example.org/model",
    "//example.org/model",
    "file:///etc/passwd",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b/../../../c",
    "user@host/model",
    "a/b?x=1",
    "a/b#f",
    "a/b%2f..",
    "models:a/b",
    "a\\b",
]


@pytest.mark.parametrize("name", URLS)
def test_a_model_name_reaches_no_address(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where every repository is allowed, a name is a repository's, and no request is made for it."""
    with FakeHub().running() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        store = ArtifactStore(ArtifactSettings(cache_dir=tmp_path, allow=("*",)))
        with pytest.raises(ModelNotFoundError):
            store.fetch(store.canonical(name), lambda *_: None)
        assert not hub.calls
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", URLS)
async def test_doors_pass_no_address_on(name: str) -> None:
    async with both_doors() as server:
        failure = await failure_of(server.stub.Rerank(request(1, model=name)))
        assert failure.reason == "MODEL_NOT_FOUND"
        assert (await rerank(server, name)).status == 404
