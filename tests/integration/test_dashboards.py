"""The dashboard and the alerts use metrics and labels that a running server has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from support.calls import get, request
from support.keys import shown, write_keys
from support.servers import fake_config, serving

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "rerankd.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"

OF_PROMETHEUS = {"job", "instance"}
"""Labels that the scraper adds."""
WORDS = {"and", "or", "unless", "bool", "offset", "ignoring", "on", "group_left", "group_right", "inf", "nan"}

_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"([^\"]*)\"")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_NAME = re.compile(r"(?<![\w:.$])([a-zA-Z_:][\w:]*)(?!\s*\(|[\w:])")


@dataclass(frozen=True, slots=True)
class Use:
    """A metric in an expression, and the labels that it is expected to have."""

    metric: str
    labels: frozenset[str]
    values: tuple[tuple[str, str], ...]


def uses(expression: str) -> list[Use]:
    """What an expression needs: its metrics, with their matchers and the labels it groups by."""
    grouped = {label.strip() for found in _GROUPING.findall(expression) for label in found.split(",")} - {""}
    rest = re.sub(r"\[[^\]]*\]", "", _GROUPING.sub(" ", expression))
    found = []
    for metric, matchers in _SELECTOR.findall(rest):
        values = tuple(_LABEL.findall(matchers))
        found.append(Use(metric, frozenset(label for label, _ in values), values))
    bare = _SELECTOR.sub(" ", rest)
    found += [Use(name, frozenset(), ()) for name in _NAME.findall(bare) if name not in WORDS]
    labels = {label for use in found for label in use.labels}
    assert found, expression
    return [Use(use.metric, use.labels | (grouped - labels), use.values) for use in found]


def test_the_reader_of_expressions_finds_what_is_in_them() -> None:
    found = uses('sum by (job, le) (rate(a_bucket{x="1", y=~"2|3"}[5m])) / max(b_total) > 0.05 and c == 1e-3')
    assert {use.metric for use in found} == {"a_bucket", "b_total", "c"}
    assert found[0].labels == {"x", "y", "job", "le"}
    assert found[0].values == (("x", "1"), ("y", "2|3"))


def panels() -> Iterator[Any]:
    yield from (panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row")


def rules() -> list[Any]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> dict[str, str]:
    """By where they stand."""
    shown = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in panels()
        for target in panel["targets"]
    }
    return shown | {rule["alert"]: rule["expr"] for rule in rules()}


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, str]]]:
    """Metric to the label sets of a server that has answered a call at each door."""
    import asyncio

    keys = tmp_path_factory.mktemp("keys") / "keys.toml"
    write_keys(keys, {"search": None})

    async def look() -> str:
        async with serving(fake_config(http_enabled=True, auth={"keys_file": keys})) as server:
            await server.stub.Rerank(request(3), metadata=shown("search"))
            page: str = (await get(f"{server.http_url}/metrics"))[1]
            return page

    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(asyncio.run(look())):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(dict(sample.labels))
    return found


@pytest.mark.parametrize("where", expressions())
def test_every_metric_exists_with_its_labels(where: str, series: dict[str, list[dict[str, str]]]) -> None:
    for use in uses(expressions()[where]):
        assert use.metric in series, f"{use.metric} is no metric of the server"
        labels = {label for found in series[use.metric] for label in found}
        assert use.labels - OF_PROMETHEUS <= labels, use.metric
        for label, wanted in use.values:
            if label in OF_PROMETHEUS:
                continue
            there = {found[label] for found in series[use.metric]}
            assert [value for value in there if re.fullmatch(wanted, value)], f"{use.metric} {label}={wanted}"


@pytest.mark.parametrize("panel", list(panels()), ids=lambda panel: panel["title"])
def test_legends_name_labels_that_the_query_keeps(panel: Any) -> None:
    for target in panel["targets"]:
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        kept = {label.strip() for found in _GROUPING.findall(target["expr"]) for label in found.split(",")}
        assert named <= kept | OF_PROMETHEUS


def test_the_dashboard_is_what_its_script_prints() -> None:
    command = [sys.executable, "scripts/gen_dashboard", "--check"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_every_alert_says_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert re.fullmatch(r"\d+[smh]", rule["for"])
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_prometheus_itself_takes_the_alerts() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; it comes with Prometheus")
    run = subprocess.run(
        [promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
