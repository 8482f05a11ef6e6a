"""One Ray for all tests that need one, in a process of its own: its warnings are not ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_PROGRAM = """
import ray, sys
ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=200 * 1024 * 1024)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("RERANKD_", "RAY_"))},
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray makes a token for itself; whoever names an address must say that there is one.
    "RAY_AUTH_MODE": "token",
    # Workers of a Ray that was started here find the package of this tree, installed or not.
    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
}


@contextmanager
def ray_cluster() -> Iterator[str]:
    """A Ray of two CPUs; its address."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=ENVIRONMENT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert address, "Ray did not start"
        yield address
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()
