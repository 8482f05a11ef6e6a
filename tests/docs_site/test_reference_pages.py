"""Whatever the code offers is on its reference page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from google.protobuf.descriptor import Descriptor, FileDescriptor

from rerankd.access.operations import RULES
from rerankd.cli._app import app
from rerankd.config import reference
from rerankd.core.errors import ERROR_CLASSES
from rerankd.http_api.routes import BATCH_PATH, RERANK_PATHS, STREAM_PATH
from rerankd.telemetry.metric_table import METRICS
from rerankd.training.v1alpha import settings_pb2, training_service_pb2
from rerankd.v1 import config_service_pb2, error_reason_pb2, rerank_service_pb2

DOCS = Path(__file__).resolve().parents[2] / "docs"
V1 = (rerank_service_pb2.DESCRIPTOR, config_service_pb2.DESCRIPTOR, error_reason_pb2.DESCRIPTOR)
TRAINING = (training_service_pb2.DESCRIPTOR, settings_pb2.DESCRIPTOR)


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for child, inner in command.commands.items():
            yield from commands(inner, f"{name} {child}")


def messages(files: tuple[FileDescriptor, ...]) -> Iterator[Descriptor]:
    waiting = [message for file in files for message in file.message_types_by_name.values()]
    while waiting:
        message = waiting.pop()
        if not message.GetOptions().map_entry:
            yield message
            waiting += message.nested_types


def test_every_setting() -> None:
    text = page("configuration.md")
    assert not [
        row.key for row in reference() if f"| `{row.key}` |" not in text or f"`{row.env}`" not in text
    ]


def test_every_reason() -> None:
    text, contract = page("errors.md"), page("api.md")
    reasons = {kind.spec.reason for kind in ERROR_CLASSES}
    assert not [reason for reason in reasons if f"| `{reason}` |" not in text]
    assert not [reason for reason in reasons if f"**`ERROR_REASON_{reason}`**" not in contract]


def test_every_metric() -> None:
    text = page("metrics.md")
    assert not [one.name for one in METRICS if f"| `{one.name}` |" not in text]


def test_every_command_and_option() -> None:
    text = page("cli.md")
    for name, command in commands(app, "rerankd"):
        section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert section, name
        options = [option for one in command.params if isinstance(one, click.Option) for option in one.opts]
        assert not [option for option in options if option not in section], name


@pytest.mark.parametrize(("name", "files"), [("api.md", V1), ("api_training.md", TRAINING)])
def test_every_rpc_message_field_and_value(name: str, files: tuple[FileDescriptor, ...]) -> None:
    text = page(name)
    for file in files:
        for service in file.services_by_name.values():
            assert not [m.name for m in service.methods if f"\n### {service.name}.{m.name}\n" not in text]
        for enum in file.enum_types_by_name.values():
            assert not [value.name for value in enum.values if f"**`{value.name}`**" not in text]
    for message in messages(files):
        heading = message.full_name.removeprefix(f"{message.file.package}.")
        section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        assert section, heading
        assert not [field.name for field in message.fields if f"**`{field.name}`**" not in section], heading


def test_every_http_route() -> None:
    text = page("routes.md")
    paths = [*RERANK_PATHS, BATCH_PATH, STREAM_PATH]
    assert not [path for path in paths if f"### `POST {path}`" not in text]
    ruled = [rule.pattern for rule in RULES if rule.pattern.startswith(("GET ", "POST ", "PATCH "))]
    # GET / is a page for people, the playground, and nothing that a program calls.
    exact = [pattern for pattern in ruled if "*" not in pattern and pattern != "GET /"]
    assert len(exact) > 25
    assert not [pattern for pattern in exact if f"### `{pattern}`" not in text]
