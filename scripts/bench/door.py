"""What the doors cost: round trips to a server whose model takes next to no time.

The server is the real one, in a process of its own, with the fake model of the tests; its share is the
time of such a call over the time of the same call on the bundled model, interleaved. The fake model's own
time is in it, so the figures are upper bounds. HTTP is asked for the same documents as gRPC, in turn with
it, by a client that does nothing but JSON, on one connection that stays open.

    .venv/bin/python scripts/bench/door.py --rounds 15
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import record
from passages import passages
from server_process import server

from rerankd.client import Client

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from support.servers import FAKE_MODEL_PROGRAM, ServerProcess  # found by the line above

QUERY = "what are the treatments for high blood pressure in adults"
SIZES = (1, 10, 100, 1000)
SHARE_SIZE = 100
NATIVE = "/api/v1/rerank"
HTTP_PATHS = ("/v2/rerank", NATIVE)


class HttpClient:
    """One connection to the HTTP door."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def rerank(self, path: str, texts: Sequence[str]) -> list[int]:
        """The order that the door gives."""
        documents = [{"text": text} for text in texts] if path == NATIVE else texts
        body = json.dumps({"query": QUERY, "documents": documents})
        self._connection.request("POST", path, body, {"content-type": "application/json"})
        response = self._connection.getresponse()
        content = json.loads(response.read())
        if response.status != 200:
            raise SystemExit(f"{path}: {content}")
        return [result["index"] for result in content["results"]]

    def close(self) -> None:
        self._connection.close()


@contextmanager
def echo_server() -> Iterator[ServerProcess]:
    process = ServerProcess({"warmup.mode": "lazy", "cache.max_mib": 0}, program=FAKE_MODEL_PROGRAM)
    try:
        yield process
    finally:
        process.stop()


def seconds_of(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measure(
    echo: Client, real: Client, texts: list[str], rounds: int, streamed: int
) -> tuple[dict[int, list[float]], list[float], list[float]]:
    """Seconds: of an echo call by its size, of an echo stream, of a call on the real model."""
    many = [texts[number % len(texts)] + f" {number}" for number in range(streamed)]
    unary: dict[int, list[float]] = {size: [] for size in SIZES}
    stream: list[float] = []
    model: list[float] = []
    for number in range(rounds + 1):
        for size, times in unary.items():
            # Small calls are noisy, and cheap: the median of 20.
            repeated = [seconds_of(lambda size=size: echo.rerank(QUERY, texts[:size])) for _ in range(20)]
            times.append(statistics.median(repeated))
        stream.append(seconds_of(lambda: echo.rerank_stream(QUERY, many, top_n=10).summary()))
        model.append(seconds_of(lambda: real.rerank(QUERY, texts[:SHARE_SIZE])))
        if number == 0:  # The first round warms up.
            for times in (*unary.values(), stream, model):
                times.clear()
    return unary, stream, model


def measure_http(
    grpc: Client, door: HttpClient, texts: Sequence[str], rounds: int
) -> tuple[list[float], dict[str, list[float]]]:
    """Seconds of the same call over gRPC, and over HTTP by its path."""
    expected = [result.index for result in grpc.rerank(QUERY, texts).results]
    ways: dict[str, Callable[[], object]] = {"grpc": lambda: grpc.rerank(QUERY, texts)}
    for path in HTTP_PATHS:
        if door.rerank(path, texts) != expected:
            raise SystemExit(f"{path} ranks other than gRPC")
        ways[path] = lambda path=path: door.rerank(path, texts)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        spent: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(20):
            for name, way in ways.items():
                spent[name].append(seconds_of(way))
        for name, times in spent.items():
            seconds[name].append(statistics.median(times))
    return seconds.pop("grpc"), seconds


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--streamed", type=int, default=10_000, help="documents of the stream")
    parser.add_argument("--quick", action="store_true", help="3 rounds, 2,000 documents")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.rounds, chosen.streamed = 3, 2_000
    texts, source = passages(max(SIZES))
    with (
        echo_server() as fake,
        server("--set", "cache.max_mib=0") as target,
        Client(fake.target) as echo,
        Client(target) as real,
    ):
        unary, stream, model = measure(echo, real, texts, chosen.rounds, chosen.streamed)
        # Connected only now: the door hangs up on connections that are idle as long as the first part takes.
        with closing(HttpClient(fake.http_url)) as door:
            grpc, over_http = measure_http(echo, door, texts[:SHARE_SIZE], chosen.rounds)
    median = {size: statistics.median(times) for size, times in unary.items()}
    figures = {
        "unary_ms": {str(size): 1000 * value for size, value in median.items()},
        "unary_us_a_candidate": 1e6 * (median[1000] - median[1]) / 999,
        "stream_us_a_candidate": 1e6 * statistics.median(stream) / chosen.streamed,
        "call_of_100_on_the_model_ms": 1000 * statistics.median(model),
        "door_share_of_a_call_of_100": record.median_ratio(unary[SHARE_SIZE], model),
        "grpc_call_of_100_ms": 1000 * statistics.median(grpc),
        "http_call_of_100_ms": {path: 1000 * statistics.median(times) for path, times in over_http.items()},
        "http_over_grpc_for_100": {
            path: record.median_ratio(times, grpc) for path, times in over_http.items()
        },
    }
    for size, value in median.items():
        print(f"unary, {size:5} candidates  {1000 * value:8.2f} ms")
    print(f"unary, each further candidate {figures['unary_us_a_candidate']:6.1f} us")
    print(f"stream of {chosen.streamed}, a candidate {figures['stream_us_a_candidate']:6.1f} us")
    print(f"call of 100 on the bundled model {figures['call_of_100_on_the_model_ms']:.0f} ms")
    print(f"the door's share of it {figures['door_share_of_a_call_of_100']:.2%}")
    print(f"call of 100 over gRPC      {figures['grpc_call_of_100_ms']:6.2f} ms")
    for path, value in figures["http_call_of_100_ms"].items():
        ratio = figures["http_over_grpc_for_100"][path]
        print(f"call of 100 over {path:15} {value:6.2f} ms, {ratio:.2f} times gRPC")
    record.write("door", chosen, figures, text=source)


if __name__ == "__main__":
    main()
