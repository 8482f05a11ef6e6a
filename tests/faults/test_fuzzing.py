"""A short round of each fuzzing target; scripts/bench/fuzz.py runs the same for as long as one likes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fuzzing import TARGETS, Target, World, run

EXAMPLES = 150


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as world:
        yield world


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_whatever_comes_is_read_or_refused(world: World, target: Target) -> None:
    count = run(target, world, examples=EXAMPLES)
    print(f"{target.name}: {count} cases")
    assert count >= EXAMPLES // 2


def test_a_finding_is_one() -> None:
    """The runner reports what a target raises: a fuzzer that cannot fail would prove nothing."""

    def breaks(world: World, case: bytes) -> None:
        assert b"\xff" not in case

    target = Target(name="broken", cases=TARGETS[0].cases, check=lambda world, case: breaks(world, case[1]))
    with World() as world, pytest.raises(AssertionError):
        run(target, world, examples=EXAMPLES)
