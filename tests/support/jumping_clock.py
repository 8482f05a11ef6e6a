"""A wall clock that a test moves, in a process that is started under it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("clock_shim.c")


class JumpingClock:
    """Moves the wall clock of processes that are started with `environment`."""

    def __init__(self, folder: Path) -> None:
        """Builds the shim; skips the test where there is no C compiler."""
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler, with which the clock's shim is built")
        library, self._offset = folder / "clock_shim.so", folder / "offset"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True)
        self._offset.write_bytes(struct.pack("q", 0))
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(self._offset)}

    def jump_to(self, offset_seconds: int) -> None:
        """Lets the clock say this much more, or less, than the machine's."""
        # In place: the processes have the file mapped.
        with self._offset.open("r+b") as file:
            file.write(struct.pack("q", offset_seconds))
