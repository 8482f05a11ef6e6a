"""A request that comes again with the score cache on and off, and documents that do with the token cache.

Two servers each, one without the cache, asked in turn. For scores the very same request, on the bundled
model; for tokens the same documents with another query each time, on a model of 2 layers x 128, where
tokenizing counts.

    .venv/bin/python scripts/bench/cache.py --rounds 15
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import record
from passages import passages
from server_process import server
from tiny_model import build

from rerankd.client import Client

QUERY = "what are the treatments for high blood pressure in adults"
NO_SCORES = ("--set", "cache.max_mib=0")


def compare(
    off: Sequence[str], on: Sequence[str], requests: Sequence[tuple[str, list[str]]]
) -> dict[str, Any]:
    """Each request to a server without and one with a cache; the first of them is not timed."""
    seconds: dict[str, list[float]] = {"off": [], "on": []}
    hits = 0
    with ExitStack() as stack:
        clients = {
            name: stack.enter_context(Client(stack.enter_context(server(*settings))))
            for name, settings in (("off", off), ("on", on))
        }
        for number, (query, texts) in enumerate(requests):
            for name, client in clients.items():
                started = time.perf_counter()
                response = client.rerank(query, texts)
                if number:
                    seconds[name].append(time.perf_counter() - started)
                    hits += response.usage.cache_hits
    documents = sum(len(texts) for _, texts in requests[1:])
    return {
        "off_ms": 1000 * statistics.median(seconds["off"]),
        "on_ms": 1000 * statistics.median(seconds["on"]),
        "ratio": record.median_ratio(seconds["off"], seconds["on"]),
        "hits_share": hits / documents,
    }


def report(title: str, figures: dict[str, Any]) -> None:
    print(title)
    for name in ("off", "on"):
        print(f"  cache {name:3} {figures[f'{name}_ms']:8.2f} ms")
    print(f"  ratio x{figures['ratio']:.2f}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="3 rounds")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.rounds = 3
    texts, source = passages(chosen.documents)
    again = [(QUERY, texts)] * (chosen.rounds + 1)
    scores = compare(NO_SCORES, (), again)
    report(f"{len(texts)} documents again, {chosen.rounds} rounds ({source})", scores)
    others = [(f"{number} {QUERY}", texts) for number in range(3 * chosen.rounds + 1)]
    with tempfile.TemporaryDirectory() as folder:
        tiny = ("--model", str(build(Path(folder) / "tiny")), *NO_SCORES)
        tokens = compare(tiny, (*tiny, "--set", "onnx.token_cache_mib=16"), others)
    report(f"the same with other queries, model of 2 layers x 128, {3 * chosen.rounds} rounds", tokens)
    record.write("cache", chosen, {"scores": scores, "tokens": tokens}, text=source)


if __name__ == "__main__":
    main()
