"""Files that the disk has changed: made anew where they can be, else refused with the reason."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from support.faulty import flags_for, good_call, lines_of, running
from support.hub import FakeHub

from rerankd.client import Client, ModelFailedError


def flip(path: Path, share: float, bit: int = 0) -> None:
    """Flips one bit at a share of the file's length."""
    content = bytearray(path.read_bytes())
    content[min(len(content) - 1, int(share * len(content)))] ^= 1 << bit
    path.write_bytes(content)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_cached_graph_is_made_anew(stored_model: Path, tmp_path: Path, share: float) -> None:
    flags = flags_for(stored_model, tmp_path / "cache")
    with running(flags) as server:
        wanted = good_call(server.target)
    (cached,) = (tmp_path / "cache").rglob("*.graph")
    whole = cached.read_bytes()
    flip(cached, share)
    with running(flags) as server:
        assert good_call(server.target) == pytest.approx(wanted, abs=1e-6)
    (line,) = lines_of(server, "a rewritten graph on disk is damaged and is made anew")
    assert line["file"] == cached.name
    assert cached.read_bytes() == whole


@pytest.mark.parametrize("name", ["onnx/model.onnx", "tokenizer.json", "config.json"])
@pytest.mark.parametrize("share", [0.2, 0.8])
def test_a_model_with_sums_is_refused_for_one_bit(
    stored_model: Path, own_model: Path, tmp_path: Path, name: str, share: float
) -> None:
    files = sorted(path for path in own_model.rglob("*") if path.is_file())
    sums = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(own_model)}\n" for path in files
    )
    (own_model / "SHA256SUMS").write_text(sums)
    flip(own_model / name, share)
    refused(stored_model, own_model, tmp_path, f"{name} of model own does not match its checksum")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("onnx/model.onnx", b"\x00" * 4096, "holds no graph"),
        ("onnx/model.onnx", b"", "is empty"),
        ("tokenizer.json", b'{"version": "1.0", "model": {"type": "WordPie', "tokenizer.json"),
        ("tokenizer.json", b"\xff" * 100, "tokenizer.json"),
        ("config.json", b"[1, 2", "config.json"),
    ],
)
def test_a_model_that_is_no_longer_one_is_refused(
    stored_model: Path, own_model: Path, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (own_model / name).write_bytes(content)
    refused(stored_model, own_model, tmp_path, reason)


def refused(stored_model: Path, broken: Path, tmp_path: Path, reason: str) -> None:
    flags = flags_for(stored_model, tmp_path / "cache", **{"models.local": {"own": str(broken)}})
    with running(flags) as server, Client(server.target) as client:
        with pytest.raises(ModelFailedError, match=reason) as caught:
            client.rerank("red", ["red river"], model="own")
        assert str(broken) not in str(caught.value)
        good_call(server.target)
    (line,) = lines_of(server, "model failed to load")
    assert reason in line["detail"]


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_downloaded_model_is_fetched_anew(
    stored_model: Path, tmp_path: Path, hub: FakeHub, name: str
) -> None:
    flags = flags_for(stored_model, tmp_path / "cache", **{"models.allow": ["acme/*"]})
    with running(flags) as server:
        wanted = good_call(server.target, model="acme/reranker")
    (shelved,) = (tmp_path / "cache" / "rerankd" / "files").rglob(name)
    whole = shelved.read_bytes()
    # Half-way lies a weight or a word: nothing but the digest would tell.
    flip(shelved, 0.5)
    with running(flags) as server:
        assert good_call(server.target, model="acme/reranker") == pytest.approx(wanted, abs=1e-6)
    (line,) = lines_of(server, "a model file on disk is damaged and is fetched anew")
    assert line["file"].endswith(name)
    assert line["repository"] == "acme/reranker"
    assert shelved.read_bytes() == whole
    assert hub.downloads()[name] == 2


def test_a_damaged_download_is_not_served_where_there_is_no_network(
    stored_model: Path, tmp_path: Path, hub: FakeHub
) -> None:
    flags = flags_for(stored_model, tmp_path / "cache", **{"models.allow": ["acme/*"]})
    with running(flags) as server:
        good_call(server.target, model="acme/reranker")
    (shelved,) = (tmp_path / "cache" / "rerankd" / "files").rglob("model.onnx")
    flip(shelved, 0.5)
    with running(flags | {"models.offline": True}) as server, Client(server.target) as client:
        with pytest.raises(ModelFailedError, match="does not match its checksum"):
            client.rerank("red", ["red river"], model="acme/reranker")
        good_call(server.target)
