"""Why a run failed, in a sentence that tells what to do and shows no path and no trace."""

from __future__ import annotations

import errno
import signal

import pytest

from rerankd.config.training import RunConfig
from rerankd.core.errors import ModelFailedError
from rerankd.training.runs.failures import BadDataError, DivergedError, reason_of, reason_of_death

CONFIG = RunConfig(batch_size=24, max_length=384, learning_rate=1e-3)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BadDataError("mine again"), "mine again"),
        (ModelFailedError("base_model x has no weights"), "base_model x has no weights"),
        (DivergedError("the loss is not finite at step 3"), "step 3; lower learning_rate (0.001)"),
        (MemoryError(), "out of memory with batch_size 24 and max_length 384"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out of memory with batch_size 24"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (OSError(errno.ENOSPC, "No space left on device", "/secret/path"), "failed: No space left on device"),
        (ZeroDivisionError("/secret/path"), "ZeroDivisionError while training; worker.log"),
    ],
)
def test_a_failure_is_a_sentence(error: Exception, told: str) -> None:
    reason = reason_of(error, CONFIG)

    assert told in reason
    assert "/secret" not in reason
    assert "\n" not in reason


def test_what_a_library_wrapped_is_found() -> None:
    wrapped = RuntimeError("generation failed")
    wrapped.__cause__ = ValueError("inner")
    wrapped.__cause__.__cause__ = BadDataError("mine again")

    assert reason_of(wrapped, CONFIG) == "mine again"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (-signal.SIGKILL, "ran out of memory"),
        (-signal.SIGSEGV, "SIGSEGV"),
        (-200, "signal 200"),
        (3, "code 3"),
        (None, "no server watched it"),
    ],
)
def test_a_death_is_a_sentence(code: int | None, told: str) -> None:
    assert told in reason_of_death(code)
