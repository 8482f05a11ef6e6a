"""The file of kept changes: what is written is read, and what is damaged stops the start."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest
from support.servers import fake_config

from rerankd.config import ConfigError, RerankingConfig
from rerankd.reconfiguration.state import StateFile, with_state

BASE = RerankingConfig(snippet_chars=700)


def test_without_the_file_the_configuration_is_as_it_was(tmp_path: Path) -> None:
    config = fake_config(admin={"state_file": tmp_path / "state.json"})
    assert with_state(config) == config
    assert with_state(fake_config()) == fake_config()


def test_what_is_kept_wins(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    StateFile(path).keep({"mode": "none", "fallback_models": ("a\n", "ü")}, BASE)
    StateFile(path).keep({"mode": "local", "timeout_seconds": 3.5}, BASE)
    config = with_state(
        fake_config(admin={"state_file": path}, reranking={"mode": "cloud", "cloud_top_n": 4})
    )
    section = config.reranking
    assert (section.mode, section.timeout_seconds, section.cloud_top_n) == ("local", 3.5, 4)
    assert section.fallback_models == ("a\n", "ü")
    assert config.warmup.mode == "lazy", "the rest is untouched"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not valid JSON"),
        (b'{"reranking": {"mode": "no', "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", 'an object with the one key "reranking"'),
        (b'{"reranking": []}', 'an object with the one key "reranking"'),
        (b'{"reranking": {}, "models": {}}', 'an object with the one key "reranking"'),
        (b'{"reranking": {"mod": "none"}}', "reranking.mod: no such field; did you mean mode?"),
        (b'{"reranking": {"mode": "off"}}', "reranking.mode: should be"),
        (b'{"reranking": {"snippet_chars": -1}}', "reranking.snippet_chars: should be greater"),
        (b'{"reranking": {"mode": "learning"}}', "mode learning needs learning_model"),
    ],
)
def test_a_damaged_file_stops_the_start_and_is_left_alone(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        with_state(fake_config(admin={"state_file": path}))
    (problem,) = caught.value.problems
    assert problem.startswith(f"admin.state_file {path}: ")
    assert problem.endswith("; repair or delete it")
    assert said in problem
    if "mode learning" not in said and "reranking." not in said:
        with pytest.raises(ConfigError):
            StateFile(path).keep({"mode": "none"}, BASE)
    assert path.read_bytes() == content


def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        with_state(fake_config(admin={"state_file": tmp_path}))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    StateFile(path).keep({"mode": "none"}, BASE)
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, most[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            StateFile(path).keep({"mode": "local"}, BASE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert json.loads(path.read_text()) == {"reranking": {"mode": "none"}}
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]
