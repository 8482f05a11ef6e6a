"""The soak of scripts/bench/soak.py, shortened: nothing that a server holds grows with what it has done."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "bench"))

import soak  # found by the line above

COUNT = 60_000
# The full run holds 1 MiB for each 100,000; over so few the allocator's own steps are larger than that.
SHORT_SLOPE_MIB = 8.0


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="what a process holds is read from /proc")
def test_a_server_holds_after_60000_documents_what_it_held_before() -> None:
    told = soak.run(COUNT, stream=5_000, warm_up=40_000)
    soak.show(told)
    assert told.leaked == []
    assert told.slope_mib <= SHORT_SLOPE_MIB, told.rss_mib


def test_the_slope_is_that_of_the_line() -> None:
    points = [(count, 50.0 + 3 * count / 100_000) for count in range(0, 200_000, 20_000)]
    assert soak.slope(points) == pytest.approx(3.0)
    assert soak.slope([(count, 50.0) for count in range(5)]) == pytest.approx(0.0)
