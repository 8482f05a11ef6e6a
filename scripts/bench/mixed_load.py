"""Calls of 10 and 100 candidates, alone and beside a stream of 50,000, at several concurrencies.

Open loop: each caller, on a connection of its own, starts a call every so many seconds whether or not its
last has come back, all callers at the same moment; latency counts from the scheduled time, so a stall
cannot hide. The calls offer a fixed share of what the server can do. Beside the stream, its scores are
counted in a window before the calls and in the window with them: the total loses what the difference is.

    .venv/bin/python scripts/bench/mixed_load.py --calls 200 --concurrency 1,4,16,64 --sizes 10,100

`--beside-one-stream` is one scenario: 20 clients with 10 documents each beside a client that streams 50,000.
It tells the ratio of the p99s, how long one micro-batch takes, and whether the p99 beside the stream is
within twice that alone and one micro-batch; the exit status is 1 where that is not so.

    .venv/bin/python scripts/bench/mixed_load.py --beside-one-stream
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import record
from passages import passages
from server_process import server
from startup import BUNDLED

from rerankd.client import AsyncClient, ClientOptions, ScoreChunk

QUERY = "what are the treatments for high blood pressure in adults"
BATCH_TOKENS = 512


@dataclass
class Stream:
    """A long stream under way; a new one follows when it ends, until it is cancelled."""

    client: AsyncClient
    texts: list[str]
    length: int
    scored: int = 0
    ended: int = 0

    async def run(self) -> None:
        while True:
            many = (f"{number} {self.texts[number % len(self.texts)]}" for number in range(self.length))
            async with self.client.rerank_stream(QUERY, many, emit="scores", top_n=10) as events:
                async for event in events:
                    if isinstance(event, ScoreChunk):
                        self.scored += len(event.score)
            self.ended += 1

    async def rate(self, seconds: float) -> float:
        """Pairs per second over the coming seconds."""
        started, before = time.perf_counter(), self.scored
        await asyncio.sleep(seconds)
        return (self.scored - before) / (time.perf_counter() - started)


async def one_call(client: AsyncClient, texts: list[str], at: float) -> float:
    await client.rerank(QUERY, texts)
    return time.perf_counter() - at


async def open_loop(
    clients: Sequence[AsyncClient], texts: list[str], size: int, calls: int, interval: float
) -> list[float]:
    """Seconds of each call; every interval each client starts one."""
    started = time.perf_counter()
    tasks: list[asyncio.Task[float]] = []
    for burst in range(-(-calls // len(clients))):
        at = started + burst * interval
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        for client in clients:
            first = len(tasks) * size % (len(texts) - size)
            tasks.append(asyncio.create_task(one_call(client, texts[first : first + size], at)))
    return await asyncio.gather(*tasks)


async def cell(
    target: str, texts: list[str], size: int, concurrency: int, capacity: float, chosen: argparse.Namespace
) -> dict[str, Any]:
    """One size at one concurrency: alone, then beside the stream."""
    interval = concurrency * size / (chosen.load * capacity)
    async with AsyncExitStack() as stack:
        options = ClientOptions(timeout_seconds=300)
        clients = [await stack.enter_async_context(AsyncClient(target, options)) for _ in range(concurrency)]
        await asyncio.gather(*(client.rerank(QUERY, texts[:size]) for client in clients))
        alone = await open_loop(clients, texts, size, chosen.calls, interval)
        stream = Stream(await stack.enter_async_context(AsyncClient(target)), texts, chosen.stream)
        running = asyncio.create_task(stream.run())
        await stream.rate(2)
        without = await stream.rate(chosen.window)
        started, before = time.perf_counter(), stream.scored
        under = await open_loop(clients, texts, size, chosen.calls, interval)
        seconds = time.perf_counter() - started
        total = (stream.scored - before + len(under) * size) / seconds
        after = await stream.rate(chosen.window)
        if running.done():
            await running
        running.cancel()
        await asyncio.wait([running])
    return {
        "size": size,
        "concurrency": concurrency,
        "alone": record.quantiles(alone),
        "beside_stream": record.quantiles(under),
        "p99_ratio": record.quantiles(under)["p99_ms"] / record.quantiles(alone)["p99_ms"],
        "stream_only_pairs_per_second": [without, after],
        "total_pairs_per_second": total,
        "throughput_loss": 1 - total / ((without + after) / 2),
        "streams_ended": stream.ended,
    }


async def micro_batch_seconds(target: str, texts: list[str]) -> float:
    """Seconds that the model takes for one full micro-batch, by the server's own figures."""
    async with AsyncClient(target) as client:
        reply = await client.rerank(QUERY, texts[:100])
        seconds = reply.timing.inference_duration.ToTimedelta().total_seconds()
        return seconds * BATCH_TOKENS / reply.usage.tokens


async def capacity_of(target: str, texts: list[str]) -> float:
    """Pairs per second of calls of 100, after one to warm up."""
    async with AsyncClient(target) as client:
        await client.rerank(QUERY, texts[:100])
        started = time.perf_counter()
        for start in (100, 200, 300):
            await client.rerank(QUERY, texts[start : start + 100])
        return 300 / (time.perf_counter() - started)


def show(row: dict[str, Any]) -> None:
    for name in ("alone", "beside_stream"):
        times = "  ".join(
            f"{key[:-3]} {row[name][key]:6.0f}" for key in ("p50_ms", "p95_ms", "p99_ms", "worst_ms")
        )
        print(f"{row['size']:5} {row['concurrency']:5}  {name:14} {times} ms  ({row[name]['calls']} calls)")
    rates = " and ".join(f"{rate:.0f}" for rate in row["stream_only_pairs_per_second"])
    print(
        f"{'':13}p99 x{row['p99_ratio']:.2f}; stream only {rates} pairs/s, "
        f"with the calls {row['total_pairs_per_second']:.0f}: loss {row['throughput_loss']:.1%}",
        flush=True,
    )


async def beside_one_stream(target: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """The named scenario: one cell, and whether it holds its bound."""
    texts, source = passages(3000)
    capacity = await capacity_of(target, texts)
    batch_ms = 1000 * await micro_batch_seconds(target, texts)
    print(f"{source}; {capacity:.0f} pairs/s, of which the calls offer {chosen.load:.0%}")
    row = await cell(target, texts, size=10, concurrency=20, capacity=capacity, chosen=chosen)
    show(row)
    alone, beside = (row[side]["p99_ms"] for side in ("alone", "beside_stream"))
    row["micro_batch_ms"] = batch_ms
    row["p99_bound_ms"] = 2 * alone + batch_ms
    row["within_bound"] = beside <= row["p99_bound_ms"]
    print(
        f"one micro-batch {batch_ms:.0f} ms; p99 {beside:.0f} ms, twice alone and one micro-batch "
        f"{row['p99_bound_ms']:.0f} ms: {'within' if row['within_bound'] else 'NOT within'}"
    )
    return row


async def measure(target: str, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    texts, source = passages(3000)
    capacity = await capacity_of(target, texts)
    print(f"{source}; {capacity:.0f} pairs/s, of which the calls offer {chosen.load:.0%}")
    rows = []
    for concurrency in map(int, chosen.concurrency.split(",")):
        for size in map(int, chosen.sizes.split(",")):
            rows.append(await cell(target, texts, size, concurrency, capacity, chosen))
            show(rows[-1])
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=BUNDLED, help="directory of the model")
    parser.add_argument("--calls", type=int, default=200, help="of each size, concurrency and side")
    parser.add_argument("--sizes", default="10,100", help="candidates of a call")
    parser.add_argument("--concurrency", default="1,4,16,64")
    parser.add_argument("--load", type=float, default=0.15, help="share of the capacity that the calls offer")
    parser.add_argument("--stream", type=int, default=50_000)
    parser.add_argument("--window", type=float, default=10, help="seconds in which the stream runs alone")
    parser.add_argument("--set", action="append", default=[], help="a setting of the server, KEY=VALUE")
    parser.add_argument("--beside-one-stream", action="store_true", help="20 clients x 10 beside 50,000")
    parser.add_argument("--quick", action="store_true", help="calls of 10, 24 each, concurrency 1 and 4")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.calls, chosen.sizes, chosen.concurrency, chosen.window = 24, "10", "1,4", 4
    # No score cache: texts come again.
    settings = [part for setting in ("cache.max_mib=0", *chosen.set) for part in ("--set", setting)]
    if chosen.beside_one_stream:
        # What one micro-batch takes is part of the bound, so its size must be known.
        settings += ["--set", f"onnx.batch_tokens={BATCH_TOKENS}"]
    with server("--model", str(chosen.model), *settings) as target:
        if chosen.beside_one_stream:
            row = asyncio.run(beside_one_stream(target, chosen))
            record.write("mixed_load", chosen, {"beside_one_stream": row})
            raise SystemExit(0 if row["within_bound"] else 1)
        rows = asyncio.run(measure(target, chosen))
    record.write("mixed_load", chosen, {"cells": rows})


if __name__ == "__main__":
    main()
