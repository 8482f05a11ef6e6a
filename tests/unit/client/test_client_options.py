from __future__ import annotations

import json
from pathlib import Path

import pytest

from rerankd.client import ClientOptions, TLSConfig
from rerankd.client._options import service_config

SHIPPED = Path(__file__).parents[3] / "protos" / "rerankd" / "v1" / "rerankd_grpc_service_config.json"


def test_the_service_config_is_the_shipped_one_without_its_timeouts() -> None:
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8"))
    for method in shipped["methodConfig"]:
        method.pop("timeout", None)
    assert json.loads(service_config()) == shipped
    assert shipped["loadBalancingConfig"] == [{"round_robin": {}}]


def test_the_package_ships_the_same_file_as_the_contract() -> None:
    copy = Path(__file__).parents[3] / "src" / "rerankd" / "v1" / SHIPPED.name
    assert copy.read_bytes() == SHIPPED.read_bytes()


def test_channel_arguments() -> None:
    arguments = dict(ClientOptions(max_receive_mib=3).channel_arguments())
    assert arguments["grpc.max_receive_message_length"] == 3 * 1024 * 1024
    assert "grpc.keepalive_time_ms" not in arguments
    assert dict(ClientOptions(keepalive_seconds=60).channel_arguments())["grpc.keepalive_time_ms"] == 60_000


def test_the_token_travels_as_a_bearer_and_is_not_shown() -> None:
    options = ClientOptions(token="s3cret", metadata={"x-request-id": "7"})
    assert options.call_metadata() == (("x-request-id", "7"), ("authorization", "Bearer s3cret"))
    assert "s3cret" not in repr(options)
    assert "KEY" not in repr(TLSConfig(client_private_key=b"KEY"))


def test_options_are_values() -> None:
    with pytest.raises(AttributeError):
        ClientOptions().timeout_seconds = 5  # type: ignore[misc]
