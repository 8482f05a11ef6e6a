"""A request that comes again, with the score cache on and off.

Two servers with the bundled model, one without the cache, asked in turn.

    .venv/bin/python scripts/bench/cache.py --rounds 15
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack

import record
from passages import passages
from server_process import server

from rerankd.client import Client

QUERY = "what are the treatments for high blood pressure in adults"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="3 rounds")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.rounds = 3
    texts, source = passages(chosen.documents)
    seconds: dict[str, list[float]] = {"off": [], "on": []}
    hits = 0
    with ExitStack() as stack:
        clients = {
            name: stack.enter_context(Client(stack.enter_context(server(*settings))))
            for name, settings in (("off", ("--set", "cache.max_mib=0")), ("on", ()))
        }
        for client in clients.values():
            client.rerank(QUERY, texts)
        for _ in range(chosen.rounds):
            for name, client in clients.items():
                started = time.perf_counter()
                response = client.rerank(QUERY, texts)
                seconds[name].append(time.perf_counter() - started)
                hits += response.usage.cache_hits
    figures = {
        "off_ms": 1000 * statistics.median(seconds["off"]),
        "on_ms": 1000 * statistics.median(seconds["on"]),
        "ratio": record.median_ratio(seconds["off"], seconds["on"]),
        "hits_share": hits / (chosen.rounds * len(texts)),
    }
    print(
        f"{len(texts)} documents again, {chosen.rounds} rounds ({source}); {figures['hits_share']:.0%} hits"
    )
    for name in seconds:
        print(f"cache {name:3} {figures[f'{name}_ms']:8.2f} ms")
    print(f"ratio x{figures['ratio']:.0f}")
    record.write("cache", chosen, figures, text=source)


if __name__ == "__main__":
    main()
