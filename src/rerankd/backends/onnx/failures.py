"""Short causes for messages that leave the process."""

from __future__ import annotations

import re

from rerankd.core.errors import BackendFailedError

_LONGEST_CAUSE = 240
_RUNTIME_PREFIX = re.compile(r"^\[ONNXRuntimeError\]\s*:\s*\d+\s*:\s*\w+\s*:\s*")
_PATH = re.compile(r"(?:[A-Za-z]:)?[\w.\-+]*/[^\s'\",;]*")


def short_cause(error: BaseException) -> str:
    """What a library's exception says, on one line, without paths: callers may see it."""
    text = _RUNTIME_PREFIX.sub("", str(error))
    _, marker, status = text.partition("Status Message:")
    text = " ".join((status if marker else text).split())
    text = " ".join(_PATH.sub("", text).split())
    return text[:_LONGEST_CAUSE] or type(error).__name__


def batch_failed(rows: int, error: Exception) -> BackendFailedError:
    """What a caller is told when the runtime raises."""
    return BackendFailedError(f"the model failed on a batch of {rows} pairs: {short_cause(error)}")
