"""The application of deploy/ray_serve on a local Ray: our own client through Serve's gRPC proxy."""

from __future__ import annotations

import json
import queue
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from support.keys import shown, write_keys
from support.ray_cluster import ENVIRONMENT
from support.servers import free_port

from rerankd.access.key_file import KeyRecord
from rerankd.access.operations import Scope
from rerankd.client import (
    Client,
    ClientOptions,
    ForbiddenError,
    InvalidRequestError,
    ModelNotFoundError,
    QuotaExceededError,
    RerankdError,
    ScoreChunk,
    TooManyDocumentsError,
    UnauthenticatedError,
    rerank_request,
)
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CONFIGURATION = Path(__file__).resolve().parents[3] / "deploy" / "ray_serve" / "rerankd.yaml"
QUERY = "what causes high blood pressure"
DOCUMENTS = ["Too much salt.", "A pump failed.", "Kidney disease raises the blood pressure."]

IDLE_SECONDS = 3
BODY_SECONDS = 2

KEYS = {
    "search": None,
    "operator": KeyRecord(sha256="0" * 64, scopes=(Scope.ADMIN,)),
    "narrow": KeyRecord(sha256="0" * 64, models=("nobody/*",)),
    "small": KeyRecord(sha256="0" * 64, tokens_per_minute=10),
}

# Serve has no event for it; tells where the logs are.
WAIT_UNTIL_RUNNING = """
import sys, time, ray
from ray import serve
session = ray.init(address=sys.argv[1], log_to_driver=False).address_info["session_dir"]
while True:
    found = serve.status().applications.get("rerankd")
    if found and found.status == "RUNNING":
        break
    if found and found.status == "DEPLOY_FAILED":
        sys.exit(found.message)
    time.sleep(0.2)
print(session)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """The application, running."""

    target: str
    http_url: str
    keys: Path
    logs: Path

    def client(self, key: str = "search") -> Client:
        return Client(self.target, ClientOptions(token=key))

    def post(self, key: str, documents: Sequence[str] = DOCUMENTS) -> tuple[int, Any]:
        body = {"model": "default", "query": QUERY, "documents": documents, "top_n": 1}
        headers = {"content-type": "application/json", **dict(shown(key))}
        request = urllib.request.Request(f"{self.http_url}/v2/rerank", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def log_lines(self) -> list[Any]:
        """The lines of calls in the logs of the replicas."""
        lines = [line for file in self.logs.glob("worker-*.err") for line in file.read_text().splitlines()]
        return [json.loads(line) for line in lines if line.startswith("{") and '"event": "call"' in line]


@pytest.fixture(scope="module")
def serving(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The committed configuration with keys, on free ports of this host and on one core."""
    keys = tmp_path_factory.mktemp("keys") / "keys.toml"
    write_keys(keys, KEYS)
    wanted: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text())
    grpc_port, http_port = free_port(), free_port()
    wanted["grpc_options"]["port"] = grpc_port
    wanted["http_options"] = {"host": "127.0.0.1", "port": http_port}
    (deployment,) = wanted["applications"][0]["deployments"]
    deployment["ray_actor_options"] = {"num_cpus": 1}
    deployment["autoscaling_config"]["max_replicas"] = 1
    wanted["applications"][0]["args"]["config"] |= {
        "limits.max_documents": 10,
        "auth.keys_file": str(keys),
        "server.reload_seconds": 0.1,
        "server.stream_idle_seconds": IDLE_SECONDS,
        "http.body_timeout_seconds": BODY_SECONDS,
        "log.level": "debug",
        "log.format": "json",
    }
    path = tmp_path_factory.mktemp("serve") / "rerankd.yaml"
    path.write_text(yaml.safe_dump(wanted))
    process = subprocess.Popen(
        [Path(sys.executable).with_name("serve"), "run", "--address", ray_address, str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    try:
        waiter = [sys.executable, "-c", WAIT_UNTIL_RUNNING, ray_address]
        waited = subprocess.run(
            waiter, env=ENVIRONMENT, capture_output=True, text=True, timeout=240, check=False
        )
        assert waited.returncode == 0, waited.stderr
        yield Serving(
            target=f"127.0.0.1:{grpc_port}",
            http_url=f"http://127.0.0.1:{http_port}",
            keys=keys,
            logs=Path(waited.stdout.split()[-1]) / "logs",
        )
    finally:
        # It takes the application down, unless it has ended because that could not be deployed.
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=120)
        except subprocess.TimeoutExpired:
            # What is left then ends with the Ray of these tests.
            process.kill()
            process.wait()


def test_a_call_ranks_as_the_server_does(serving: Serving, server: Any) -> None:
    with serving.client() as client, Client(server.target) as other:
        assert client.is_ready()
        found, wanted = (each.rerank(QUERY, DOCUMENTS, top_n=2) for each in (client, other))
        assert [r.index for r in found.results] == [r.index for r in wanted.results]
        assert [r.score for r in found.results] == pytest.approx([r.score for r in wanted.results], abs=1e-5)
        assert client.status().default_model == other.status().default_model
        batch = client.rerank_batch([rerank_request(QUERY, DOCUMENTS), rerank_request("", DOCUMENTS)])
    assert batch.results[0].response.results[0].index == found.results[0].index
    assert batch.results[1].error.reason == "INVALID_REQUEST"


def test_a_stream_of_any_length_comes_back_as_it_is_scored(serving: Serving) -> None:
    with serving.client() as client:
        documents = (f"{DOCUMENTS[i % 3]} {i}" for i in range(500))
        with client.rerank_stream(QUERY, documents, emit="scores", top_n=5) as stream:
            scored = sum(len(event.score) for event in stream if isinstance(event, ScoreChunk))
            summary = stream.summary()
    assert scored == summary.usage.scored_documents == 500
    assert len(summary.results) == 5


@pytest.mark.parametrize(
    ("documents", "options", "error", "metadata"),
    [
        (DOCUMENTS * 4, {}, TooManyDocumentsError, {"documents": "12", "limit": "10"}),
        (DOCUMENTS, {"model": "nobody/nothing"}, ModelNotFoundError, {"model": "nobody/nothing"}),
    ],
)
def test_an_error_carries_its_reason(
    serving: Serving, documents: list[str], options: Any, error: type[RerankdError], metadata: Any
) -> None:
    with serving.client() as client, pytest.raises(error) as raised:
        client.rerank(QUERY, documents, **options)
    assert raised.value.metadata.items() >= metadata.items()


def test_a_stream_s_error_carries_its_reason(serving: Serving) -> None:
    with serving.client() as client, pytest.raises(InvalidRequestError) as raised:
        client.rerank_all("", iter(DOCUMENTS))
    assert [violation.field for violation in raised.value.field_violations] == ["query"]


def test_bare_stubs_get_the_trailers(serving: Serving) -> None:
    with grpc.insecure_channel(serving.target) as channel:
        request = pb.RerankRequest(query=QUERY, documents=[pb.Document(text=text) for text in DOCUMENTS])
        _, call = RerankServiceStub(channel).Rerank.with_call(request, timeout=30, metadata=shown("search"))
    assert dict(call.trailing_metadata())["x-rerankd-model"] == "rerankd/mini-en"


def test_http_is_answered_by_the_same_engine(serving: Serving) -> None:
    status, answer = serving.post("search")
    assert status == 200
    assert answer["results"][0]["index"] == 2


def test_keys_hold_at_both_proxies(serving: Serving) -> None:
    for key, error, status in (
        ("nobody", UnauthenticatedError, 401),
        ("operator", ForbiddenError, 403),
        ("narrow", ForbiddenError, 403),
    ):
        with serving.client(key) as client:
            with pytest.raises(error):
                client.rerank(QUERY, DOCUMENTS)
            with pytest.raises(error):
                client.rerank_all(QUERY, (text for text in DOCUMENTS * 10))
            # Health needs none.
            assert client.is_ready()
        assert serving.post(key)[0] == status
    with serving.client("search") as client, pytest.raises(ForbiddenError):
        client.warmup()
    with serving.client("operator") as client:
        assert client.warmup().id == "rerankd/mini-en"


def test_quotas_hold_at_both_proxies(serving: Serving) -> None:
    # What the score cache knows costs nothing.
    first, second, third = ([f"{text} {number}" for text in DOCUMENTS] for number in range(3))
    with serving.client("small") as client:
        client.rerank(QUERY, first)
        with pytest.raises(QuotaExceededError) as raised:
            client.rerank(QUERY, second)
    assert raised.value.metadata["key"] == "small"
    status, answer = serving.post("small", third)
    assert status == 429, answer


def test_keys_that_are_added_are_good_soon(serving: Serving) -> None:
    write_keys(serving.keys, {**KEYS, "added": None})
    with serving.client("added") as client:
        while True:
            try:
                client.rerank(QUERY, DOCUMENTS)
                break
            except UnauthenticatedError:
                """Each call lets the replica go on."""


def test_a_stream_that_is_silent_ends(serving: Serving) -> None:
    with grpc.insecure_channel(serving.target) as channel:
        start = pb.RerankStreamRequest(start=pb.RerankStreamStart(query=QUERY))
        silent: queue.SimpleQueue[Any] = queue.SimpleQueue()
        silent.put(start)
        call = RerankServiceStub(channel).RerankStream(
            iter(silent.get, None), timeout=60, metadata=shown("search")
        )
        with pytest.raises(grpc.RpcError):
            list(call)
        silent.put(None)
        assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert call.details().startswith(f"the stream brought nothing for {IDLE_SECONDS} s")


def test_a_body_that_does_not_end_is_a_timeout(serving: Serving) -> None:
    address = serving.http_url.removeprefix("http://").split(":")
    head = "POST /v2/rerank HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    with socket.create_connection((address[0], int(address[1])), timeout=60) as connection:
        key = "".join(f"{name}: {value}\r\n" for name, value in shown("search"))
        connection.sendall(f'{head}{key}content-length: 1000\r\n\r\n{{"model"'.encode())
        assert connection.recv(65536).split()[1] == b"408"


def test_each_call_has_its_log_line_with_its_key(serving: Serving) -> None:
    with serving.client() as client:
        client.rerank(QUERY, DOCUMENTS)
        with pytest.raises(InvalidRequestError):
            client.rerank("", DOCUMENTS)
    serving.post("search")

    def told() -> set[tuple[str, str, str]]:
        return {(line["method"], line["code"], line["key"]) for line in serving.log_lines()}

    method = "/rerankd.v1.RerankService/Rerank"
    wanted = {(method, "OK", "search"), (method, "INVALID_ARGUMENT", "search")}
    wanted |= {("POST /v2/rerank", "OK", "search")}
    while not wanted <= told():
        """The lines were written before the calls were answered; Ray hands them to a file soon."""
    assert not [line for line in serving.log_lines() if QUERY in json.dumps(line)]
