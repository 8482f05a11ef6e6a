"""Every reader of what strangers write, fed with what nobody writes: each may refuse, none may break."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from rerankd.artifacts.snapshot import PinBook
from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx.contract import check_graph
from rerankd.backends.onnx.graph.cache import GraphCache, RewrittenGraph
from rerankd.backends.onnx.graph_file import read_graph
from rerankd.backends.onnx.model_config import read_model_config
from rerankd.backends.onnx.settings import TokenizerLibrary
from rerankd.backends.onnx.tokenization import PairTokenizer, load_tokenizer
from rerankd.config import ConfigError, load
from rerankd.core.errors import ModelFailedError, RerankdError
from rerankd.core.types import LongDocument
from rerankd.reconfiguration.state import StateFile
from support import fuzz_cases as cases
from support.faulty import good_call
from support.inspected import FAKE_MODEL, InspectedServer
from support.onnx_models import build_model, model_files

_ANSWERS = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    # What a mutated Warmup asks for itself.
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
_TIMEOUT_SECONDS = 30


class World:
    """What targets need: a running server and a model on the disk; both are made when first asked for."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._server: InspectedServer | None = None
        self._channel: grpc.Channel | None = None
        self._model: Path | None = None
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._server is not None:
                try:
                    self.check_server()
                finally:
                    status = self._server.stop()
                assert status == 0
        finally:
            self._stack.close()

    def check_server(self) -> None:
        """Asserts that the server has lived through it all and has nothing to tell the operator of."""
        server = self.server
        good_call(server.target)
        assert not [line for line in server.log if "Traceback" in line or '"error"' in line], "".join(
            server.log
        )

    @property
    def server(self) -> InspectedServer:
        if self._server is None:
            self._server = InspectedServer({"warmup.mode": "lazy"}, program=FAKE_MODEL)
        return self._server

    @property
    def channel(self) -> grpc.Channel:
        if self._channel is None:
            options = [("grpc.enable_retries", 0)]
            self._channel = self._stack.enter_context(grpc.insecure_channel(self.server.target, options))
        return self._channel

    @property
    def model(self) -> Path:
        if self._model is None:
            self._model = build_model(self.folder / "model")
        return self._model

    def file(self, name: str, content: bytes) -> Path:
        """A file with this content, at the same place each time."""
        path = self.folder / name
        path.write_bytes(content)
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A reader, what it is fed with, and what must hold whatever that is."""

    name: str
    cases: Callable[[World], st.SearchStrategy[Any]]
    check: Callable[[World, Any], None]
    reads_bytes: bool = False
    """Whether any bytes are a case, so that a fuzzer that knows only bytes can feed it."""


def run(target: Target, world: World, *, examples: int, number: int = 0) -> int:
    """Feeds a target; the number of cases. Raises what the first finding raises, shrunk by hypothesis."""
    count = 0

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(target.cases(world))
    def each(case: Any) -> None:
        nonlocal count
        count += 1
        target.check(world, case)

    each()
    return count


def run_for(target: Target, world: World, seconds: float) -> tuple[int, float]:
    """Feeds a target, another seed each round, until the time is over; cases, and seconds that they took."""
    started, count, number = time.monotonic(), 0, 0
    while time.monotonic() - started < seconds:
        number += 1
        count += run(target, world, examples=200, number=number)
    return count, time.monotonic() - started


def _grpc_call(world: World, case: tuple[str, bytes]) -> None:
    method, content = case
    with _answered():
        if method.endswith("/Warmup"):
            for _ in world.channel.unary_stream(method, None, None)(content, timeout=_TIMEOUT_SECONDS):
                pass
        else:
            world.channel.unary_unary(method, None, None)(content, timeout=_TIMEOUT_SECONDS)


def _grpc_stream(world: World, case: list[bytes]) -> None:
    call = world.channel.stream_stream(f"{cases.SERVICE}RerankStream", None, None)
    with _answered():
        for _ in call(iter(case), timeout=_TIMEOUT_SECONDS):
            pass


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """Lets refusals pass that are the sender's doing."""
    refusal: Any = None
    try:
        yield
    except grpc.RpcError as error:
        refusal = error
    if refusal is not None:
        assert refusal.code() in _ANSWERS, (refusal.code(), refusal.details())
        assert "Traceback" not in (refusal.details() or "")


def _http_body(world: World, case: tuple[str, bytes]) -> None:
    path, body = case
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = _exchange(world, head.encode() + body, half_close=False)
    status = int(answer.split(b" ", 2)[1])
    assert status in (200, 400, 404, 413, 415, 422), answer


def _http_bytes(world: World, case: bytes) -> None:
    answer = _exchange(world, case, half_close=True)
    # Nothing at all is an answer to what is not yet a request, or to one that was cut.
    if answer:
        assert answer.startswith(b"HTTP/1.1 "), answer
        assert int(answer.split(b" ", 2)[1]) < 500, answer


def _exchange(world: World, content: bytes, *, half_close: bool) -> bytes:
    """What comes back until the server closes; `half_close` lets it know that nothing more is sent."""
    host, _, port = world.server.http_url.removeprefix("http://").rpartition(":")
    told = b""
    with socket.create_connection((host, int(port)), timeout=_TIMEOUT_SECONDS) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(content)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while block := connection.recv(65536):
                told += block
    assert b"Traceback" not in told
    return told


def _tokens(world: World, case: tuple[str, list[str], LongDocument]) -> None:
    query, documents, mode = case
    tokenizer, options = _tokenizer(world), EncodeOptions(long_document=mode)
    with contextlib.suppress(RerankdError):
        encoded = tokenizer.encode_query(query)
        windows = tokenizer.encode_documents(encoded, documents, options)
        assert len(windows) == len(documents)
        others = _tokenizer(world, TokenizerLibrary.AUTO).encode_documents(encoded, documents, options)
        assert [*map(_as_read, windows)] == [*map(_as_read, others)]
        for text, pairs in zip(documents, windows, strict=True):
            assert pairs
            for pair in pairs:
                assert 0 < pair.tokens <= tokenizer.max_tokens
                assert 0 <= pair.start_char <= pair.end_char <= len(text)


def _as_read(pairs: list[Any]) -> list[tuple[object, ...]]:
    return [
        (pair.document_ids.tolist(), pair.dropped_tokens, pair.start_char, pair.end_char) for pair in pairs
    ]


_TOKENIZERS: dict[tuple[Path, TokenizerLibrary], PairTokenizer] = {}


def _tokenizer(world: World, library: TokenizerLibrary = TokenizerLibrary.TOKENIZERS) -> PairTokenizer:
    key = world.model, library
    if key not in _TOKENIZERS:
        tokenizer = load_tokenizer(world.model / "tokenizer.json")
        _TOKENIZERS[key] = PairTokenizer(tokenizer, 64, None, library)
    return _TOKENIZERS[key]


def _graph(world: World, case: bytes) -> None:
    path = world.file("graph.onnx", case)
    with contextlib.suppress(ModelFailedError):
        check_graph(read_graph(path), path.parent)


def _tokenizer_file(world: World, case: bytes) -> None:
    path = world.file("tokenizer.json", case)
    with contextlib.suppress(RerankdError):
        tokenizer = PairTokenizer(load_tokenizer(path), 64, None, TokenizerLibrary.AUTO)
        tokenizer.encode_documents(tokenizer.encode_query("red"), ["a b"], EncodeOptions())


def _model_config(world: World, case: dict[str, object]) -> None:
    with contextlib.suppress(RerankdError):
        read_model_config(model_files(world.model, **case))


def _toml(world: World, case: bytes) -> None:
    with contextlib.suppress(ConfigError):
        load({}, world.file("rerankd.toml", case))


def _flags(world: World, case: dict[str, object]) -> None:
    with contextlib.suppress(ConfigError):
        load(case)


def _state(world: World, case: bytes) -> None:
    file = StateFile(world.file("state.json", case))
    with contextlib.suppress(ConfigError):
        file.apply(load().reranking)


def _pins(world: World, case: bytes) -> None:
    folder = world.folder / "pins" / "acme--m"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{'ab' * 20}.json").write_bytes(case)
    (folder / "main.commit").write_bytes(case)
    pins = PinBook(folder.parent)
    pins.load("acme/m", "ab" * 20)
    pins.commit_of("acme/m", "main")


def _cached_graph(world: World, case: bytes) -> None:
    folder = world.folder / "graphs"
    folder.mkdir(exist_ok=True)
    (folder / "key.graph").write_bytes(case)
    found = GraphCache(folder).read("key")
    assert found is None or found == _REWRITTEN


_REWRITTEN = RewrittenGraph(content=b"graph" * 50, arithmetic="fp32", applied=("first row",))


def _whole_cached_graph(world: World) -> bytes:
    folder = world.folder / "graphs"
    GraphCache(folder).write("whole", _REWRITTEN)
    return (folder / "whole.graph").read_bytes()


def _keys(world: World, case: bytes) -> None:
    from rerankd.access.key_file import KeyFileError, read_key_file

    for suffix in ("toml", "json"):
        with contextlib.suppress(KeyFileError):
            read_key_file(world.file(f"keys.{suffix}", case))


def _constant(strategy: st.SearchStrategy[Any]) -> Callable[[World], st.SearchStrategy[Any]]:
    return lambda _: strategy


def _spoiled(path: str) -> Callable[[World], st.SearchStrategy[Any]]:
    return lambda world: cases.spoiled((world.model / path).read_bytes(), most=3)


_setting = st.sampled_from(
    ["model", "grpc_port", "models.aliases", "limits.max_documents", "warmup.mode", "log"]
)
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
_names = st.sampled_from(
    ["max_position_embeddings", "pad_token_id", "id2label", "type_vocab_size", "model_type"]
)
_values = (
    _scalars | st.lists(_scalars, max_size=3) | st.dictionaries(st.text(max_size=3), _scalars, max_size=3)
)
_pairs = st.tuples(cases.texts, st.lists(cases.texts, min_size=1, max_size=3), st.sampled_from(LongDocument))

TARGETS = (
    Target(name="gRPC messages", cases=_constant(cases.grpc_calls), check=_grpc_call),
    Target(name="gRPC streams", cases=_constant(cases.grpc_streams), check=_grpc_stream),
    Target(name="HTTP bodies", cases=_constant(cases.http_bodies), check=_http_body),
    Target(name="HTTP bytes", cases=_constant(cases.http_requests), check=_http_bytes),
    Target(name="texts to tokenize", cases=_constant(_pairs), check=_tokens),
    Target(name="ONNX graphs", cases=_spoiled("onnx/model.onnx"), check=_graph, reads_bytes=True),
    Target(name="tokenizer.json", cases=_spoiled("tokenizer.json"), check=_tokenizer_file, reads_bytes=True),
    Target(name="config.json", cases=_constant(st.dictionaries(_names, _values)), check=_model_config),
    Target(
        name="configuration file",
        cases=_constant(cases.spoiled_one_of([cases.TOML])),
        check=_toml,
        reads_bytes=True,
    ),
    Target(name="flags", cases=_constant(st.dictionaries(_setting | st.text(), _values)), check=_flags),
    Target(
        name="state file",
        cases=_constant(cases.spoiled_one_of([cases.STATE])),
        check=_state,
        reads_bytes=True,
    ),
    Target(
        name="pins of the Hub",
        cases=_constant(cases.spoiled_one_of([cases.PINS])),
        check=_pins,
        reads_bytes=True,
    ),
    Target(
        name="cached graphs",
        cases=lambda w: cases.spoiled(_whole_cached_graph(w)),
        check=_cached_graph,
        reads_bytes=True,
    ),
    *(
        [
            Target(
                name="key file",
                cases=_constant(cases.spoiled_one_of([cases.KEYS])),
                check=_keys,
                reads_bytes=True,
            )
        ]
        if importlib.util.find_spec("rerankd.access")
        else []
    ),
)
