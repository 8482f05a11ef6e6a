"""Models of another rerankd, on real sockets."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.fake_backend import MAX_TOKENS, NAN_WORD, RAISE_WORD, FakeBackend, expected_logit
from support.servers import (
    FAKE_MODEL_PROGRAM,
    ServerProcess,
    fake_config,
    fake_engine,
    free_port,
    serving,
)
from support.text_models import TextModel, catalogue_of

from rerankd.assembly import build_engine
from rerankd.backends.base import TextBackend, TextCall, TextScores
from rerankd.backends.remote import RemoteModels, RemoteSettings
from rerankd.backends.testing import TextBackendAcceptance
from rerankd.core.errors import (
    BackendFailedError,
    DocumentTooLongError,
    InvalidRequestError,
    ModelFailedError,
    NonFiniteScoreError,
    ProviderUnavailableError,
)
from rerankd.core.types import LongDocument
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceServicer, add_RerankServiceServicer_to_server

QUERY = "red fox"
TEXTS = ("a fox", "red", "a red fox runs", "the river is long")


def make(target: str, **settings: Any) -> TextBackend:
    remotes = {"other@1": RemoteSettings(url=f"grpc://{target}", **settings)}
    return RemoteModels(remotes).load("other@1", lambda *_: None)


@asynccontextmanager
async def opened(target: str, **settings: Any) -> AsyncIterator[TextBackend]:
    backend = make(target, **settings)
    try:
        await backend.start(lambda *_: None)
        yield backend
    finally:
        await backend.close()


def call(*texts: str, **more: Any) -> TextCall:
    return TextCall(query=QUERY, texts=texts or TEXTS, **{"timeout_seconds": 30.0, **more})


def logits(*texts: str) -> list[float]:
    return [expected_logit(QUERY, text) for text in texts or TEXTS]


@pytest.fixture(scope="module")
def process() -> Iterator[ServerProcess]:
    running = ServerProcess({}, program=FAKE_MODEL_PROGRAM)
    try:
        yield running
    finally:
        running.stop()


class TestRerankdBackend(TextBackendAcceptance):
    @pytest.fixture(autouse=True)
    def _use(self, process: ServerProcess) -> None:
        self._target = process.target

    def make_backend(self) -> TextBackend:
        return make(self._target, max_documents=100)


async def test_scores_come_in_the_order_of_the_texts_and_are_the_other_sides() -> None:
    async with serving() as server, opened(server.target) as backend:
        raw = await backend.score(call(raw_scores=True))
        assert list(raw.scores) == logits()
        probabilities = await backend.score(call())
        assert all(0 < score < 1 for score in probabilities.scores)
        assert list(raw.dropped_tokens) == [0] * len(TEXTS)
        assert list(raw.passages) == []
        assert raw.tokens > 0


async def test_large_sets_are_split_and_put_together_in_order() -> None:
    texts = [f"fox number {number}" for number in range(1001)]
    async with serving() as server, opened(server.target, max_documents=300) as backend:
        answer = await backend.score(call(*texts, raw_scores=True))
        assert list(answer.scores) == logits(*texts)
        assert len(answer.dropped_tokens) == len(texts)


async def test_what_to_do_with_long_documents_goes_along() -> None:
    long = " ".join(f"word{number}" for number in range(2 * MAX_TOKENS)) + " fox"
    async with serving() as server, opened(server.target) as backend:
        cut = await backend.score(call("a fox", long))
        assert cut.dropped_tokens[0] == 0
        assert cut.dropped_tokens[1] > MAX_TOKENS
        best = await backend.score(call("a fox", long, long_document=LongDocument.BEST_PASSAGE))
        assert best.passages[0] == (0, len("a fox"))
        assert best.passages[1][1] == len(long)
        short = await backend.score(call("one two three four", max_tokens_per_document=2))
        assert list(short.dropped_tokens) == [2]
        with pytest.raises(DocumentTooLongError) as caught:
            await backend.score(call("a fox", long, long_document=LongDocument.REJECT))
        assert caught.value.field == "documents"


async def test_an_instruction_that_the_model_does_not_take_is_the_callers_error() -> None:
    async with serving() as server, opened(server.target) as backend:
        with pytest.raises(InvalidRequestError) as caught:
            await backend.score(call(instruction="find animals"))
        assert caught.value.field == "options.instruction"


async def test_a_model_that_is_not_there_is_for_the_operator() -> None:
    async with serving() as server, opened(server.target, model="not/there") as backend:
        with pytest.raises(ModelFailedError, match=r"MODEL_NOT_FOUND.*the operator must check"):
            await backend.score(call())


@pytest.mark.parametrize(
    ("word", "error"), [(NAN_WORD, NonFiniteScoreError), (RAISE_WORD, BackendFailedError)]
)
async def test_failures_there_are_failures_here(word: str, error: type[Exception]) -> None:
    async with serving() as server, opened(server.target) as backend:
        with pytest.raises(error):
            await backend.score(call("a fox", word))
        assert list((await backend.score(call(raw_scores=True))).scores) == logits()


async def test_a_server_that_is_down_is_unavailable_and_may_come_back() -> None:
    port = free_port()
    async with opened(f"127.0.0.1:{port}", retries=1) as backend:
        with pytest.raises(ProviderUnavailableError, match="no connection") as caught:
            await backend.score(call())
        assert str(port) not in caught.value.message
        async with serving(fake_config(grpc_port=port)):
            # gRPC leaves an address that failed alone for a moment.
            patient = call(raw_scores=True)
            while True:
                try:
                    answer = await backend.score(patient)
                    break
                except ProviderUnavailableError:
                    continue
        assert list(answer.scores) == logits()


async def test_a_server_that_is_slow_is_given_up() -> None:
    fake = FakeBackend()
    fake.gate.clear()
    async with serving(backend=fake) as server, opened(server.target, timeout_seconds=0.5) as backend:
        with pytest.raises(ProviderUnavailableError, match=r"no answer within 0\.(5|49\d*) s"):
            await backend.score(call())
        fake.gate.set()
        assert list((await backend.score(call(raw_scores=True))).scores) == logits()


async def test_a_cancelled_call_is_cancelled_there() -> None:
    model = TextModel()
    model.hold.clear()
    engine = build_engine(fake_config(), catalogue=(sources := catalogue_of(model)), loader=sources.load)
    async with serving(engine=engine) as server, opened(server.target, model=model.id) as backend:
        waiting = asyncio.ensure_future(backend.score(call()))
        await model.entered.acquire()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        await model.given_up.acquire()
        model.hold.set()
        assert len((await backend.score(call())).scores) == len(TEXTS)
    assert model.cancelled == 1


async def test_what_a_provider_bills_there_is_told_here() -> None:
    def bill(asked: TextCall) -> TextScores:
        count = len(asked.texts)
        return TextScores(scores=[1.5] * count, tokens=70, units=3, units_estimated=True, cost_usd=0.25)

    model = TextModel(id="cloud/fake", is_cloud=True, answer=bill)
    engine = build_engine(fake_config(), catalogue=(sources := catalogue_of(model)), loader=sources.load)
    async with (
        serving(engine=engine) as server,
        opened(server.target, model=model.id, max_documents=2) as backend,
    ):
        answer = await backend.score(call())
    # Two calls there, because of the limit.
    assert (answer.tokens, answer.units, answer.units_estimated, answer.cost_usd) == (140, 6, True, 0.5)
    assert list(answer.scores) == [1.5] * 4


async def test_an_order_that_was_left_as_it_is_is_no_scores() -> None:
    config = fake_config(reranking={"mode": "none"})
    fake = FakeBackend()
    async with serving(config, fake) as server, opened(server.target, model="none") as backend:
        with pytest.raises(ProviderUnavailableError, match="did not score"):
            await backend.score(call())


async def test_what_the_other_side_would_do_on_failure_is_not_asked_for() -> None:
    config = fake_config(reranking={"on_failure": "original_order", "max_scored_documents": 1})
    fake = FakeBackend()
    async with serving(config, fake, fake_engine(fake, config)) as server, opened(server.target) as backend:
        with pytest.raises(BackendFailedError):
            await backend.score(call("a fox", RAISE_WORD))
        assert list((await backend.score(call(raw_scores=True))).scores) == logits()


def _ranking(**changes: Any) -> pb.RerankResponse:
    count = len(TEXTS)
    results = [pb.RerankResult(index=index, score=1.0, rank=index + 1, scored=True) for index in range(count)]
    return pb.RerankResponse(
        **{"results": results, "outcome": pb.OUTCOME_RERANKED, "model": pb.ModelRef(id="m"), **changes}
    )


@asynccontextmanager
async def answering(
    *answers: pb.RerankResponse,
    asked: list[dict[str, Any]] | None = None,
    credentials: grpc.ServerCredentials | None = None,
) -> AsyncIterator[str]:
    """A server of the same service that answers what it is told to; `asked` gets the calls' metadata."""
    asked = [] if asked is None else asked

    class Service(RerankServiceServicer):
        async def Rerank(self, request: pb.RerankRequest, context: Any) -> pb.RerankResponse:
            asked.append(dict(context.invocation_metadata()))
            return left.pop(0)

    left = list(answers)
    server = grpc.aio.server()
    add_RerankServiceServicer_to_server(Service(), server)
    address = "127.0.0.1:0"
    secure = credentials is not None
    port = server.add_secure_port(address, credentials) if secure else server.add_insecure_port(address)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ({"outcome": pb.OUTCOME_PASSTHROUGH}, ProviderUnavailableError, "did not score"),
        ({"outcome": pb.OUTCOME_PARTIAL}, ProviderUnavailableError, "did not score"),
        ({"outcome": pb.OUTCOME_UNSPECIFIED}, ProviderUnavailableError, "did not score"),
        ({"outcome_reason": "FALLBACK: m failed"}, ProviderUnavailableError, "had to stand in"),
        ({"results": []}, BackendFailedError, "other documents"),
        ({"results": _ranking().results[:3]}, BackendFailedError, "other documents"),
        ({"results": [*_ranking().results, _ranking().results[0]]}, BackendFailedError, "other documents"),
        (
            {"results": [pb.RerankResult(index=i + 1) for i in range(4)]},
            BackendFailedError,
            "other documents",
        ),
        ({"results": [pb.RerankResult(index=i) for i in range(4)]}, ProviderUnavailableError, "unscored"),
    ],
)
async def test_anything_but_all_the_scores_is_an_error(
    answer: dict[str, Any], error: type[Exception], message: str
) -> None:
    async with answering(_ranking(**answer)) as target, opened(target) as backend:
        with pytest.raises(error, match=message):
            await backend.score(call())


async def test_the_token_is_sent_and_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[dict[str, Any]] = []
    answers = [_ranking(), _ranking(outcome=pb.OUTCOME_PASSTHROUGH)]
    with caplog.at_level(logging.DEBUG):
        async with answering(*answers, asked=asked) as target, opened(target, token="abc.def") as backend:
            await backend.score(call())
            with pytest.raises(ProviderUnavailableError) as caught:
                await backend.score(call())
    assert [metadata["authorization"] for metadata in asked] == ["Bearer abc.def"] * 2
    assert "abc.def" not in caplog.text + str(caught.value) + repr(backend)


async def test_scores_of_two_revisions_are_never_mixed() -> None:
    def part(revision: str) -> pb.RerankResponse:
        return _ranking(results=_ranking().results[:2], model=pb.ModelRef(id="m", revision=revision))

    async with (
        answering(part("1"), part("1"), part("1"), part("2")) as target,
        opened(target, max_documents=2) as backend,
    ):
        assert len((await backend.score(call())).scores) == 4
        with pytest.raises(ProviderUnavailableError, match="its model changed"):
            await backend.score(call())


_CALL_OVER_TLS = """
import asyncio, sys
from rerankd.backends.base import TextCall
from rerankd.backends.remote import RemoteModels, RemoteSettings

async def main(target):
    settings = RemoteSettings(url=f"grpcs://{target}", retries=0)
    backend = RemoteModels({"m": settings}).load("m", lambda *_: None)
    await backend.start(lambda *_: None)
    try:
        call = TextCall(query="q", texts=["a", "b", "c", "d"], timeout_seconds=20.0)
        print(len((await backend.score(call)).scores))
    except Exception as error:
        print(type(error).__name__)
    finally:
        await backend.close()

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
async def test_certificates_are_checked(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key}"
    more = f"-out {certificate} -addext subjectAltName=DNS:localhost"
    subprocess.run([*command.split(), *more.split()], check=True, capture_output=True)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])

    async def answer_of(target: str, **environment: str) -> str:
        # In a process of its own: gRPC reads the variable once.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _CALL_OVER_TLS, target.replace("127.0.0.1", "localhost")),
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        out, _ = await process.communicate()
        return out.decode().strip()

    async with answering(_ranking(), credentials=credentials) as target:
        assert await answer_of(target) == "ProviderUnavailableError"
        assert await answer_of(target, GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=str(certificate)) == "4"
