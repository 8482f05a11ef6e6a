"""A stream of 100,000 documents through a real server process: memory, equality, cancellation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.onnx_models import build_model
from support.servers import ServerProcess

from rerankd.client import Client

QUERY = "red river"
COUNT = 100_000
MIB = 1024


def text(number: int) -> str:
    words = ("red", "river", "stone", "light", "salt")
    return " ".join(words[(number // 5**k) % 5] for k in range(4 + number % 3)) + f" {number}"


def documents(count: int) -> Iterator[dict[str, str]]:
    return ({"id": f"d{i}", "text": text(i)} for i in range(count))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A real onnxruntime model, small enough for 100,000 pairs on two cores."""
    model = build_model(tmp_path_factory.mktemp("model"))
    process = ServerProcess({"model": str(model), "http_enabled": False})
    yield process
    assert process.stop() == 0


def peak_kib(server: ServerProcess) -> int:
    """Largest resident set so far."""
    lines = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("top_n", [10, 0])
def test_memory_does_not_grow_with_the_stream(server: ServerProcess, top_n: int) -> None:
    with Client(server.target) as client:
        for _ in range(3):
            client.rerank_stream(QUERY, documents(1_000), top_n=top_n).summary()
        before = peak_kib(server)
        summary = client.rerank_stream(QUERY, documents(COUNT), top_n=top_n).summary()
        grown = peak_kib(server) - before
    print(f"peak after {COUNT} documents, top_n {top_n}: {grown} KiB above that of 1,000")
    assert summary.usage.documents == COUNT
    assert summary.usage.scored_documents == COUNT
    assert len(summary.results) == (top_n or COUNT)
    assert grown <= 64 * MIB, f"peak grew by {grown} KiB"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_final_equals_unary_over_the_same_set_in_pieces(server: ServerProcess) -> None:
    top_n, piece = 25, 1_000
    with Client(server.target) as client:
        summary = client.rerank_stream(QUERY, documents(20_000), top_n=top_n).summary()
        pieces = []
        everything = list(documents(20_000))
        for start in range(0, len(everything), piece):
            reply = client.rerank(QUERY, everything[start : start + piece], top_n=top_n)
            pieces += [(r.logit, start + r.index, r.id) for r in reply.results]
    best = {name: logit for logit, _, name in sorted(pieces, key=lambda p: (-p[0], p[1]))[:top_n]}
    for result in summary.results:
        # Near-ties may swap: the runtime's sums differ in the last digits with the batch's shape.
        assert result.id in best or result.logit == pytest.approx(min(best.values()), abs=1e-5)
        assert result.logit == pytest.approx(best.get(result.id, result.logit), abs=1e-5)
    logits = [r.logit for r in summary.results]
    assert logits == sorted(logits, reverse=True)
