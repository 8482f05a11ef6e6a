"""Models of a server that takes pairs over HTTP, on real sockets."""

from __future__ import annotations

import asyncio
import gzip
import logging
import shutil
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.plugin_server import Answer, Pairs, PairsServer, pair_score, pairs_server, scores_body
from support.servers import free_port

from rerankd import __version__
from rerankd.backends.base import TextBackend, TextCall
from rerankd.backends.remote import RemoteModels, RemoteSettings
from rerankd.backends.testing import TextBackendAcceptance
from rerankd.core.errors import (
    BackendFailedError,
    InvalidRequestError,
    ModelFailedError,
    ProviderUnavailableError,
)

QUERY = "red fox"
TOKEN = "token-that-nobody-may-read"
DOCUMENT = "a document that nobody may read"


@pytest.fixture
def server() -> Iterator[PairsServer]:
    with pairs_server() as running:
        yield running


def make(url: str, **settings: Any) -> TextBackend:
    return RemoteModels({"pairs@1": RemoteSettings(url=url, **settings)}).load("pairs@1", lambda *_: None)


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[TextBackend]:
    backend = make(url, **settings)
    try:
        await backend.start(lambda *_: None)
        yield backend
    finally:
        await backend.close()


def call(*texts: str, timeout_seconds: float = 30.0) -> TextCall:
    return TextCall(query=QUERY, texts=texts or ("a fox", "red"), timeout_seconds=timeout_seconds)


class TestPairsBackend(TextBackendAcceptance):
    @pytest.fixture(autouse=True)
    def _use(self, server: PairsServer) -> None:
        self._server = server

    def make_backend(self) -> TextBackend:
        return make(self._server.url, max_documents=100)


async def test_what_is_sent_and_what_comes_back(server: PairsServer) -> None:
    async with opened(server.url, token=TOKEN) as backend:
        answer = await backend.score(call("a fox", "red", "é \U0001f600 \ud800 \x00"))
    assert list(answer.scores) == [pair_score(QUERY, t) for t in ("a fox", "red", "é \U0001f600 \ud800 \x00")]
    (sent,) = server.calls
    assert sent.path == "/score"
    assert sent.pairs == [[QUERY, "a fox"], [QUERY, "red"], [QUERY, "é \U0001f600 \ud800 \x00"]]
    assert sent.headers["authorization"] == f"Bearer {TOKEN}"
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["user-agent"] == f"rerankd/{__version__}"


async def test_without_a_token_no_authorization_is_sent(server: PairsServer) -> None:
    async with opened(server.url) as backend:
        await backend.score(call())
    assert "authorization" not in server.calls[0].headers


async def test_cookies_are_not_kept(server: PairsServer) -> None:
    sticky = Answer(headers={"set-cookie": "replica=1; Path=/"}, body=scores_body([1.0, 2.0]))
    server.answers = [sticky]
    async with opened(server.url) as backend:
        await backend.score(call())
        await backend.score(call())
    assert ["cookie" in sent.headers for sent in server.calls] == [False, False]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
async def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key}"
    more = f"-out {certificate} -addext subjectAltName=DNS:localhost"
    subprocess.run([*command.split(), *more.split()], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with pairs_server(tls) as server:
        async with opened(server.url, retries=0) as backend:
            with pytest.raises(ProviderUnavailableError, match="the connection failed"):
                await backend.score(call())
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with opened(server.url, retries=0) as backend:
            assert len((await backend.score(call())).scores) == 2


async def test_large_sets_are_split_and_put_together_in_order(server: PairsServer) -> None:
    texts = [f"text {number}" for number in range(1001)]
    async with opened(server.url, max_documents=1000) as backend:
        answer = await backend.score(call(*texts))
    assert list(answer.scores) == [pair_score(QUERY, text) for text in texts]
    assert sorted(len(sent.pairs) for sent in server.calls) == [1, 1000]


async def test_parts_come_a_few_at_a_time(server: PairsServer) -> None:
    server.gate.clear()
    async with opened(server.url, max_documents=1, max_concurrency=3) as backend:
        scoring = asyncio.ensure_future(backend.score(call(*(f"text {number}" for number in range(9)))))
        for _ in range(3):
            await asyncio.to_thread(server.entered.acquire)
        server.gate.set()
        assert len((await scoring).scores) == 9
    assert server.most_running == 3


async def test_one_failed_part_fails_the_call(server: PairsServer) -> None:
    server.answers = [Answer(status=422)]
    async with opened(server.url, max_documents=1) as backend:
        with pytest.raises(BackendFailedError, match="HTTP 422"):
            await backend.score(call())
        assert len((await backend.score(call())).scores) == 2


@pytest.mark.parametrize(
    "failure",
    [
        Answer(status=500),
        Answer(status=503, headers={"retry-after": "0"}),
        Answer(status=429, headers={"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}),
        Answer(status=408),
        Answer(body=b'{"scores"', breaks_off=True),
    ],
)
async def test_what_may_pass_is_repeated(server: PairsServer, failure: Answer) -> None:
    server.answers = [failure, failure]
    async with opened(server.url, retries=2) as backend:
        assert len((await backend.score(call())).scores) == 2
    assert len(server.calls) == 3


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_what_does_not_pass_is_unavailable(server: PairsServer, status: int) -> None:
    server.answers = [Answer(status=status)] * 2
    async with opened(server.url, retries=1) as backend:
        with pytest.raises(ProviderUnavailableError, match=f"HTTP {status}") as caught:
            await backend.score(call())
    assert len(server.calls) == 2
    assert caught.value.metadata == {"model": "pairs@1", "status": str(status)}


async def test_nobody_waits_longer_than_the_deadline(server: PairsServer) -> None:
    server.answers = [Answer(status=429, headers={"retry-after": "120"})]
    async with opened(server.url) as backend:
        with pytest.raises(ProviderUnavailableError) as caught:
            await backend.score(call())
    assert caught.value.retry_after_seconds == 120.0
    assert len(server.calls) == 1


async def test_a_server_that_is_down_is_unavailable() -> None:
    async with opened(f"http://127.0.0.1:{free_port()}/", retries=1) as backend:
        with pytest.raises(ProviderUnavailableError, match="the connection failed") as caught:
            await backend.score(call())
    assert "127.0.0.1" not in caught.value.message
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(("own", "left"), [(0.1, 30.0), (30.0, 0.1)])
async def test_a_server_that_is_slow_is_given_up(server: PairsServer, own: float, left: float) -> None:
    server.gate.clear()
    async with opened(server.url, timeout_seconds=own) as backend:
        with pytest.raises(ProviderUnavailableError, match=r"no answer within 0\.(1|09\d*) s"):
            await backend.score(call(timeout_seconds=left))
        # Not repeated: it has enough to do. A busy machine may not even have come to call it.
        assert len(server.calls) <= 1
        server.gate.set()
        assert len((await backend.score(call())).scores) == 2


async def test_a_body_that_drips_does_not_outlast_the_timeout(server: PairsServer) -> None:
    hold = threading.Event()

    def drip() -> Iterator[bytes]:
        yield b'{"scores": ['
        hold.wait()

    server.answers = [Answer(body=drip())]
    async with opened(server.url, timeout_seconds=0.5) as backend:
        with pytest.raises(ProviderUnavailableError, match="no answer within"):
            await backend.score(call())
        hold.set()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(server: PairsServer, status: int) -> None:
    with pairs_server() as elsewhere:
        server.answers = [Answer(status=status, headers={"location": elsewhere.url})]
        async with opened(server.url, token=TOKEN) as backend:
            with pytest.raises(ModelFailedError, match=f"HTTP {status}.*the operator must check its url"):
                await backend.score(call())
        assert not elsewhere.calls
    assert len(server.calls) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_for_the_operator(server: PairsServer, status: int) -> None:
    server.answers = [Answer(status=status)]
    async with opened(server.url, token=TOKEN) as backend:
        with pytest.raises(ModelFailedError, match="must check its url and token"):
            await backend.score(call())


async def test_documents_that_are_too_large_there_are_the_callers(server: PairsServer) -> None:
    server.answers = [Answer(status=413)]
    async with opened(server.url) as backend:
        with pytest.raises(InvalidRequestError, match="send shorter documents") as caught:
            await backend.score(call())
    assert caught.value.field == "documents"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(body=b"secret document"), "its answer is no JSON"),
        (Answer(body=b""), "its answer is no JSON"),
        (Answer(body=scores_body([1.0])), "1 scores for 2 documents"),
        (Answer(body=scores_body([1.0, 2.0, 3.0])), "3 scores for 2 documents"),
        (Answer(body=scores_body([1.0, "2.0"])), r"scores\[1\] of its answer is no number"),
        (Answer(body=gzip.compress(scores_body([1, 2])), headers={"content-encoding": "gzip"}), "compressed"),
        (Answer(body=b" " * 2_000_000 + scores_body([1.0, 2.0])), "more than 1049088 bytes"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_not_asked_for_again(
    server: PairsServer, answer: Answer, message: str
) -> None:
    server.answers = [answer]
    async with opened(server.url) as backend:
        with pytest.raises(BackendFailedError, match=message) as caught:
            await backend.score(call())
        assert "secret" not in caught.value.message
        assert len(server.calls) == 1
        assert len((await backend.score(call())).scores) == 2


async def test_an_answer_without_end_is_left(server: PairsServer) -> None:
    written = 0

    def endless() -> Iterator[bytes]:
        nonlocal written
        while True:
            written += 65_536
            yield b" " * 65_536

    server.answers = [Answer(body=endless())]
    async with opened(server.url) as backend:
        with pytest.raises(BackendFailedError, match="more than"):
            await backend.score(call())


async def test_scores_are_not_touched(server: PairsServer) -> None:
    def wild(pairs: Pairs) -> Answer:
        return Answer(body=scores_body([-1e9, 12.5][: len(pairs)]))

    server.answers = [wild]
    async with opened(server.url) as backend:
        assert list((await backend.score(call())).scores) == [-1e9, 12.5]


async def test_a_cancelled_call_closes_its_connection(server: PairsServer) -> None:
    server.gate.clear()
    async with opened(server.url, max_concurrency=1) as backend:
        waiting = asyncio.ensure_future(backend.score(call()))
        await asyncio.to_thread(server.entered.acquire)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        server.gate.set()
        # Its place is free again, though only one call may be under way.
        assert len((await backend.score(call())).scores) == 2


async def test_the_token_is_in_no_log(server: PairsServer, caplog: pytest.LogCaptureFixture) -> None:
    failures: list[Answer | Callable[[Pairs], Answer]] = [
        Answer(status=500),
        Answer(status=401),
        Answer(body=b"nonsense"),
        Answer(status=302, headers={"location": "/elsewhere"}),
    ]
    server.answers = list(failures)
    with caplog.at_level(logging.DEBUG):
        async with opened(server.url, token=TOKEN, retries=0) as backend:
            for _ in range(len(failures)):
                try:
                    await backend.score(call(DOCUMENT))
                except (ProviderUnavailableError, ModelFailedError, BackendFailedError) as error:
                    logging.getLogger("rerankd").warning("failed", exc_info=error)
            await backend.score(call(DOCUMENT))
    assert len(server.calls) == len(failures) + 1
    assert TOKEN not in caplog.text
    assert DOCUMENT not in caplog.text


async def test_sets_of_many_bytes_are_split_as_well(server: PairsServer) -> None:
    texts = [f"{number} " + "word " * 50_000 for number in range(20)]
    async with opened(server.url) as backend:
        answer = await backend.score(call(*texts))
    assert list(answer.scores) == [pair_score(QUERY, text) for text in texts]
    assert [len(sent.pairs) for sent in server.calls] != [20]
