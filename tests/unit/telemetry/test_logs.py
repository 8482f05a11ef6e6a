from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from rerankd.core.errors import ERROR_CLASSES
from rerankd.telemetry import calls, logs
from rerankd.telemetry.recent import KEPT_LINES


@pytest.fixture(autouse=True)
def _handlers_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    calls.request_id.set("")


def line_of(form: str, level: str = "debug", **extra: object) -> str:
    stream = io.StringIO()
    logs.configure(level, form, stream)  # type: ignore[arg-type]
    calls.request_id.set("id-1")
    logging.getLogger("rerankd.test").info("something happened", extra=extra)
    return stream.getvalue()


def test_json_lines_have_the_agreed_names() -> None:
    line = json.loads(line_of("json", documents=3))
    assert set(line) == {"time", "level", "event", "logger", "request_id", "trace_id", "documents"}
    assert (line["event"], line["request_id"], line["documents"]) == ("something happened", "id-1", 3)


def test_text_lines_hold_the_same() -> None:
    line = line_of("text", documents=3, reason="")
    assert "info    something happened  documents=3  request_id=id-1\n" in line
    assert "reason" not in line


def test_auto_is_json_where_there_is_no_terminal() -> None:
    assert json.loads(line_of("auto"))


def test_the_level_is_kept() -> None:
    assert line_of("json", level="warning") == ""


@pytest.mark.parametrize(
    ("code", "level"),
    [
        ("OK", logging.DEBUG),
        ("CANCELLED", logging.DEBUG),
        ("INVALID_ARGUMENT", logging.INFO),
        ("DEADLINE_EXCEEDED", logging.INFO),
        ("UNAVAILABLE", logging.WARNING),
        ("INTERNAL", logging.ERROR),
        ("UNKNOWN", logging.ERROR),
    ],
)
def test_a_call_is_as_loud_as_its_code(code: str, level: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "rerankd.calls")
    record = calls.CallRecord(reason="R", model="m", documents=2, tokens=9, queue_seconds=0.0015)
    logs.log_call(method="/s/M", code=code, peer="ipv4:1", seconds=0.25, record=record)
    (line,) = caplog.records
    assert line.levelno == level
    told = vars(line)
    assert (told["method"], told["code"], told["reason"], told["model"]) == ("/s/M", code, "R", "m")
    assert (told["queue_ms"], told["total_ms"], told["tokens"]) == (1.5, 250.0, 9)


def test_no_fault_of_a_caller_is_an_error_of_the_server() -> None:
    loud = {kind.spec.grpc for kind in ERROR_CLASSES if kind.spec.http < 500}
    assert all(logs.LEVEL_BY_CODE[code] < logging.ERROR for code in loud)


@pytest.mark.parametrize("offered", ["a", "x" * 128, "!~", "0af7651916cd43dd8448eb211c80319c"])
def test_a_usable_request_id_is_kept(offered: str) -> None:
    assert calls.accepted_request_id(offered) == offered


@pytest.mark.parametrize("offered", [None, "", "x" * 129, "a b", "a\n", "é", "\x7f", b"bytes"])
def test_any_other_is_replaced(offered: str | bytes | None) -> None:
    assert calls.accepted_request_id(offered) not in (offered, "")


def test_what_is_kept_of_an_exception_is_its_kind_and_its_place() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    try:
        raise ValueError(" ".join(["cannot read", "a", "document"]))
    except ValueError:
        logging.getLogger("rerankd.test").exception("failed")
    written = json.loads(stream.getvalue())
    (kept,) = [json.loads(line) for line in logs.recent.lines()]
    assert "a document" in written["exc_info"]
    assert "a document" not in kept["exc_info"]
    assert kept["exc_info"].endswith("ValueError")
    assert {key: kept[key] for key in kept if key not in ("exc_info", "time")} == {
        key: written[key] for key in written if key not in ("exc_info", "time")
    }


def test_only_the_last_lines_are_kept() -> None:
    logs.configure("info", "json", io.StringIO())
    for number in range(KEPT_LINES + 5):
        logging.getLogger("rerankd.test").info("line", extra={"number": number})
    kept = [json.loads(line)["number"] for line in logs.recent.lines()]
    assert kept == list(range(5, KEPT_LINES + 5))
