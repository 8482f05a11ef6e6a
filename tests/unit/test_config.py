from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from rerankd.config import Config, ConfigError, LimitsConfig, env_name, load, reference, show
from rerankd.core.limits import Limits


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def problems(error: pytest.ExceptionInfo[ConfigError]) -> str:
    return "\n".join(error.value.problems)


def test_defaults_listen_on_loopback_and_warm_up_at_startup() -> None:
    config = load()
    assert (config.host, config.grpc_port, config.http_port) == ("127.0.0.1", 50051, 8080)
    assert (config.model, config.warmup.mode, config.models.offline) == ("default", "startup", False)


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(
        tmp_path / "r.toml",
        "grpc_port = 1\nhttp_port = 2\nhost = '::1'\n[warmup]\nmode = 'none'\n[onnx]\nlanes = 3\n",
    )
    monkeypatch.setenv("RERANKD_GRPC_PORT", "11")
    monkeypatch.setenv("RERANKD_HTTP_PORT", "12")
    monkeypatch.setenv("RERANKD_WARMUP__MODE", "lazy")
    config = load({"grpc_port": 21, "host": None}, file)
    assert (config.grpc_port, config.http_port, config.host) == (21, 12, "::1")
    assert (config.warmup.mode, config.onnx.lanes, config.onnx.threads) == ("lazy", 3, 0)
    sources = {key: source for key, _, source in show(config)}
    assert [sources[key] for key in ("grpc_port", "http_port", "onnx.lanes", "onnx.threads")] == [
        "flag",
        "env",
        "file",
        "default",
    ]


def test_the_environment_can_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANKD_CONFIG", str(write(tmp_path / "r.toml", "grpc_port = 7")))
    assert load().grpc_port == 7
    assert load({}, write(tmp_path / "other.toml", "grpc_port = 8")).grpc_port == 8


def test_every_problem_is_told_at_once_with_key_source_and_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "r.toml", "grpc_prot = 1\nonnx = 3\n[warmup]\nmoode = 'lazy'\n")
    monkeypatch.setenv("RERANKD_WARMUP__MODEE", "lazy")
    monkeypatch.setenv("RERANKD_HTTP_PORT", "70000")
    with pytest.raises(ConfigError) as error:
        load({"server.grace_seconds": -1, "warmup.mod": "x"}, file)
    assert error.value.problems == (
        f"grpc_prot: no such setting (from {file}); did you mean grpc_port?",
        f"onnx: a table is expected (from {file})",
        f"warmup.moode: no such setting (from {file}); did you mean warmup.mode?",
        "RERANKD_WARMUP__MODEE: no such setting (from the environment); did you mean RERANKD_WARMUP__MODE?",
        "warmup.mod: no such setting (from a flag); did you mean warmup.mode?",
        "http_port: should be less than or equal to 65535 (from RERANKD_HTTP_PORT)",
        "server.grace_seconds: should be greater than or equal to 0 (from a flag)",
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [("grpc_port = ", "not valid TOML"), ("grpc_port = 'x'", "grpc_port: should be a valid integer")],
)
def test_a_bad_file_is_told(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        load({}, write(tmp_path / "r.toml", text))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load({}, tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        ({"grpc_port": 80, "http_port": 80}, "different ports"),
        ({"limits.max_chunk_bytes": 2**21, "limits.max_receive_bytes": 2**20}, "max_chunk_bytes"),
        ({"limits.max_documents": 0}, "limits.max_documents: should be greater"),
        ({"models.precision": "fp8"}, "models.precision: "),
        ({"models.precisions": {"a/b": "fp8"}}, r"models.precisions\[a/b\]: "),
        ({"server.grace_seconds": float("nan")}, "server.grace_seconds"),
        ({"model": ""}, "model: "),
    ],
)
def test_values_out_of_bounds_are_refused(flags: dict[str, object], part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        load(flags)


def test_collections_in_the_environment_are_json_or_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANKD_MODELS__ALLOW", "BAAI/*, cross-encoder/*")
    monkeypatch.setenv("RERANKD_WARMUP__MODELS", '["small"]')
    monkeypatch.setenv("RERANKD_MODELS__ALIASES", "fast=small,good=BAAI/x")
    monkeypatch.setenv("RERANKD_MODELS__LOCAL", '{"mine": "~/m"}')
    config = load()
    assert config.models.allow == ("BAAI/*", "cross-encoder/*")
    assert config.warmup.models == ("small",)
    assert config.models.aliases == {"fast": "small", "good": "BAAI/x"}
    assert config.models.local == {"mine": Path.home() / "m"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RERANKD_SERVICE_HOST", "10.0.0.1"),
        ("RERANKD_SERVICE_PORT_GRPC", "50051"),
        ("RERANKD_PORT", "tcp://10.0.0.1:50051"),
        ("RERANKD_PORT_50051_TCP_ADDR", "10.0.0.1"),
        ("RERANKD_CANARY_SERVICE_PORT", "50051"),
        # Of a Service named rerankd-grpc; it happens to have the name of a setting.
        ("RERANKD_GRPC_PORT", "tcp://10.0.0.1:50051"),
    ],
)
def test_service_links_of_kubernetes_are_no_settings(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert load() == load()
    assert load().grpc_port == 50051


def test_secrets_never_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANKD_MODELS__HUB_TOKEN", "hf_secret")
    config = load()
    assert config.models.hub_token == SecretStr("hf_secret")
    assert "hf_secret" not in repr(config)
    assert all("hf_secret" not in value for _, value, _ in show(config))
    assert {k: v for k, v, _ in show(config)}["models.hub_token"] == "**********"


def test_a_wrong_secret_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as error:
        load({"models.hub_token": 12345})
    assert "12345" not in problems(error)


def test_the_configuration_is_immutable() -> None:
    config = load()
    with pytest.raises(ValidationError, match="frozen"):
        config.grpc_port = 1  # type: ignore[misc]


def test_the_limits_are_those_of_the_core() -> None:
    defaults = {field.name: field.default for field in dataclasses.fields(Limits)}
    assert LimitsConfig().model_dump() == defaults


def test_the_reference_tells_every_setting() -> None:
    rows = {row.key: row for row in reference()}
    assert [row.key for row in reference()] == [key for key, _, _ in show(Config())]
    assert all(row.description and row.type and "<" not in row.type for row in rows.values())
    assert rows["warmup.mode"].env == env_name("warmup.mode") == "RERANKD_WARMUP__MODE"
    assert rows["warmup.mode"].type == "startup | lazy | none"
    assert rows["grpc_port"].type == "integer, 0 to 65535"
    # The page must not tell where the machine that prints it keeps its cache.
    assert rows["models.cache_dir"].default.startswith("$XDG_CACHE_HOME")


def test_the_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert load().models.cache_dir == tmp_path / "rerankd"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert load().models.cache_dir == Path.home() / ".cache" / "rerankd"
