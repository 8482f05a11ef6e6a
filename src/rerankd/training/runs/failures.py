"""Why a run failed, in one sentence; the trace is in its worker.log."""

from __future__ import annotations

import signal

from rerankd.config.training import RunConfig
from rerankd.core.errors import RerankdError

_SEE = "worker.log of the run has the trace"


class BadDataError(ValueError):
    """The training material cannot be used as it is; the message is told to the caller."""


class DivergedError(RuntimeError):
    """The loss is no number any more."""


_TOLD = (RerankdError, BadDataError, DivergedError, OSError)
"""Errors that have a sentence of their own."""


def reason_of(error: BaseException, config: RunConfig) -> str:
    """The sentence for a failure of the worker's own."""
    error = _known_cause(error)
    if isinstance(error, RerankdError):
        return error.message
    if isinstance(error, BadDataError):
        return str(error)
    if isinstance(error, DivergedError):
        return f"{error}; lower learning_rate ({config.learning_rate:g}) or max_grad_norm"
    if _is_out_of_memory(error):
        return (
            f"out of memory with batch_size {config.batch_size} and max_length {config.max_length}: lower "
            "one of them (gradient_accumulation makes up for a smaller batch)"
        )
    if isinstance(error, OSError) and error.strerror:
        return f"the disk or the network failed: {error.strerror}; {_SEE}"
    return f"{type(error).__name__} while training; {_SEE}"


def reason_of_death(code: int | None) -> str:
    """The sentence for a worker that ended without a word.

    `code` is its exit code, negative for signals; None = not known.
    """
    if code is None:
        return "the training process died while no server watched it; resume the run to go on"
    if code == -signal.SIGKILL:
        return (
            "the training process was killed; if nobody did that, the machine ran out of memory: resume the "
            "run, or start one with a smaller batch_size or max_length"
        )
    if code < 0:
        return f"the training process was ended by {_signal_name(-code)}; resume the run to go on"
    return f"the training process ended with code {code}; {_SEE}"


def _known_cause(error: BaseException) -> BaseException:
    """The cause that has a sentence of its own, where a library wrapped it; else the error itself."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RerankdError | BadDataError | DivergedError | OSError) or _is_out_of_memory(
            cause
        ):
            return cause
        cause = cause.__cause__
    return error


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    # torch.OutOfMemoryError is a RuntimeError, and the CPU's allocator raises a plain one.
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "allocate memory" in text)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
