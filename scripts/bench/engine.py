"""Pairs per second of the engine and of the whole service, beside plain onnxruntime on the stored graph.

The yardstick is a bare loop over the graph as it lies in its file, its pairs sorted into ideal length
buckets; beside it the same with a session of one thread for each core, and what people write first, 32 rows
in arrival order. Rounds are interleaved, and a
ratio is the median over rounds.

    .venv/bin/python scripts/bench/engine.py --pairs 400 --rounds 5 [--model FOLDER]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import record
from passages import passages
from plain_loop import PlainLoop
from precision import StoredGraph, batches, ours
from server_process import server
from startup import BUNDLED

from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx import Precision
from rerankd.client import Client

QUERY = "what are the treatments for high blood pressure in adults"
CALLERS = 16
YARDSTICK = "bare onnxruntime, ideal buckets"
CORES = "the same, a session for each core"

Sides = dict[str, tuple[int, Callable[[], object]]]
"""Pairs that one run of a side scores, and the run."""


def padding_share(lengths: Sequence[int], made: Sequence[Sequence[int]]) -> float:
    """Share of the tokens in these batches that is padding."""
    padded = sum(len(batch) * max(lengths[number] for number in batch) for batch in made)
    return 1 - sum(lengths) / padded


def many_callers(target: str, calls: Sequence[list[str]]) -> None:
    with ThreadPoolExecutor(CALLERS) as threads, Client(target) as client:
        list(threads.map(lambda texts: client.rerank(QUERY, texts), calls))


def sides(model: Path, texts: list[str], size: int, client: Client, target: str) -> Sides:
    loop, stored, by_core = PlainLoop(model), StoredGraph(model), StoredGraph(model, os.cpu_count() or 1)
    _, engine = ours(model, Precision.FP32, 0)
    calls = [texts[start : start + size] for start in range(0, len(texts), size)]
    # Each caller has a call at a time under way, whatever the number of texts.
    crowd = [calls[number % len(calls)] for number in range(CALLERS)]
    count = len(texts)
    return {
        YARDSTICK: (count, lambda: stored.score(QUERY, texts)),
        CORES: (count, lambda: by_core.score(QUERY, texts)),
        "bare onnxruntime, 32 in arrival order": (count, lambda: loop.score(texts, 32)),
        "engine, in process": (count, lambda: engine(QUERY, texts)),
        f"served, {size} a call, 1 caller": (count, lambda: [client.rerank(QUERY, call) for call in calls]),
        f"served, {size} a call, {CALLERS} callers": (
            sum(map(len, crowd)),
            lambda: many_callers(target, crowd),
        ),
        "served, one stream": (count, lambda: client.rerank_stream(QUERY, texts, top_n=10).summary()),
    }


def measure(table: Sides, rounds: int) -> dict[str, list[float]]:
    """Seconds a pair."""
    seconds: dict[str, list[float]] = {name: [] for name in table}
    for _, run in table.values():
        run()
    for _ in range(rounds):
        for name, (pairs, run) in table.items():
            started = time.perf_counter()
            run()
            seconds[name].append((time.perf_counter() - started) / pairs)
    return seconds


def lengths_of(model: Path, texts: list[str]) -> list[int]:
    backend, _ = ours(model, Precision.FP32, 0)
    query = backend.encode_query(QUERY)
    return [windows[0].tokens for windows in backend.encode_documents(query, texts, EncodeOptions())]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=BUNDLED, help="directory of the model")
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--size", type=int, default=100, help="documents of a call")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--name", default="engine", help="of the file of results")
    parser.add_argument("--quick", action="store_true", help="40 pairs, 20 a call, 1 round")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.pairs, chosen.rounds, chosen.size = 40, 1, 20
    texts, source = passages(chosen.pairs)
    # No score cache: the same pairs come in every round.
    with server("--model", str(chosen.model), "--set", "cache.max_mib=0") as target, Client(target) as client:
        seconds = measure(sides(chosen.model, texts, chosen.size, client, target), chosen.rounds)
    lengths = lengths_of(chosen.model, texts)
    arrival = [range(start, min(start + 32, len(texts))) for start in range(0, len(texts), 32)]
    padding = {
        "ideal buckets": padding_share(lengths, batches(lengths)),
        "32 in arrival order": padding_share(lengths, arrival),
    }
    figures = {
        name: {
            "pairs_per_second": 1 / statistics.median(times),
            "of_ideal_buckets": record.median_ratio(seconds[YARDSTICK], times),
            "of_ideal_buckets_by_core": record.median_ratio(seconds[CORES], times),
            "by_round": [a / b for a, b in zip(seconds[YARDSTICK], times, strict=True)],
        }
        for name, times in seconds.items()
    }
    print(
        f"{len(texts)} pairs ({source}), mean {statistics.mean(lengths):.0f} tokens, {chosen.rounds} rounds"
    )
    for name, row in figures.items():
        each = " ".join(f"{value:.2f}" for value in row["by_round"])
        print(
            f"{name:38} {row['pairs_per_second']:7.0f} pairs/s   x{row['of_ideal_buckets']:.2f} "
            f"x{row['of_ideal_buckets_by_core']:.2f}   {each}"
        )
    for name, share in padding.items():
        print(f"padding, {name}: {share:.1%}")
    record.write(chosen.name, chosen, figures, text=source, padding_share=padding, model=chosen.model.name)


if __name__ == "__main__":
    main()
