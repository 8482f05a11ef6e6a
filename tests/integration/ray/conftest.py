"""What the tests of this folder share: a local Ray, which takes seconds to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.ray_cluster import ray_cluster


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """Address of a Ray of two CPUs."""
    with ray_cluster() as address:
        yield address
