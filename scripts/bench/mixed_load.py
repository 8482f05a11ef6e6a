"""Small requests beside a long stream: their latency alone and under it, in one run.

Open loop: a request of 10 documents starts every 1/rate seconds whether or not the last has come
back, and its latency counts from the scheduled time, so a stall cannot hide.

    .venv/bin/python scripts/bench/mixed_load.py --requests 120 --rate 2 --stream 6000
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

from passages import passages
from server_process import server

from rerankd.client import AsyncClient

QUERY = "what are the treatments for high blood pressure in adults"


async def one(client: AsyncClient, texts: list[str], at: float) -> float:
    await client.rerank(QUERY, texts)
    return time.perf_counter() - at


async def small_requests(client: AsyncClient, texts: list[str], count: int, rate: float) -> list[float]:
    started = time.perf_counter()
    tasks = []
    for number in range(count):
        at = started + number / rate
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        tasks.append(asyncio.create_task(one(client, texts[number * 10 % 3000 :][:10], at)))
    return await asyncio.gather(*tasks)


async def stream(client: AsyncClient, texts: list[str], count: int) -> float:
    started = time.perf_counter()
    many = [texts[i % len(texts)] + f" {i}" for i in range(count)]
    async with client.rerank_stream(QUERY, many, top_n=10) as events:
        await events.summary()
    return count / (time.perf_counter() - started)


async def measure(arguments: argparse.Namespace, target: str) -> None:
    texts, source = passages(3010)
    async with AsyncClient(target) as client, AsyncClient(target) as other:
        await small_requests(client, texts, 10, arguments.rate)
        alone = await small_requests(client, texts, arguments.requests, arguments.rate)
        running = asyncio.create_task(stream(other, texts, arguments.stream))
        under = await small_requests(client, texts, arguments.requests, arguments.rate)
        still_running = not running.done()
        rate = await running
    print(
        f"{source}; {arguments.requests} requests of 10 at {arguments.rate:g}/s; stream of {arguments.stream}"
    )
    for name, values in (("alone", alone), ("beside the stream", under)):
        p50, p99 = statistics.median(values), statistics.quantiles(values, n=100)[98]
        milliseconds = "   ".join(
            f"{label} {1000 * value:6.0f} ms"
            for label, value in (("p50", p50), ("p99", p99), ("worst", max(values)))
        )
        print(f"{name:18} {milliseconds}")
    ratio = statistics.quantiles(under, n=100)[98] / statistics.quantiles(alone, n=100)[98]
    print(f"p99 ratio x{ratio:.1f}; stream {rate:.0f} pairs/s; it outlasted the small ones: {still_running}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=150)
    parser.add_argument("--rate", type=float, default=3.3)
    parser.add_argument("--stream", type=int, default=8000)
    parser.add_argument("--set", action="append", default=[], help="a setting of the server, KEY=VALUE")
    arguments = parser.parse_args()
    with server(*(part for setting in arguments.set for part in ("--set", setting))) as target:
        asyncio.run(measure(arguments, target))


if __name__ == "__main__":
    main()
