"""Reading exchanges, sending them, and comparing an answer with the expected one."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.http_server import HttpAnswer, ask

FOLDER = Path(__file__).parent / "exchanges"
UNSPEAKABLE = b"UNSPEAKABLE"
TOLERANCE = 1e-6

_KINDS: dict[str, tuple[type, ...]] = {
    "$string": (str,),
    "$integer": (int,),
    "$number": (int, float),
    "$object": (dict,),
    "$list": (list,),
}


def load() -> dict[str, dict[str, Any]]:
    """Every exchange by name."""
    exchanges: dict[str, dict[str, Any]] = {}
    for path in sorted(FOLDER.glob("*.json")):
        for exchange in json.loads(path.read_text(encoding="utf-8"))["exchanges"]:
            assert exchange["name"] not in exchanges, f"{path.name}: {exchange['name']} is there twice"
            exchanges[exchange["name"]] = exchange
    return exchanges


def send(url: str, request: Mapping[str, Any]) -> HttpAnswer:
    """The answer to a request of an exchange."""
    headers = request.get("headers", {"Content-Type": "application/json"})
    return ask(url, request.get("method", "POST"), request["path"], _body(request), headers)


def _body(request: Mapping[str, Any]) -> bytes | None:
    if "hex" in request:
        return bytes.fromhex(request["hex"])
    if "text" in request:
        text: str = request["text"]
        return text.encode()
    if "body" not in request:
        return None
    body = dict(request["body"])
    if generate := request.get("generate"):
        texts = [generate["text"].replace("{i}", str(i)) for i in range(generate["count"])]
        body[generate["field"]] = texts
    return json.dumps(body, ensure_ascii=False).encode().ljust(request.get("pad", 0))


def check(expect: Mapping[str, Any], answer: HttpAnswer) -> None:
    """Asserts that an answer is the expected one."""
    assert answer.status == expect["status"], answer.body[:2000]
    if answer.status >= 400:
        assert UNSPEAKABLE not in answer.body
    for name, value in expect.get("headers", {}).items():
        if value is None:
            assert name not in answer.headers
        else:
            assert name in answer.headers, answer.headers
            match(value, answer.headers[name], name)
    assert answer.headers["x-request-id"]
    if "text" in expect:
        assert answer.body.decode() == expect["text"]
    if "lines" in expect:
        match(expect["lines"], [json.loads(line) for line in answer.body.splitlines()], "lines")
    if "body" in expect:
        assert answer.headers["content-type"].startswith("application/json")
        match(expect["body"], answer.json)


def match(wanted: Any, got: Any, where: str = "body") -> None:
    """Asserts that a value is as a pattern says; `where` is named if it is not."""
    if isinstance(wanted, dict):
        _match_object(wanted, got, where)
    elif isinstance(wanted, list):
        assert isinstance(got, list), (where, got)
        assert len(got) == len(wanted), (where, got)
        for i, (each_wanted, each) in enumerate(zip(wanted, got, strict=True)):
            match(each_wanted, each, f"{where}[{i}]")
    elif isinstance(wanted, str) and wanted in _KINDS:
        assert isinstance(got, _KINDS[wanted]), (where, wanted, got)
        assert not isinstance(got, bool), (where, wanted, got)
    elif isinstance(wanted, str) and wanted.startswith("$"):
        assert wanted.startswith("$matches "), f"{where}: no such pattern: {wanted}"
        assert isinstance(got, str), (where, wanted, got)
        assert re.search(wanted.removeprefix("$matches "), got), (where, wanted, got)
    elif isinstance(wanted, float):
        assert isinstance(got, float), (where, wanted, got)
        assert math.isclose(got, wanted, rel_tol=0, abs_tol=TOLERANCE), (where, wanted, got)
    else:
        assert type(got) is type(wanted), (where, wanted, got)
        assert got == wanted, (where, wanted, got)


def _match_object(wanted: dict[str, Any], got: Any, where: str) -> None:
    assert isinstance(got, dict), (where, got)
    wanted = dict(wanted)
    more = wanted.pop("$more", False)
    assert wanted.keys() <= got.keys(), (where, got)
    if not more:
        assert wanted.keys() == got.keys(), (where, got)
    for name, value in wanted.items():
        match(value, got[name], f"{where}.{name}")
