"""The simulation of scripts/bench against what queueing theory knows."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).resolve().parents[2] / "scripts" / "bench"


@pytest.fixture(scope="module")
def simulation() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        import capacity_simulation

        yield capacity_simulation
        del sys.modules["capacity_simulation"]


@pytest.fixture
def cost(simulation: ModuleType) -> object:
    """A call of 10 documents and 10,000 tokens takes a second, and 512 tokens a twentieth of it."""
    return simulation.Cost(fixed=0.0, document=0.0, token=1e-4)


@pytest.mark.parametrize("busy", [0.3, 0.6, 0.8])
def test_one_replica_is_a_processor_that_its_calls_share(simulation: ModuleType, busy: float) -> None:
    calls = simulation.poisson(30_000, busy, 1.0)
    mean = statistics.fmean(simulation.simulate(calls, 0.05, 1))
    # M/G/1 with processor sharing; micro-batches are no infinitely small slices.
    assert mean == pytest.approx(1 / (1 - busy), rel=0.1)


def test_many_clients_together_meet_replicas_by_chance(simulation: ModuleType) -> None:
    calls = simulation.poisson(30_000, 0.6 * 4, 1.0)
    mean = statistics.fmean(simulation.simulate(calls, 0.05, 4, many_clients=True))
    # Each replica has its own share of independent arrivals, as one alone would have.
    assert mean == pytest.approx(1 / (1 - 0.6), rel=0.1)
    assert statistics.fmean(simulation.simulate(calls, 0.05, 4)) < 0.7 * mean


def test_a_call_alone_takes_what_it_costs(simulation: ModuleType) -> None:
    cost = simulation.Cost(fixed=0.5, document=0.1, token=0.001)
    calls = [simulation.Call(at=10.0 * i, work=cost.of(5, 1000)) for i in range(4)]
    assert simulation.simulate(calls, 0.05, 2) == pytest.approx([2.0] * 4)


def test_a_small_call_does_not_wait_for_a_large_one(simulation: ModuleType) -> None:
    large, small = simulation.Call(at=0.0, work=10.0), simulation.Call(at=1.0, work=0.05)
    first, last = simulation.simulate([large, small], 0.05, 1)
    assert first < 0.2
    assert last == pytest.approx(10.05, rel=0.01)


def test_more_replicas_are_never_slower(simulation: ModuleType, cost: object) -> None:
    late = [simulation.p95(cost, 1.5, 10, 10_000, replicas, calls=5000) for replicas in (2, 3, 4, 8)]
    assert late == sorted(late, reverse=True)


def test_the_fewest_replicas_that_are_in_time(simulation: ModuleType, cost: object) -> None:
    found = simulation.replicas_for(cost, 3.0, 10, 10_000, 2.0)
    assert simulation.p95(cost, 3.0, 10, 10_000, found) <= 2.0
    assert found > 3
    assert simulation.p95(cost, 3.0, 10, 10_000, found - 1) > 2.0
    assert simulation.replicas_for(cost, 3.0, 10, 10_000, 0.9) == 0
