"""What a call costs a replica of one core, and whether `capacity_simulation.py` foretells two real replicas.

First the curve: calls of many sizes, one after the other, to one server; of equal ones the fastest, which
other programs delayed least. Then two servers behind the client's round robin, open loop with Poisson
arrivals of mixed sizes. The simulation gets the same arrivals, and as the work of each call the inference
that its answer tells: what is held against the measurement is how calls wait for each other, on a machine as
fast as it was meanwhile. How much work the curve would have foretold is told beside it.

    .venv/bin/python scripts/bench/capacity.py
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import record
from capacity_simulation import MICRO_BATCH_TOKENS, Call, Cost, p95, quantile, simulate
from passages import passages
from server_process import server

from rerankd.client import AsyncClient, Client, ClientOptions, RerankResponse

QUERY = "what are the treatments for high blood pressure in adults"
SIZES = (1, 5, 10, 25, 50)
WINDOWS = (24, 64, 160)
"""Tokens to which documents are cut."""
MIXED_SIZES = (2, 5, 10, 20)
# Each replica as if it had one core to itself; no score cache, because texts come again.
REPLICA = ("onnx.threads=1", "onnx.lanes=1", "onnx.batch_tokens=512", "cache.max_mib=0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One call: what it was, and how long it took."""

    documents: int
    tokens: int
    seconds: float
    queue_seconds: float
    inference_seconds: float


def measured(answer: RerankResponse, documents: int, seconds: float) -> Measured:
    return Measured(
        documents=documents,
        tokens=answer.usage.tokens,
        seconds=seconds,
        queue_seconds=answer.timing.queue_duration.ToTimedelta().total_seconds(),
        inference_seconds=answer.timing.inference_duration.ToTimedelta().total_seconds(),
    )


def curve(target: str, texts: list[str], repeats: int) -> list[Measured]:
    """Calls of every size, one after the other; of equal ones the fastest."""
    points = []
    with Client(target) as client:
        client.rerank(QUERY, texts[:100])
        for size, window in itertools.product(SIZES, WINDOWS):
            calls = []
            for number in range(repeats):
                first = number * size % (len(texts) - size)
                started = time.perf_counter()
                answer = client.rerank(QUERY, texts[first : first + size], max_tokens_per_document=window)
                calls.append(measured(answer, size, time.perf_counter() - started))
            points.append(min(calls, key=lambda call: call.seconds))
    return points


def fitted(points: Sequence[Measured]) -> Cost:
    """Fixed, per document and per token, by least squares of the relative errors; none below zero."""
    columns = np.array([[1.0, point.documents, point.tokens] for point in points])
    wanted = np.array([point.seconds for point in points])
    used = [0, 1, 2]
    while True:
        found, *_ = np.linalg.lstsq(columns[:, used] / wanted[:, None], np.ones(len(wanted)), rcond=None)
        negative = [index for index, value in zip(used, found, strict=True) if value < 0]
        if not negative:
            break
        used = [index for index in used if index not in negative]
    values = dict(zip(used, (float(value) for value in found), strict=True))
    return Cost(fixed=values.get(0, 0.0), document=values.get(1, 0.0), token=values.get(2, 0.0))


def arrivals(count: int, calls_per_second: float, seed: int) -> list[tuple[float, int]]:
    """Seconds and number of documents of each call."""
    chance, at, found = random.Random(seed), 0.0, []
    for _ in range(count):
        at += chance.expovariate(calls_per_second)
        found.append((at, chance.choice(MIXED_SIZES)))
    return found


async def open_loop(targets: list[str], texts: list[str], plan: list[tuple[float, int]]) -> list[Measured]:
    """Each call at its time, whether or not earlier ones have come back; latency from the scheduled time."""

    async def one(client: AsyncClient, at: float, first: int, size: int) -> Measured:
        answer = await client.rerank(QUERY, texts[first : first + size], max_tokens_per_document=WINDOWS[0])
        return measured(answer, size, time.perf_counter() - at)

    options = ClientOptions(timeout_seconds=120)
    async with AsyncClient("ipv4:" + ",".join(targets), options) as client:
        # Both connections are there before the first call counts.
        await asyncio.gather(*(client.rerank(QUERY, texts[:5]) for _ in range(8)))
        started, tasks = time.perf_counter(), []
        for number, (at, size) in enumerate(plan):
            await asyncio.sleep(max(0.0, started + at - time.perf_counter()))
            first = number * 7 % (len(texts) - size)
            tasks.append(asyncio.create_task(one(client, started + at, first, size)))
        return await asyncio.gather(*tasks)


def compared(
    targets: list[str], texts: list[str], cost: Cost, busy: float, chosen: argparse.Namespace
) -> dict[str, Any]:
    """A load that would keep the replicas so busy on a quiet machine, measured and simulated."""
    mean = statistics.fmean(cost.of(size, size * (WINDOWS[0] + 16)) for size in MIXED_SIZES)
    plan = arrivals(chosen.calls, busy * len(targets) / mean, chosen.seed)
    calls = asyncio.run(open_loop(targets, texts, plan))
    # What a call spends outside the model is seen in those that fit one micro-batch, and wait once at most.
    outside = statistics.median(
        call.seconds - call.queue_seconds - call.inference_seconds
        for call in calls
        if call.tokens <= MICRO_BATCH_TOKENS
    )
    token = sum(call.inference_seconds for call in calls) / sum(call.tokens for call in calls)
    arrived = [Call(at=at, work=call.inference_seconds) for (at, _), call in zip(plan, calls, strict=True)]
    latencies = simulate(arrived, token * MICRO_BATCH_TOKENS, len(targets))
    found = {
        "measured": [call.seconds for call in calls],
        "simulated": [outside + seconds for seconds in latencies],
    }
    work = sum(call.work for call in arrived)
    return {
        "calls": len(calls),
        "calls_per_second": len(calls) / plan[-1][0],
        "busy": work / (plan[-1][0] * len(targets)),
        "work_over_foretold": work / sum(cost.of(call.documents, call.tokens) for call in calls),
        "outside_the_model_ms": 1000 * outside,
        **{name: record.quantiles(seconds) for name, seconds in found.items()},
        **{
            f"simulated_over_measured_p{share}": quantile(found["simulated"], share / 100)
            / quantile(found["measured"], share / 100)
            for share in (50, 95)
        },
    }


def show(row: dict[str, Any]) -> None:
    for name in ("measured", "simulated"):
        print(f"  {name:9}  p50 {row[name]['p50_ms']:6.0f}  p95 {row[name]['p95_ms']:6.0f} ms")
    ratios = [row[f"simulated_over_measured_p{share}"] for share in (50, 95)]
    print(f"  {row['calls_per_second']:.1f} calls/s, replicas {row['busy']:.0%} busy, ", end="")
    print(f"with {row['work_over_foretold']:.2f} of the work that the curve foretells")
    print(f"  simulated over measured: p50 {ratios[0]:.2f}, p95 {ratios[1]:.2f}", flush=True)


def plan(cost: Cost) -> dict[str, Any]:
    """How late calls of 50 documents get as replicas get busy: p95 over the time of a call alone."""
    documents, tokens = 50, 50 * 80
    alone = cost.of(documents, tokens)
    return {
        str(replicas): {
            f"{busy:.1f}": p95(cost, busy * replicas / alone, documents, tokens, replicas, calls=5000) / alone
            for busy in (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
        }
        for replicas in (1, 2, 4, 8, 16)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=250, help="of each load")
    parser.add_argument("--busy", default="0.2,0.4", help="shares of the capacity to offer")
    parser.add_argument("--repeats", type=int, default=5, help="calls of each size for the curve")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few calls of each")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.calls, chosen.busy, chosen.repeats = 60, "0.3", 2
    texts, source = passages(3000)
    settings = [part for setting in REPLICA for part in ("--set", setting)]
    with ExitStack() as stack:
        targets = [stack.enter_context(server(*settings)) for _ in range(2)]
        points = curve(targets[0], texts, chosen.repeats)
        cost = fitted(points)
        off = [cost.of(p.documents, p.tokens) / p.seconds for p in points]
        print(
            f"{source}; a call: {1000 * cost.fixed:.2f} ms + {1e6 * cost.document:.0f} us a document "
            f"+ {1e6 * cost.token:.1f} us a token; fit {min(off):.2f} to {max(off):.2f} of the measured",
            flush=True,
        )
        rows = []
        for busy in map(float, chosen.busy.split(",")):
            rows.append(compared(targets, texts, cost, busy, chosen))
            show(rows[-1])
    figures = {
        "curve": {
            "fixed_s": cost.fixed,
            "document_s": cost.document,
            "token_s": cost.token,
            "fit_over_measured": [min(off), max(off)],
            "points": [
                {"documents": p.documents, "tokens": p.tokens, "ms": 1000 * p.seconds} for p in points
            ],
        },
        "two_replicas": rows,
        "p95_over_alone_by_replicas_and_busy": plan(cost),
    }
    record.write("capacity", chosen, figures, texts=source)


if __name__ == "__main__":
    main()
