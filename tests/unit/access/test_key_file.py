"""The file of keys: what it may say, what is said of what it may not, and that no key is told."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankd.access.key_file import (
    PREFIX,
    KeyFileError,
    KeyRecord,
    digest_of,
    generate,
    line_of,
    read_key_file,
)
from rerankd.access.keyring import Keyring
from rerankd.access.operations import Scope

DIGEST = digest_of("a key")


def test_generated_keys_are_long_and_differ() -> None:
    keys = {generate() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith(PREFIX) and len(key) == len(PREFIX) + 43 for key in keys)


@given(
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", fullmatch=True),
    scopes=st.lists(st.sampled_from(list(Scope)), unique=True),
    models=st.none()
    | st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20), max_size=4),
    tokens=st.integers(0, 2**62),
)
def test_a_line_reads_as_what_it_was_made_of(
    name: str, scopes: list[Scope], models: list[str] | None, tokens: int
) -> None:
    record = KeyRecord(
        sha256=DIGEST,
        scopes=tuple(scopes),
        models=None if models is None else tuple(models),
        tokens_per_minute=tokens,
    )
    line = line_of(name, record)
    assert "\n" not in line
    assert KeyRecord.model_validate(tomllib.loads(line)["keys"][name]) == record


@pytest.mark.parametrize("name", ["", "a b", "a.b", "-a", "x" * 64, "a\n", 'a"'])
def test_names_are_plain(name: str) -> None:
    with pytest.raises(KeyFileError):
        line_of(name, KeyRecord(sha256=DIGEST))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("keys = 3", "keys: "),
        ("[keys.a]\n", "keys.a.sha256: Field required"),
        ("[keys.a]\nsha256 = 'abc'\n", "keys.a.sha256: "),
        (f"[keys.a]\nsha256 = '{DIGEST}'\nscopes = ['root']\n", "keys.a.scopes.0: "),
        (f"[keys.a]\nsha256 = '{DIGEST}'\ntokens_per_minute = -1\n", "keys.a.tokens_per_minute: "),
        (f"[keys.a]\nsha256 = '{DIGEST}'\nexpires = 1\n", "keys.a.expires: Extra inputs"),
        (f"[keys.a]\nsha256 = '{DIGEST}'\n[keys.b]\nsha256 = '{DIGEST}'\n", "a and b are the same key"),
        (f"[keys.'a b']\nsha256 = '{DIGEST}'\n", "keys.a b"),
        ("keys = ]", "not valid TOML at line 1"),
        ("key = 'rerankd_secret", "not valid TOML"),
        ("[other]\n", "other: Extra inputs"),
    ],
)
def test_what_is_wrong_is_told_without_a_digest(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text)
    with pytest.raises(KeyFileError) as caught:
        read_key_file(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)
    assert DIGEST not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_json_is_read_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": {"a": {"sha256": DIGEST, "models": ["cohere/*"]}}}))
    assert read_key_file(file)["a"].models == ("cohere/*",)
    file.write_text("{")
    with pytest.raises(KeyFileError, match="not valid JSON at line 1 column 2"):
        read_key_file(file)


def test_a_missing_or_binary_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        read_key_file(tmp_path / "absent.toml")
    (tmp_path / "keys.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(KeyFileError, match="not valid TOML"):
        read_key_file(tmp_path / "keys.toml")


def test_a_key_keeps_what_it_has_used_over_a_reload(tmp_path: Path) -> None:
    ring = Keyring(tmp_path / "keys.toml")
    ring.adopt({"a": KeyRecord(sha256=DIGEST, tokens_per_minute=100)})
    first = ring.find("a key")
    assert first is not None
    assert first.quota is not None
    first.quota.enter(60)
    ring.adopt({"a": KeyRecord(sha256=DIGEST, tokens_per_minute=1000)})
    second = ring.find("a key")
    assert second is not None
    assert second.quota is first.quota
    ring.adopt({"b": KeyRecord(sha256=digest_of("another"))})
    assert ring.find("a key") is None
    assert ring.find("another") is not None
