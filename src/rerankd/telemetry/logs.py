"""Log lines as JSON for machines or text for a terminal; each names the call that it belongs to."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any, Literal, TextIO

from rerankd.telemetry.calls import CallRecord, request_id, trace_id
from rerankd.telemetry.recent import RecentLines

calls = logging.getLogger("rerankd.calls")
"""One line for each call, when it ends."""

recent = RecentLines()
"""The last lines that were written, as JSON."""

LEVEL_BY_CODE = {
    "OK": logging.DEBUG,
    "CANCELLED": logging.DEBUG,
    "INVALID_ARGUMENT": logging.INFO,
    "NOT_FOUND": logging.INFO,
    "UNIMPLEMENTED": logging.INFO,
    "UNAUTHENTICATED": logging.INFO,
    "PERMISSION_DENIED": logging.INFO,
    "DEADLINE_EXCEEDED": logging.INFO,
    "RESOURCE_EXHAUSTED": logging.INFO,
    "UNAVAILABLE": logging.WARNING,
    "FAILED_PRECONDITION": logging.WARNING,
}
"""How loud a call's end is; a code that is not listed is the server's fault."""

_OF_CALL = ("request_id", "trace_id")

# Attributes of every record; whatever else a record has was given by `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", *_OF_CALL, "taskName"}


class CallFilter(logging.Filter):
    """Puts the ids of the running call and of its trace on each line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every line pass."""
        record.request_id = request_id.get()
        record.trace_id = trace_id.get()
        return True


class TextFormatter(logging.Formatter):
    """`time level event key=value ...`, for people."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback under it where there is one."""
        # Libraries leave marks of their own on records, with an underscore; JSON lines leave them out too.
        given = {k: v for k, v in vars(record).items() if k not in _STANDARD and not k.startswith("_")}
        given |= {name: getattr(record, name, "") for name in _OF_CALL}
        fields = [f"{key}={_one_line(value)}" for key, value in given.items() if value != ""]
        head = f"{self.formatTime(record)} {record.levelname.lower():<7} {_one_line(record.getMessage())}"
        line = "  ".join([head, *fields])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _one_line(value: object) -> str:
    """As text without what starts a line or moves a cursor: a caller could write lines of the log."""
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def configure(
    level: str = "info", form: Literal["auto", "json", "text"] = "auto", stream: TextIO | None = None
) -> None:
    """Sends all log lines of the process to one stream, standard error if not told."""
    target = stream or sys.stderr
    json_wanted = form == "json" or (form == "auto" and not target.isatty())
    handler = logging.StreamHandler(target)
    handler.setFormatter(_json_formatter() if json_wanted else TextFormatter())
    recent.forget()
    recent.setFormatter(_json_formatter(quiet_errors=True))
    for each in (handler, recent):
        each.addFilter(CallFilter())
    logging.basicConfig(level=level.upper(), handlers=[handler, recent], force=True)
    # Their lines below WARNING tell of sockets and selectors, not of requests.
    for library in (
        "asyncio",
        "grpc",
        "uvicorn",
        "huggingface_hub",
        "httpx2",
        "httpcore2",
        "urllib3",
        "filelock",
    ):
        logging.getLogger(library).setLevel(logging.WARNING)


def log_call(*, method: str, code: str, peer: str, seconds: float, record: CallRecord) -> None:
    """Writes the line of a call that has ended."""
    level = LEVEL_BY_CODE.get(code, logging.ERROR)
    if not calls.isEnabledFor(level):
        return
    calls.log(
        level,
        "call",
        extra={
            "method": method,
            "code": code,
            **record.fields(seconds),
            "peer": peer,
        },
    )


def _json_formatter(*, quiet_errors: bool = False) -> logging.Formatter:
    """`quiet_errors`: of an exception only kind and place; what it says may quote a text."""
    from pythonjsonlogger.json import JsonFormatter

    class Quiet(JsonFormatter):
        def formatException(self, ei: Any) -> str:  # noqa: N802 - the library's name
            kind, _, trace = ei
            return f"{''.join(traceback.format_tb(trace))}{getattr(kind, '__name__', '')}"

    return (Quiet if quiet_errors else JsonFormatter)(
        "{levelname}{message}{name}{request_id}{trace_id}",
        style="{",
        rename_fields={"levelname": "level", "message": "event", "name": "logger"},
        timestamp="time",
    )
