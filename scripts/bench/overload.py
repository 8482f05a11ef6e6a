"""Twice the load that a model can take: how much of its capacity is left, and how soon the rest is refused.

The server is the real one, in a process of its own; its model takes exactly a second for so many tokens, so
that the capacity is known and the machine's noise is not in it. Callers come at a fixed rate, each with a
deadline and none with retries. Goodput is what was answered within its deadline.

    .venv/bin/python scripts/bench/overload.py --seconds 60
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import record

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from support.overload import TOKENS, Answer, fixed_cost_program, open_loop  # found by the line above
from support.servers import ServerProcess


def resident_kib(pid: int) -> int:
    """Memory of a process that is in RAM."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


async def measure(server: ServerProcess, chosen: argparse.Namespace) -> dict[str, Any]:
    capacity = chosen.tokens_per_second / (TOKENS * chosen.documents)
    sent = {"documents": chosen.documents, "timeout": chosen.deadline}
    idle = await open_loop(server.target, calls_per_second=capacity / 4, seconds=3.0, **sent)
    await open_loop(server.target, calls_per_second=chosen.load * capacity, seconds=3.0, **sent)
    before = resident_kib(server.pid)
    answers = await open_loop(
        server.target, calls_per_second=chosen.load * capacity, seconds=chosen.seconds, **sent
    )
    grown = resident_kib(server.pid) - before
    started = min(a.ended_at - a.seconds for a in answers)
    ended = started + chosen.seconds
    after = await open_loop(server.target, calls_per_second=capacity / 4, seconds=3.0, **sent)
    good = [a for a in answers if a.code == "OK"]
    # While the queue is as it is under load: not at the begin, when it fills, and not after the last call.
    goodput = len([a for a in good if started + chosen.deadline <= a.ended_at <= ended])
    refused = [a for a in answers if a.reason == "OVERLOADED"]
    return {
        "capacity_calls_per_second": capacity,
        "offered_calls_per_second": chosen.load * capacity,
        "goodput_over_capacity": goodput / (capacity * (chosen.seconds - chosen.deadline)),
        "accepted": record.quantiles([a.seconds for a in good]),
        "refused": record.quantiles([a.seconds for a in refused]),
        "late": len(answers) - len(good) - len(refused),
        "deadline_seconds": chosen.deadline,
        "memory_grown_kib": grown,
        "idle": record.quantiles([a.seconds for a in idle]),
        "recovered_after_seconds": recovered(
            after, ended, 2 * record.quantiles([a.seconds for a in idle])["p95_ms"]
        ),
    }


def recovered(answers: Sequence[Answer], ended: float, bound_ms: float) -> float:
    """Seconds from the end of the load to the end of the last call that was slower than it should be."""
    slow = [a.ended_at - ended for a in answers if a.code != "OK" or 1000 * a.seconds > bound_ms]
    return max(slow, default=0.0)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--load", type=float, default=2.0, help="over the capacity")
    parser.add_argument("--tokens-per-second", type=float, default=10_000.0)
    parser.add_argument("--documents", type=int, default=20, help="of a call")
    parser.add_argument("--deadline", type=float, default=1.0, help="of a call, in seconds")
    parser.add_argument("--quick", action="store_true", help="8 seconds")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.seconds = 8.0
    flags = {"warmup.mode": "lazy", "cache.max_mib": 0}
    server = ServerProcess(flags, program=fixed_cost_program(chosen.tokens_per_second))
    try:
        figures = asyncio.run(measure(server, chosen))
    finally:
        server.stop()
    for name in ("idle", "accepted", "refused"):
        times = "  ".join(
            f"{key[:-3]} {value:7.1f}" for key, value in figures[name].items() if key != "calls"
        )
        print(f"{name:9} {times} ms  ({figures[name]['calls']} calls)")
    capacity = figures["capacity_calls_per_second"]
    print(
        f"goodput {figures['goodput_over_capacity']:.1%} of {capacity:.1f} calls/s, "
        f"{figures['late']} late, memory {figures['memory_grown_kib']:+} KiB, "
        f"recovered after {figures['recovered_after_seconds']:.2f} s"
    )
    record.write("overload", chosen, figures)


if __name__ == "__main__":
    main()
