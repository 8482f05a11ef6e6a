"""A client of the last committed contract against the server of today."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

from rerankd.client import Client

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = ROOT / ".venv-gen" / "bin" / "python"

# What a service of the time did, with nothing but the stubs.
OLD_CLIENT = """
import json, sys, grpc
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub

query, texts = json.loads(sys.argv[2])
documents = [pb.Document(id=str(i), text=text) for i, text in enumerate(texts)]
with grpc.insecure_channel(sys.argv[1]) as channel:
    stub = RerankServiceStub(channel)
    unary = stub.Rerank(pb.RerankRequest(query=query, documents=documents))
    start = pb.RerankStreamStart(query=query, emit=pb.STREAM_EMIT_SCORES)
    messages = [pb.RerankStreamRequest(start=start)]
    messages += [pb.RerankStreamRequest(documents=pb.DocumentChunk(documents=[d])) for d in documents]
    *chunks, last = stub.RerankStream(iter(messages))
    request = pb.RerankRequest(query=query)
    batch = stub.RerankBatch(pb.RerankBatchRequest(requests=[request], shared_documents=documents))
    status = stub.Status(pb.StatusRequest())
    *_, warm = stub.Warmup(pb.WarmupRequest())

def ranking(response):
    return [[r.index, r.id, r.rank, r.scored, round(r.score, 6)] for r in response.results]

print(json.dumps({
    "stubs": pb.__file__,
    "unary": ranking(unary),
    "stream": ranking(last.summary),
    "batch": ranking(batch.results[0].response),
    "scores": sorted(i for chunk in chunks for i in chunk.scores.index),
    "limit": status.limits.max_documents,
    "warm": warm.status.state == pb.MODEL_STATE_ACTIVE,
}))
"""


STABLE = Path("protos", "rerankd", "v1")


class Server(Protocol):
    """What the fixture `server` of tests/conftest.py gives."""

    target: str


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"git {arguments[0]} cannot tell the last contract: {done.stderr.strip()}")
    return done.stdout


@pytest.fixture(scope="module")
def old_protos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The protos of the newest commit whose contract differs from that of this tree."""
    folder = tmp_path_factory.mktemp("old")
    for commit in git("log", "--format=%H", "--", "protos/rerankd").split():
        if git("diff", "--name-only", commit, "--", "protos/rerankd/*.proto"):
            archive = subprocess.run(
                ["git", "archive", commit, "protos", "buf.yaml"], cwd=ROOT, stdout=subprocess.PIPE, check=True
            )
            subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
            return folder / "protos"
    pytest.skip("the history holds no other contract: a shallow clone, or the first version")


def test_the_contract_only_grew(old_protos: Path, tmp_path: Path) -> None:
    beside_python = str(Path(sys.executable).parent)
    buf = shutil.which("buf", path=os.pathsep.join([beside_python, os.environ["PATH"]]))
    assert buf, "buf is missing: install the dependency group `dev`"
    # Images, because trees with another number of modules cannot be compared; of the contract that is
    # stable, by the rules of buf.yaml, which are the tool's own.
    old, new = tmp_path / "old.binpb", tmp_path / "new.binpb"
    for root, image in ((old_protos.parent, old), (ROOT, new)):
        subprocess.run(
            [buf, "build", str(root), "--path", str(root / STABLE), "--output", str(image)],
            cwd=root,
            check=True,
        )
    done = subprocess.run(
        [buf, "breaking", str(new), "--against", str(old)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_client_of_the_old_contract_is_served(old_protos: Path, server: Server, tmp_path: Path) -> None:
    if not GENERATOR.exists():
        pytest.skip("scripts/gen_protos has not made .venv-gen yet")
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    sources = [str(path.relative_to(old_protos)) for path in old_protos.glob("rerankd/v1/*.proto")]
    subprocess.run(
        [
            GENERATOR,
            "-m",
            "grpc_tools.protoc",
            "-I.",
            "-Ithird_party",
            f"--python_out={stubs}",
            f"--grpc_python_out={stubs}",
            *sources,
        ],
        cwd=old_protos,
        check=True,
    )
    (stubs / "rerankd" / "__init__.py").touch()
    query = "capital of France"
    texts = ["Bread rises.", "Paris is the capital of France.", "Lyon is a city."]
    done = subprocess.run(
        [sys.executable, "-c", OLD_CLIENT, server.target, json.dumps([query, texts])],
        env=os.environ | {"PYTHONPATH": str(stubs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["stubs"].startswith(str(stubs))
    with Client(server.target) as client:
        answer = client.rerank(query, [{"id": str(i), "text": text} for i, text in enumerate(texts)])
    expected = [[r.index, r.id, r.rank, r.scored, round(r.score, 6)] for r in answer.results]
    for way in ("unary", "stream", "batch"):
        assert [row[:4] for row in told[way]] == [row[:4] for row in expected]
        assert [row[4] for row in told[way]] == pytest.approx([row[4] for row in expected], abs=1e-5)
    assert told["scores"] == [0, 1, 2]
    assert told["limit"] == 1024
    assert told["warm"]
