"""The end of a process in which a thread may be inside of a native library."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import logging, sys, threading
from rerankd.core.native_threads import NativeThread, end_process_if_any
logging.basicConfig()
stop, started = threading.Event(), threading.Event()
thread = NativeThread(target=lambda: (started.set(), stop.wait()), name="load-test")
thread.start()
started.wait()
if sys.argv[1] == "ended":
    stop.set()
    thread.join()
print("buffered", end="")
logging.getLogger("x").error("a line")
end_process_if_any(3)
print(", and returned")
sys.exit(4)
"""


@pytest.mark.parametrize(
    ("thread", "status", "output"), [("running", 3, "buffered"), ("ended", 4, "buffered, and returned\n")]
)
def test_the_process_ends_at_once_where_one_runs_and_loses_no_line(
    thread: str, status: int, output: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, thread], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (status, output)
    assert "a line" in done.stderr
