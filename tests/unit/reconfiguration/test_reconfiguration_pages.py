"""What the pages about moving here and about changing a running server name does exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.json_format import ParseDict

from rerankd.assembly import build_store
from rerankd.cli._app import app
from rerankd.cli._reranking import reranking
from rerankd.config import Config, RerankingConfig
from rerankd.config.settings import leaves
from rerankd.grpc_api.configuration import changes_from as changes_of_message
from rerankd.http_api.configuration import OTHER_NAMES, changes_from, object_from
from rerankd.reconfiguration.changes import FIELDS, changed
from rerankd.reconfiguration.reconfiguration import Current
from rerankd.v1 import config_service_pb2, rerank_service_pb2

DOCS = Path(__file__).parents[3] / "docs"
MIGRATION = (DOCS / "migration.md").read_text(encoding="utf-8")
RUNTIME = (DOCS / "runtime_configuration.md").read_text(encoding="utf-8")
KEYS = {key for key, _ in leaves()}
SECTIONS = {key.split(".")[0] for key in KEYS if "." in key}


def ours() -> Iterator[str]:
    """What stands in backticks in the columns that tell of this server."""
    for line in MIGRATION.splitlines():
        cells = line.strip("|").split(" | ")
        if line.startswith("|") and len(cells) == 2:
            yield from re.findall(r"`([^`]+)`", cells[1])


def test_every_setting_exists() -> None:
    named = {name for name in ours() if re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", name)}
    settings = {name for name in named if name.split(".")[0] in SECTIONS}
    assert len(settings) > 20
    tables = {key.rpartition(".")[0] for key in KEYS}
    assert settings <= KEYS | tables


def test_every_field_of_a_message_exists() -> None:
    pool = descriptor_pool.Default()
    assert rerank_service_pb2.DESCRIPTOR.name
    named = {name for name in ours() if re.fullmatch(r"[A-Z]\w+\.[a-z_]+", name)}
    assert len(named) > 20
    for name in named:
        message, field = name.split(".")
        assert field in pool.FindMessageTypeByName(f"rerankd.v1.{message}").fields_by_name, name


def test_every_field_of_the_section_is_explained_or_moved_to() -> None:
    for field in FIELDS:
        assert f"`{field}`" in RUNTIME or f'"{field}"' in RUNTIME, field
    for other, field in OTHER_NAMES.items():
        (row,) = [line for line in MIGRATION.splitlines() if re.match(rf"\| `(reranking\.)?{other}`", line)]
        assert f"`reranking.{field}`" in row


@pytest.mark.parametrize(
    "name",
    [
        "cross-encoder/ms-marco-MiniLM-L-12-v2",
        "cross-encoder/ms-marco-MiniLM-L-6-v2",
        "BAAI/bge-reranker-large",
        "BAAI/bge-reranker-v2-m3",
        "BAAI__bge_reranker_v2_m3",
        *("default", "fast", "balanced", "quality", "multilingual"),
    ],
)
def test_every_model_that_works_by_its_name_does_without_an_allow_list(name: str) -> None:
    assert f"`{name}`" in MIGRATION
    assert build_store(Config()).canonical(name)


def test_every_command_exists() -> None:
    commands: dict[str, click.Command] = {**app.commands, "reranking": reranking}
    named = re.findall(rf"rerankd ((?:{'|'.join(commands)})(?: [a-z]+)?)\b", MIGRATION + RUNTIME)
    assert len(named) >= 6
    for words in named:
        command = commands[words.split()[0]]
        if isinstance(command, click.Group) and " " in words:
            assert words.split()[1] in command.commands, words


def test_the_examples_are_taken() -> None:
    (body,) = re.findall(r"-d '(\{\"mode\".+?\})'", RUNTIME)
    section = changed(RerankingConfig(), changes_from(json.loads(body)).values)
    assert (section.mode, section.cloud_provider, section.fallback_models) == (
        "cloud",
        "voyage",
        ("default",),
    )

    (message,) = re.findall(r"-d '(\{\"config\".+?\})'", RUNTIME)
    request = ParseDict(json.loads(message), config_service_pb2.UpdateRerankingConfigRequest())
    assert changes_of_message(request.config, request.update_mask.paths) == {"mode": "cloud"}

    (shown,) = re.findall(r"```json\n(.+?)```", RUNTIME, re.DOTALL)
    now = Current(section=RerankingConfig(), default_model="rerankd/mini-en", generation=0)
    assert json.loads(shown) == object_from(now)


@pytest.mark.parametrize("page", ["migration.md", "runtime_configuration.md"])
def test_links_of_the_pages_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (DOCS / page).read_text(encoding="utf-8"))
    assert links
    assert not [link for link in links if not (DOCS / link).exists()]
