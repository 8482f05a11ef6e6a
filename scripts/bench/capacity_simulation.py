"""How many replicas a load needs: a discrete-event simulation of replicas behind round robin.

Costs come from `capacity.py`, which measures them on the host that is planned for and holds this simulation
against two real servers.

    .venv/bin/python scripts/bench/capacity_simulation.py --calls-per-second 40 --documents 50 \
        --tokens-per-document 128 --p95-ms 400
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import simpy

RESULTS = Path(__file__).parent / "results" / "capacity.json"
MICRO_BATCH_TOKENS = 512
"""On a CPU: what a replica does before it turns to the next call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds of a replica for a call: a fixed part, one for each document, one for each token."""

    fixed: float
    document: float
    token: float

    def of(self, documents: int, tokens: int) -> float:
        """Seconds that a call takes on an idle replica."""
        return self.fixed + self.document * documents + self.token * tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that arrives."""

    at: float
    """Seconds since the beginning."""
    work: float
    """Seconds that it takes on an idle replica."""


@dataclass(slots=True)
class _Open:
    """A call in a replica: what is left of its work, and its place in the fair queue."""

    arrived: float
    left: float
    tag: float


class _Replica:
    """One replica: a fair queue over its calls, a micro-batch at a time, as `core/fair_queue` does it."""

    def __init__(self, environment: simpy.Environment, quantum: float, latencies: list[float]) -> None:
        self._environment = environment
        self._quantum = quantum
        self._latencies = latencies
        self._open: list[_Open] = []
        self._virtual_time = 0.0
        self._arrival = environment.event()
        environment.process(self._work())

    def take(self, seconds: float) -> None:
        """A call of so much work arrives."""
        self._open.append(_Open(self._environment.now, seconds, self._virtual_time))
        if not self._arrival.triggered:
            self._arrival.succeed()

    def _work(self) -> Iterator[simpy.Event]:
        while True:
            if not self._open:
                self._arrival = self._environment.event()
                yield self._arrival
            call = min(self._open, key=lambda each: each.tag)
            self._virtual_time = call.tag
            spent = min(self._quantum, call.left)
            yield self._environment.timeout(spent)
            call.left -= spent
            call.tag += spent
            if call.left <= 0:
                self._open.remove(call)
                self._latencies.append(self._environment.now - call.arrived)


def simulate(
    calls: Sequence[Call], micro_batch_seconds: float, replicas: int, *, many_clients: bool = False
) -> list[float]:
    """Seconds of each call, in the order they end.

    One client's calls take turns over the replicas. Of many clients each takes turns for itself, and together
    they meet replicas by chance.
    """
    chance = random.Random(2)
    environment = simpy.Environment()
    latencies: list[float] = []
    servers = [_Replica(environment, micro_batch_seconds, latencies) for _ in range(replicas)]

    def arrivals() -> Iterator[simpy.Event]:
        for number, call in enumerate(calls):
            yield environment.timeout(max(0.0, call.at - environment.now))
            server = chance.randrange(replicas) if many_clients else number % replicas
            servers[server].take(call.work)

    environment.process(arrivals())
    environment.run()
    return latencies


def poisson(count: int, calls_per_second: float, work: float, seed: int = 1) -> list[Call]:
    """Calls of one size that arrive independently of each other."""
    chance, at, calls = random.Random(seed), 0.0, []
    for _ in range(count):
        at += chance.expovariate(calls_per_second)
        calls.append(Call(at=at, work=work))
    return calls


def quantile(seconds: Sequence[float], share: float) -> float:
    """The value that a share of all are below."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def p95(
    cost: Cost,
    load: float,
    documents: int,
    tokens: int,
    replicas: int,
    *,
    calls: int = 10_000,
    many_clients: bool = False,
) -> float:
    """Seconds below which 95 % of the calls of a load are answered."""
    arriving = poisson(calls, load, cost.of(documents, tokens))
    micro_batch = cost.token * MICRO_BATCH_TOKENS
    return quantile(simulate(arriving, micro_batch, replicas, many_clients=many_clients), 0.95)


def replicas_for(
    cost: Cost, load: float, documents: int, tokens: int, p95_seconds: float, *, many_clients: bool = False
) -> int:
    """The fewest replicas that answer 95 % of the calls in time; 0 = none do, however many.

    Args:
        cost: Of the host that each replica has.
        load: Calls a second, of all clients.
        documents: Candidates of a call.
        tokens: Of all pairs of a call.
        p95_seconds: What is wanted.
        many_clients: Whether calls meet replicas by chance; see `simulate`.
    """
    alone = cost.of(documents, tokens)
    if alone > p95_seconds:
        return 0
    # Fewer than the work alone takes would fall behind for ever.
    replicas = int(load * alone) + 1
    while p95(cost, load, documents, tokens, replicas, many_clients=many_clients) > p95_seconds:
        replicas += 1
    return replicas


def cost_of(results: Path = RESULTS) -> Cost:
    """The costs that were measured."""
    curve: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))["figures"]["curve"]
    return Cost(fixed=curve["fixed_s"], document=curve["document_s"], token=curve["token_s"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls-per-second", type=float, required=True)
    parser.add_argument("--documents", type=int, required=True, help="of a call")
    parser.add_argument("--tokens-per-document", type=int, default=128, help="query included")
    parser.add_argument("--p95-ms", type=float, required=True)
    parser.add_argument("--clients", choices=["one", "many"], default="many", help="processes that call")
    parser.add_argument("--costs", type=Path, default=RESULTS, help="what capacity.py wrote")
    chosen = parser.parse_args()
    cost, tokens = cost_of(chosen.costs), chosen.documents * chosen.tokens_per_document
    load, wanted, many = chosen.calls_per_second, chosen.p95_ms / 1000, chosen.clients == "many"
    alone = cost.of(chosen.documents, tokens)
    print(f"one call alone: {1000 * alone:.0f} ms; the load keeps {load * alone:.2f} replicas busy")
    replicas = replicas_for(cost, load, chosen.documents, tokens, wanted, many_clients=many)
    if not replicas:
        parser.exit(1, "no number of replicas answers in time: a call alone takes longer\n")
    for count in range(max(1, replicas - 1), replicas + 2):
        if count > load * alone:
            late = p95(cost, load, chosen.documents, tokens, count, many_clients=many)
            mark = "  <- enough" if count == replicas else ""
            print(f"{count:4} replicas, {load * alone / count:4.0%} busy: p95 {1000 * late:6.0f} ms{mark}")


if __name__ == "__main__":
    main()
