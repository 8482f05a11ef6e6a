"""The application of deploy/ray_serve on a local Ray: our own client through Serve's gRPC proxy."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from support.ray_cluster import ENVIRONMENT
from support.servers import free_port

from rerankd.client import (
    Client,
    InvalidRequestError,
    ModelNotFoundError,
    RerankdError,
    ScoreChunk,
    TooManyDocumentsError,
    rerank_request,
)
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CONFIGURATION = Path(__file__).resolve().parents[3] / "deploy" / "ray_serve" / "rerankd.yaml"
QUERY = "what causes high blood pressure"
DOCUMENTS = ["Too much salt.", "A pump failed.", "Kidney disease raises the blood pressure."]

# Serve has no event for it.
WAIT_UNTIL_RUNNING = """
import sys, time, ray
from ray import serve
ray.init(address=sys.argv[1], log_to_driver=False)
while True:
    found = serve.status().applications.get("rerankd")
    if found and found.status == "RUNNING":
        break
    if found and found.status == "DEPLOY_FAILED":
        sys.exit(found.message)
    time.sleep(0.2)
"""


@pytest.fixture(scope="module")
def serving(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The committed configuration, on free ports of this host and on one core; targets of gRPC and HTTP."""
    wanted: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text())
    grpc_port, http_port = free_port(), free_port()
    wanted["grpc_options"]["port"] = grpc_port
    wanted["http_options"] = {"host": "127.0.0.1", "port": http_port}
    (deployment,) = wanted["applications"][0]["deployments"]
    deployment["ray_actor_options"] = {"num_cpus": 1}
    deployment["autoscaling_config"]["max_replicas"] = 1
    wanted["applications"][0]["args"]["config"]["limits.max_documents"] = 10
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
        yield f"127.0.0.1:{grpc_port}", f"http://127.0.0.1:{http_port}"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=180)
        finally:
            # One that does not end must not outlive its test, nor trouble the next one.
            process.kill()
            process.wait()


def test_a_call_ranks_as_the_server_does(serving: tuple[str, str], server: Any) -> None:
    with Client(serving[0]) as client, Client(server.target) as other:
        assert client.is_ready()
        found, wanted = (each.rerank(QUERY, DOCUMENTS, top_n=2) for each in (client, other))
        assert [r.index for r in found.results] == [r.index for r in wanted.results]
        assert [r.score for r in found.results] == pytest.approx([r.score for r in wanted.results], abs=1e-5)
        assert client.status().default_model == other.status().default_model
        batch = client.rerank_batch([rerank_request(QUERY, DOCUMENTS), rerank_request("", DOCUMENTS)])
    assert batch.results[0].response.results[0].index == found.results[0].index
    assert batch.results[1].error.reason == "INVALID_REQUEST"


def test_a_stream_of_any_length_comes_back_as_it_is_scored(serving: tuple[str, str]) -> None:
    with Client(serving[0]) as client:
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
    serving: tuple[str, str], documents: list[str], options: Any, error: type[RerankdError], metadata: Any
) -> None:
    with Client(serving[0]) as client, pytest.raises(error) as raised:
        client.rerank(QUERY, documents, **options)
    assert raised.value.metadata.items() >= metadata.items()


def test_a_stream_s_error_carries_its_reason(serving: tuple[str, str]) -> None:
    with Client(serving[0]) as client, pytest.raises(InvalidRequestError) as raised:
        client.rerank_all("", iter(DOCUMENTS))
    assert [violation.field for violation in raised.value.field_violations] == ["query"]


def test_bare_stubs_get_the_trailers(serving: tuple[str, str]) -> None:
    with grpc.insecure_channel(serving[0]) as channel:
        request = pb.RerankRequest(query=QUERY, documents=[pb.Document(text=text) for text in DOCUMENTS])
        _, call = RerankServiceStub(channel).Rerank.with_call(request, timeout=30)
    assert dict(call.trailing_metadata())["x-rerankd-model"] == "rerankd/mini-en"


def test_http_is_answered_by_the_same_engine(serving: tuple[str, str]) -> None:
    body = json.dumps({"model": "default", "query": QUERY, "documents": DOCUMENTS, "top_n": 1}).encode()
    request = urllib.request.Request(
        f"{serving[1]}/v2/rerank", body, headers={"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer)["results"][0]["index"] == 2
