"""The probe of the Python client; PROBES.md tells what each command does and prints."""

from __future__ import annotations

import gc
import itertools
import json
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from rerankd.client import Client, RerankdError, ScoreChunk, rerank_request
from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub

CHUNK = 128


def documents(path: str) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def say(value: str) -> None:
    print(value, flush=True)


def live_bytes() -> int:
    """Of Python objects; those that C code keeps are not counted."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def stream(target: str, query: str, path: str, top_n: str) -> None:
    tracemalloc.start()
    scored, peak = 0, 0
    with Client(target) as client:
        client.status()
        before = live_bytes()
        with client.rerank_stream(query, documents(path), emit="scores", top_n=int(top_n)) as running:
            for event in running:
                assert isinstance(event, ScoreChunk)
                former, scored = scored, scored + len(event.index)
                if former // 1000 < scored // 1000:
                    say(f"scored {scored}")
                if former // 5000 < scored // 5000:
                    peak = max(peak, live_bytes() - before)
            answer = running.summary()
        peak = max(peak, live_bytes() - before)
    results = [[r.index, r.id, r.score, r.rank] for r in answer.results]
    outcome = pb.Outcome.Name(answer.outcome).removeprefix("OUTCOME_")
    say(
        json.dumps(
            {
                "results": results,
                "scored_documents": answer.usage.scored_documents,
                "outcome": outcome,
                "resumes": running.resumes,
                "peak_bytes": peak,
            }
        )
    )


def load(target: str, query: str, path: str, concurrency: str) -> None:
    first = list(itertools.islice(documents(path), 10))
    ended = threading.Event()
    counted = threading.Lock()
    calls, errors = 0, list[str]()

    def loop(client: Client) -> None:
        nonlocal calls
        while not ended.is_set():
            try:
                client.rerank(query, first)
            except RerankdError as error:
                errors.append(f"{type(error).__name__}: {error}")
            with counted:
                calls += 1
                if calls % 50 == 0:
                    say(f"calls {calls}")

    with Client(target) as client, ThreadPoolExecutor(int(concurrency)) as threads:
        running = [threads.submit(loop, client) for _ in range(int(concurrency))]
        sys.stdin.read()
        ended.set()
        for each in running:
            each.result()
    say(json.dumps({"calls": calls, "failed": len(errors), "errors": errors[:5]}))


def overhead(target: str, query: str, path: str, rounds: str) -> None:
    everything = list(documents(path))
    times: dict[str, list[float]] = {
        name: [] for name in ("client_unary_us", "stub_unary_us", "client_stream_us", "stub_stream_us")
    }

    def timed(name: str, call: Callable[[], object]) -> None:
        started = time.perf_counter()
        call()
        times[name].append((time.perf_counter() - started) * 1e6)

    with Client(target) as client, grpc.insecure_channel(target) as channel:
        stub = RerankServiceStub(channel)
        client.status()
        for _ in range(int(rounds)):
            timed("client_unary_us", lambda: client.rerank(query, everything[:100]))
            timed("stub_unary_us", lambda: stub.Rerank(rerank_request(query, everything[:100])))
            timed(
                "client_stream_us", lambda: client.rerank_stream(query, everything, emit="scores").summary()
            )
            timed("stub_stream_us", lambda: bare_stream(stub, query, everything))
    say(json.dumps(times))


def bare_stream(stub: RerankServiceStub, query: str, everything: list[dict[str, Any]]) -> int:
    def messages() -> Iterator[pb.RerankStreamRequest]:
        yield pb.RerankStreamRequest(
            start=pb.RerankStreamStart(query=query, emit=pb.STREAM_EMIT_SCORES, options={"top_n": 1})
        )
        for begin in range(0, len(everything), CHUNK):
            part = [pb.Document(**document) for document in everything[begin : begin + CHUNK]]
            yield pb.RerankStreamRequest(documents=pb.DocumentChunk(documents=part))

    return sum(len(message.scores.index) for message in stub.RerankStream(messages()))


COMMANDS = {"stream": stream, "load": load, "overhead": overhead}

if __name__ == "__main__":
    try:
        COMMANDS[sys.argv[1]](*sys.argv[2:])
    except RerankdError as error:
        sys.exit(f"{type(error).__name__}: {error}")
