"""Plugins as models of a server: registered, installed and remote, over gRPC."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.fake_backend import FakeBackend, expected_logit
from support.plugin_server import Answer, pair_score, pairs_server
from support.plugins import Answering, AsyncPlugin, BlockingPlugin, plugin_score
from support.servers import FakeServer, ServerProcess, fake_config, free_port, serving

import rerankd
from rerankd.assembly import StartupError, build_catalogue, build_engine
from rerankd.client import (
    AsyncClient,
    BackendFailedError,
    Client,
    InvalidRequestError,
    ModelFailedError,
    ModelNotFoundError,
    RerankResponse,
    UnavailableError,
)
from rerankd.v1 import rerank_service_pb2 as pb

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "plugins" / "sentence-transformers"
QUERY = "red fox"
TEXTS = ("a fox", "the river is long", "red", "a red fox runs")


class _Moody(BlockingPlugin):
    """Scores, unless a document says what to do instead."""

    def name(self) -> str:
        return "moody"

    def rerank(self, query: str, documents: list[str]) -> Any:
        scores = list(super().rerank(query, documents))
        if "raise" in documents:
            raise OSError("/secret/path")
        if "short" in documents:
            scores.pop()
        return [
            float("nan") if text == "nan" else score for text, score in zip(documents, scores, strict=False)
        ]


class _Broken(AsyncPlugin):
    def initialize(self) -> None:
        raise OSError("/secret/path")


class _Listwise(AsyncPlugin):
    listwise = True


PLUGIN = AsyncPlugin("it-shared-words")


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    nothing = Answering(lambda *_: None, "it-nothing")
    for plugin in (PLUGIN, _Moody(), _Broken("it-broken"), _Listwise("it-listwise"), nothing):
        rerankd.register_backend(plugin)


@asynccontextmanager
async def served(**sections: Any) -> AsyncIterator[tuple[FakeServer, AsyncClient]]:
    """A server whose models are those of its configuration."""
    config = fake_config(**sections)
    async with serving(config, engine=build_engine(config)) as server, AsyncClient(server.target) as client:
        yield server, client


def expect_ranking(response: RerankResponse, score: Callable[[str, str], float]) -> None:
    """The model's scores as they are, best first."""
    scores = [score(QUERY, text) for text in TEXTS]
    best_first = sorted(range(len(TEXTS)), key=lambda index: -scores[index])
    assert response.outcome == pb.OUTCOME_RERANKED
    assert response.outcome_reason == ""
    got = [(result.index, result.score) for result in response.results]
    assert got == [(index, pytest.approx(scores[index], abs=1e-5)) for index in best_first]
    assert not any(result.HasField("logit") for result in response.results)


@pytest.mark.parametrize("name", ["it-shared-words", "it-shared-words@1.2.0", "", "mine"])
async def test_a_registered_plugin_ranks_under_each_of_its_names(name: str) -> None:
    sections = {"model": "it-shared-words", "models": {"aliases": {"mine": "it-shared-words@1.2.0"}}}
    async with served(**sections) as (_, client):
        response = await client.rerank(QUERY, TEXTS, model=name)
        expect_ranking(response, plugin_score)
        assert (response.model.id, response.model.revision) == ("it-shared-words", "1.2.0")
        assert response.model.backend == "plugin"
        with pytest.raises(ModelNotFoundError, match=r"there is it-shared-words@1\.2\.0"):
            await client.rerank(QUERY, TEXTS, model="it-shared-words@1")


async def test_scores_are_the_same_raw_or_not_and_in_a_stream() -> None:
    async with served(model="it-shared-words") as (_, client):
        unary = await client.rerank(QUERY, TEXTS)
        raw = await client.rerank(QUERY, TEXTS, raw_scores=True)
        async with client.rerank_stream(QUERY, TEXTS, chunk_documents=1) as stream:
            streamed = await stream.summary()
    assert list(unary.results) == list(raw.results) == list(streamed.results)


async def test_a_plugin_is_initialized_at_first_use_and_shut_down_with_the_server() -> None:
    PLUGIN.events.clear()
    async with served(model="it-shared-words") as (_, client):
        assert PLUGIN.events == []
        await asyncio.gather(*(client.rerank(QUERY, TEXTS) for _ in range(8)))
        assert PLUGIN.events == ["initialize"]
    assert PLUGIN.events == ["initialize", "shutdown"]


@pytest.mark.parametrize("document", ["raise", "short", "nan"])
async def test_a_failure_is_that_of_its_own_request(document: str) -> None:
    async with served(model="moody") as (_, client):
        good = [client.rerank(QUERY, TEXTS) for _ in range(8)]
        bad = client.rerank(QUERY, [*TEXTS, document])
        *answers, failure = await asyncio.gather(*good, bad, return_exceptions=True)
        for answer in answers:
            assert isinstance(answer, RerankResponse)
            expect_ranking(answer, plugin_score)
        assert isinstance(failure, Exception)
        assert type(failure).__name__ == (
            "NonFiniteScoreError" if document == "nan" else "BackendFailedError"
        )
        assert "secret" not in str(failure)


@pytest.mark.parametrize(
    ("model", "error"), [("it-broken", ModelFailedError), ("it-nothing", BackendFailedError)]
)
async def test_a_plugin_that_is_no_use_leaves_the_others_alone(model: str, error: type[Exception]) -> None:
    async with served(model="it-shared-words") as (_, client):
        with pytest.raises(error) as caught:
            await client.rerank(QUERY, TEXTS, model=model)
        assert "secret" not in str(caught.value)
        expect_ranking(await client.rerank(QUERY, TEXTS), plugin_score)


async def test_a_listwise_plugin_takes_no_streams() -> None:
    async with served(model="it-listwise") as (_, client):
        expect_ranking(await client.rerank(QUERY, TEXTS), plugin_score)
        with pytest.raises(InvalidRequestError):
            async with client.rerank_stream(QUERY, TEXTS) as stream:
                await stream.summary()


async def test_a_server_of_pairs_is_a_model() -> None:
    with pairs_server() as pairs:
        remotes = {"pairs@2.0": {"url": pairs.url, "token": "abc"}}
        async with served(model="it-shared-words", plugins={"remotes": remotes}) as (_, client):
            for name in ("pairs@2.0", "pairs"):
                response = await client.rerank(QUERY, TEXTS, model=name)
                expect_ranking(response, pair_score)
                assert (response.model.id, response.model.revision) == ("pairs@2.0", "2.0")
            with pytest.raises(ModelNotFoundError, match=r"there is pairs@2\.0"):
                await client.rerank(QUERY, TEXTS, model="pairs@1")
        assert {call.headers["authorization"] for call in pairs.calls} == {"Bearer abc"}


async def test_another_rerankd_is_a_model() -> None:
    async with serving(backend=FakeBackend()) as other:
        remotes = {"next-door": {"url": f"grpc://{other.target}", "max_documents": 2}}
        async with served(model="next-door", plugins={"remotes": remotes}) as (_, client):
            response = await client.rerank(QUERY, TEXTS, raw_scores=True)
            expect_ranking(response, expected_logit)
            assert response.usage.tokens > 0
            texts = [f"fox {number}" for number in range(1500)]
            async with client.rerank_stream(QUERY, texts, raw_scores=True) as stream:
                summary = await stream.summary()
    assert {result.index: result.score for result in summary.results} == {
        index: expected_logit(QUERY, text) for index, text in enumerate(texts)
    }


async def test_a_remote_model_that_is_away_is_said_to_be_away() -> None:
    sections: dict[str, Any] = {
        "model": "away",
        "plugins": {"remotes": {"away": {"url": f"http://127.0.0.1:{free_port()}/", "retries": 0}}},
    }
    async with served(**sections) as (_, client):
        with pytest.raises(UnavailableError) as caught:
            await client.rerank(QUERY, TEXTS)
        assert caught.value.reason == "PROVIDER_UNAVAILABLE"
        kept = await client.rerank(QUERY, TEXTS, on_failure="original_order")
        assert kept.outcome == pb.OUTCOME_PASSTHROUGH
        assert kept.outcome_reason.startswith("PROVIDER_UNAVAILABLE: ")
        assert [(result.index, result.scored) for result in kept.results] == [(i, False) for i in range(4)]
    async with served(**sections, reranking={"fallback_models": ["it-shared-words"]}) as (_, client):
        response = await client.rerank(QUERY, TEXTS)
        assert response.outcome_reason.startswith("FALLBACK: ")
        assert response.model.id == "it-shared-words"


async def test_a_remote_model_may_come_up_after_the_server() -> None:
    with pairs_server() as pairs:
        # The client repeats a call twice.
        pairs.answers = [Answer(status=503)] * 3
        remotes = {"late": {"url": pairs.url, "retries": 0}}
        async with served(model="late", plugins={"remotes": remotes}) as (_, client):
            with pytest.raises(UnavailableError):
                await client.rerank(QUERY, TEXTS)
            # No back-off of a failed load stands in its way.
            expect_ranking(await client.rerank(QUERY, TEXTS), pair_score)


@pytest.mark.parametrize(
    ("remotes", "what"),
    [
        ({"two words": {"url": "http://host/"}}, "two words"),
        ({"bad": {"url": "grpc://host:1/path"}}, r"plugins\.remotes\.bad: url of another rerankd"),
        ({"bad": {"url": "http://host/", "token": "a b"}}, r"plugins\.remotes\.bad: token must be"),
    ],
)
def test_a_remote_that_cannot_work_stops_the_start(remotes: dict[str, Any], what: str) -> None:
    with pytest.raises(StartupError, match=what):
        build_catalogue(fake_config(plugins={"remotes": remotes}))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the example, without what it depends on."""
    folder = tmp_path_factory.mktemp("site")
    install = ("install", "-q", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(folder))
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *install, str(EXAMPLE)], check=True
    )
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(site)
    yield
    sys.modules.pop("rerankd_sentence_transformers", None)


@pytest.mark.usefixtures("installed")
async def test_an_installed_plugin_is_listed_and_not_imported() -> None:
    catalogue = build_catalogue(fake_config(model="it-shared-words"))
    assert "sentence-transformers" in catalogue.names()
    assert catalogue.canonical("sentence-transformers@1.0.0") == "sentence-transformers"
    assert "rerankd_sentence_transformers" not in sys.modules
    hidden = build_catalogue(fake_config(model="it-shared-words", plugins={"allow": []}))
    assert "sentence-transformers" not in hidden.names()


@pytest.mark.usefixtures("installed")
async def test_an_installed_plugin_whose_library_is_missing_is_a_failed_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    async with served(model="it-shared-words") as (_, client):
        with pytest.raises(ModelFailedError, match="ModuleNotFoundError"):
            await client.rerank(QUERY, TEXTS, model="sentence-transformers")
        expect_ranking(await client.rerank(QUERY, TEXTS), plugin_score)


def _python_with_sentence_transformers() -> Path:
    """This interpreter, or that of the benchmarks' environment; skips where neither has the library."""
    if importlib.util.find_spec("sentence_transformers") is not None:
        return Path(sys.executable)
    spec = importlib.util.spec_from_file_location(
        "environments", ROOT / "scripts" / "bench" / "environments.py"
    )
    assert spec is not None
    assert spec.loader is not None
    environments = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(environments)
    folder = environments.CACHE / "sentence-transformers"
    if not (folder / "pins.txt").exists():
        pytest.skip("PyTorch is large: scripts/bench/peers.py makes the environment that this needs")
    return Path(environments.python_of("sentence-transformers"))


def test_the_registering_example_serves_its_plugin() -> None:
    program = f"""
import os, runpy, sys
os.environ.update(RERANKD_GRPC_PORT="0", RERANKD_HTTP_PORT="0", RERANKD_LOG__FORMAT="json")
runpy.run_path({str(ROOT / "examples" / "plugins" / "registered.py")!r}, run_name="__main__")
"""
    process = ServerProcess({}, program=program)
    try:
        with Client(process.target) as client:
            response = client.rerank(QUERY, TEXTS)
    finally:
        process.stop()
    assert (response.model.id, response.model.revision) == ("shared-words", "1.0")
    assert [(result.index, result.score) for result in response.results] == [(3, 2), (0, 1), (2, 1), (1, 0)]


@pytest.mark.parametrize(
    "path",
    [
        "registered.py",
        "sentence-transformers/pyproject.toml",
        "sentence-transformers/src/rerankd_sentence_transformers/__init__.py",
        "sentence-transformers/tests/test_acceptance.py",
    ],
)
def test_the_page_shows_the_examples_as_they_are(path: str) -> None:
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    shown = [block.partition("\n")[2] for block in page.split("```")[1::2]]
    assert (EXAMPLE.parent / path).read_text(encoding="utf-8") in shown


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_example_scores_as_the_library_that_it_wraps(site: Path, tmp_path: Path) -> None:
    program = Path(__file__).with_name("drive_plugin_example.py")
    # Ours come last: where both have a package, the library meets the version that it was installed with.
    paths = (site, EXAMPLE / "tests", ROOT / "src", ROOT / "tests", *map(Path, sys.path[1:]))
    run = subprocess.run(
        [_python_with_sentence_transformers(), program, tmp_path, *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    found = json.loads(run.stdout.splitlines()[-1])
    library = found["library"]
    assert max(library) - min(library) > 0.1
    assert found["model"] == ["sentence-transformers", "1.0.0", "plugin"]
    order = sorted(range(len(library)), key=lambda index: -library[index])
    assert [index for index, _ in found["server"]] == order
    assert [score for _, score in found["server"]] == pytest.approx(sorted(library, reverse=True), abs=1e-6)
    assert "test_its_entry_point_gives_it" in found["checks"]
