"""The whole way from a Hub repository to files on disk, with the real client against a local Hub."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import onnxruntime
import pytest
from huggingface_hub import constants
from support.hub import FakeHub, graph, repository

from rerankd.artifacts import ArtifactSettings, ArtifactStore
from rerankd.core.errors import ModelFailedError, ModelNotFoundError
from rerankd.core.types import WarmupStage

MODEL = "acme/reranker"
CHUNK = 32 * 1024


class Told:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[WarmupStage, float, str]] = []

    def __call__(self, stage: WarmupStage, fraction: float, detail: str) -> None:
        self.events.append((stage, fraction, detail))

    def fractions(self, stage: WarmupStage) -> list[float]:
        return [fraction for s, fraction, _ in self.events if s is stage]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    # The client keeps connections, and with them the proxy settings, from test to test.
    huggingface_hub.close_session()
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)
    with FakeHub().running() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub
        huggingface_hub.close_session()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def store(cache: Path, **settings: Any) -> ArtifactStore:
    return ArtifactStore(ArtifactSettings(cache_dir=cache, **settings))


def ignore(stage: WarmupStage, fraction: float, detail: str) -> None:
    pass


def test_a_model_is_downloaded_with_progress(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    files = repository(tmp_path, width=512)
    commit = hub.add(MODEL, files, license_id="apache-2.0")
    told = Told()
    got = store(cache).fetch(MODEL, told)
    assert (got.id, got.revision, got.precision, got.license) == (MODEL, commit, "fp32", "Apache-2.0")
    assert got.graph.read_bytes() == files["onnx/model.onnx"]
    assert got.tokenizer.read_bytes() == files["tokenizer.json"]
    assert got.config == {"model_type": "bert"}
    assert got.tokenizer_config == {"model_max_length": 512}
    assert told.events[0][0] is WarmupStage.RESOLVE
    downloads = told.fractions(WarmupStage.DOWNLOAD)
    assert downloads == sorted(downloads)
    assert (downloads[0], downloads[-1]) == (0.0, 1.0)
    assert len(set(downloads)) > 10
    details = [detail for _, _, detail in told.events]
    assert any(re.fullmatch(r"0\.\d of 1\.0 MiB onnx/model\.onnx", detail) for detail in details)


def test_only_what_is_needed_is_fetched(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    hub.add(MODEL, repository(tmp_path))
    store(cache).fetch(MODEL, ignore)
    assert hub.downloads() == {
        "config.json": 1,
        "tokenizer_config.json": 1,
        "tokenizer.json": 1,
        "model.onnx": 1,
    }


@pytest.mark.parametrize("is_offline", [False, True])
def test_the_second_load_makes_no_request(
    hub: FakeHub, cache: Path, tmp_path: Path, is_offline: bool
) -> None:
    hub.add(MODEL, repository(tmp_path))
    first = store(cache).fetch(MODEL, ignore)
    hub.calls.clear()
    told = Told()
    assert store(cache, offline=is_offline).fetch(MODEL, told) == first
    assert hub.calls == []
    assert told.fractions(WarmupStage.DOWNLOAD)[-1] == 1.0


def test_a_broken_download_goes_on_where_it_broke(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    files = repository(tmp_path, width=256)
    hub.add(MODEL, files)
    hub.faults.break_after["onnx/model.onnx"] = [3 * CHUNK + 5]
    told = Told()
    got = store(cache).fetch(MODEL, told)
    assert got.graph.read_bytes() == files["onnx/model.onnx"]
    assert [call.range for call in hub.requests(method="GET", suffix="model.onnx") if call.cdn] == [
        "",
        f"bytes={3 * CHUNK}-",
    ]
    downloads = told.fractions(WarmupStage.DOWNLOAD)
    assert downloads == sorted(downloads)


@pytest.mark.parametrize("path", ["onnx/model.onnx", "config.json"])
def test_a_wrong_checksum_is_refused_and_deleted(
    hub: FakeHub, cache: Path, tmp_path: Path, path: str
) -> None:
    files = repository(tmp_path)
    hub.add(MODEL, files)
    hub.faults.corrupt.add(path)
    with pytest.raises(ModelFailedError, match=rf"{path} of acme/reranker does not match") as caught:
        store(cache).fetch(MODEL, ignore)
    expected, got = caught.value.metadata["expected"], caught.value.metadata["got"]
    assert expected != got
    assert f"{expected[:12]}... expected, {got[:12]}... got" in caught.value.message
    bad = files[path][:-1] + bytes([files[path][-1] ^ 1])
    assert not [p for p in cache.rglob("*") if p.is_file() and p.read_bytes() == bad]
    hub.faults.corrupt.clear()
    assert store(cache).fetch(MODEL, ignore).graph.read_bytes() == files["onnx/model.onnx"]


def test_a_repository_without_onnx_says_what_was_looked_for(
    hub: FakeHub, cache: Path, tmp_path: Path
) -> None:
    files = repository(tmp_path)
    hub.add(MODEL, {"tokenizer.json": files["tokenizer.json"], "onnx/decoder.onnx": b"x"})
    with pytest.raises(ModelFailedError, match=r"looked for onnx/model\.onnx, .*onnx/decoder\.onnx"):
        store(cache).fetch(MODEL, ignore)
    assert not hub.downloads()


def test_a_repository_without_a_tokenizer_is_refused(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    files = repository(tmp_path)
    del files["tokenizer.json"]
    hub.add(MODEL, files)
    with pytest.raises(ModelFailedError, match=r"no tokenizer\.json"):
        store(cache).fetch(MODEL, ignore)


@pytest.mark.parametrize("name", ["model.onnx_data", "model.onnx.data", "weights.onnx_data"])
def test_external_data_lie_beside_the_graph_as_plain_files(
    hub: FakeHub, cache: Path, tmp_path: Path, name: str
) -> None:
    files = repository(tmp_path, data=name)
    hub.add(MODEL, files)
    told = Told()
    got = store(cache).fetch(MODEL, told)
    data = got.graph.with_name(name)
    assert data.read_bytes() == files[f"onnx/{name}"]
    assert not data.is_symlink()
    assert not got.graph.is_symlink()
    session = onnxruntime.InferenceSession(got.graph, providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.ones((1, 192), np.float32)})[0].shape == (1, 192)
    downloads = told.fractions(WarmupStage.DOWNLOAD)
    assert downloads == sorted(downloads)


def test_missing_external_data_are_named(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    files = repository(tmp_path, data="model.onnx_data")
    del files["onnx/model.onnx_data"]
    hub.add(MODEL, files)
    with pytest.raises(ModelFailedError, match=r"weights in onnx/model\.onnx_data, which is not there"):
        store(cache).fetch(MODEL, ignore)


def test_external_data_elsewhere_are_refused(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    files = repository(tmp_path, data="model.onnx_data")
    # The same length, so that the protobuf stays whole.
    files["onnx/model.onnx"] = files["onnx/model.onnx"].replace(b"model.onnx_data", b"../../../passwd")
    hub.add(MODEL, files)
    with pytest.raises(ModelFailedError, match="not a file beside it"):
        store(cache).fetch(MODEL, ignore)


@pytest.mark.parametrize("by_environment", [False, True])
def test_offline_without_a_cache_says_how_to_fill_it(
    hub: FakeHub, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_environment: bool
) -> None:
    hub.add(MODEL, repository(tmp_path))
    if by_environment:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    here = store(cache, offline=not by_environment)
    with pytest.raises(ModelFailedError, match=f"rerankd models pull {MODEL}"):
        here.fetch(MODEL, ignore)
    with pytest.raises(ModelFailedError, match="offline"):
        here.pull(MODEL, ignore, update=True)
    assert hub.calls == []
    assert not cache.exists()


def test_offline_with_half_a_cache_fails_clearly(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    hub.add(MODEL, {**repository(tmp_path), "onnx/model_int8.onnx": b"other"})
    store(cache).fetch(MODEL, ignore)
    with pytest.raises(ModelFailedError, match="not in the cache"):
        store(cache, offline=True, precision="int8").fetch(MODEL, ignore)


def test_a_gated_repository_hints_at_the_token(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    hub.add(MODEL, repository(tmp_path), gated=True, token="hf_right")
    for token in (None, "hf_wrong"):
        with pytest.raises(ModelFailedError, match=r"models\.hub_token"):
            store(cache, hub_token=token).fetch(MODEL, ignore)
    assert store(cache, hub_token="hf_right").fetch(MODEL, ignore).id == MODEL
    assert {call.authorization for call in hub.calls if call.cdn} == {""}, "the token stays at the Hub"


def test_the_token_of_the_environment_is_used(
    hub: FakeHub, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(MODEL, repository(tmp_path), token="hf_right")
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert store(cache).fetch(MODEL, ignore).id == MODEL


def test_what_does_not_exist_is_not_found(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    hub.add(MODEL, repository(tmp_path))
    with pytest.raises(ModelNotFoundError, match="no repository acme/nothing"):
        store(cache).fetch("acme/nothing", ignore)
    with pytest.raises(ModelNotFoundError, match="no revision v9"):
        store(cache, revisions={MODEL: "v9"}).fetch(MODEL, ignore)


@pytest.mark.parametrize("status", [500, 403])
def test_refusals_and_outages_are_told_apart(hub: FakeHub, cache: Path, tmp_path: Path, status: int) -> None:
    hub.add(MODEL, repository(tmp_path))
    hub.faults.status[MODEL] = status
    with pytest.raises(ModelFailedError) as caught:
        store(cache).fetch(MODEL, ignore)
    assert str(status) in caught.value.message
    assert (caught.value.retry_after_seconds is not None) == (status == 500)


def test_a_hub_that_is_away_can_be_tried_again(
    hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeHub().running() as other:
        monkeypatch.setenv("HF_ENDPOINT", other.endpoint)
    with pytest.raises(ModelFailedError, match=f"cannot reach the Hub at {other.endpoint}") as caught:
        store(cache).fetch(MODEL, ignore)
    assert caught.value.retry_after_seconds


def test_the_first_commit_is_trusted_and_kept(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    first = hub.add(MODEL, repository(tmp_path, seed=1))
    here = store(cache)
    assert here.fetch(MODEL, ignore).revision == first
    second = hub.add(MODEL, repository(tmp_path, seed=2))
    assert store(cache).fetch(MODEL, ignore).revision == first
    assert store(cache).pull(MODEL, ignore).revision == first
    assert here.pull(MODEL, ignore, update=True).revision == second
    hub.calls.clear()
    assert store(cache).fetch(MODEL, ignore).revision == second
    assert hub.calls == []


def test_a_configured_revision_wins(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    first = hub.add(MODEL, repository(tmp_path, seed=1), branch="v1")
    second = hub.add(MODEL, repository(tmp_path, seed=2))
    assert store(cache, revisions={MODEL: "v1"}).fetch(MODEL, ignore).revision == first
    assert store(cache, revisions={MODEL: first}).fetch(MODEL, ignore).revision == first
    assert store(cache, aliases={"mine": MODEL}).fetch(MODEL, ignore).revision == second
    pinned = store(cache, revisions={MODEL: first})
    assert pinned.pull(MODEL, ignore, update=True).revision == first


def test_a_preset_comes_from_the_repository_that_has_the_graph(
    hub: FakeHub, cache: Path, tmp_path: Path
) -> None:
    commit = hub.add("onnx-community/bge-reranker-v2-m3-ONNX", repository(tmp_path, data="model.onnx_data"))
    here = store(cache, revisions={"multilingual": commit})
    got = here.fetch(here.canonical("BAAI__bge_reranker_v2_m3"), ignore)
    assert (got.id, got.license) == ("BAAI/bge-reranker-v2-m3", "Apache-2.0")


def test_a_preset_asks_for_its_pinned_commit(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    hub.add("cross-encoder/ms-marco-MiniLM-L6-v2", repository(tmp_path))
    with pytest.raises(ModelNotFoundError, match="no revision c5ee24cb16019beea0893ab7796b1df96625c6b8"):
        store(cache).fetch("cross-encoder/ms-marco-MiniLM-L6-v2", ignore)


def test_precisions(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    files = repository(tmp_path)
    small = graph(tmp_path, width=8)["model.onnx"]
    hub.add(MODEL, {**files, "onnx/model_quantized.onnx": small, "onnx/model_O3.onnx": small})
    assert store(cache).fetch(MODEL, ignore).graph.name == "model.onnx"
    got = store(cache, precision="int8").fetch(MODEL, ignore)
    assert (got.graph.name, got.precision) == ("model_quantized.onnx", "int8")
    got = store(cache, precisions={MODEL: "onnx/model_O3.onnx"}).fetch(MODEL, ignore)
    assert (got.graph.name, got.precision) == ("model_O3.onnx", "fp32")
    with pytest.raises(ModelFailedError, match="no usable fp16 ONNX file"):
        store(cache, precision="fp16").fetch(MODEL, ignore)


def test_two_threads_download_once(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    files = repository(tmp_path)
    hub.add(MODEL, files)
    gate = hub.gate("onnx/model.onnx")
    both = threading.Barrier(2)

    def fetch() -> bytes:
        both.wait()
        return store(cache).fetch(MODEL, ignore).graph.read_bytes()

    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(fetch) for _ in range(2)]
        assert gate.reached.wait(60)
        gate.release()
        assert [result.result() for result in results] == [files["onnx/model.onnx"]] * 2
    assert len([call for call in hub.requests(method="GET", suffix="model.onnx") if call.cdn]) == 1


def test_two_processes_share_a_cache(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    files = repository(tmp_path)
    commit = hub.add(MODEL, files)
    script = (
        "import sys, pathlib; from rerankd.artifacts import *;"
        "store = ArtifactStore(ArtifactSettings(cache_dir=pathlib.Path(sys.argv[1])));"
        f"print(store.fetch({MODEL!r}, lambda *_: None).revision)"
    )
    command = [sys.executable, "-W", "error", "-c", script, str(cache)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=100)[0].strip() for process in running] == [commit] * 2
    assert store(cache, offline=True).fetch(MODEL, ignore).graph.read_bytes() == files["onnx/model.onnx"]


def test_verify_finds_and_removes_what_rotted(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    files = repository(tmp_path)
    hub.add(MODEL, files)
    here = store(cache)
    with pytest.raises(ModelFailedError, match="rerankd models pull"):
        here.verify(MODEL)
    got = here.fetch(MODEL, ignore)
    assert sorted(here.verify(MODEL)) == [
        "config.json",
        "onnx/model.onnx",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    content = bytearray(got.graph.read_bytes())
    content[1000] ^= 1
    got.graph.write_bytes(content)
    with pytest.raises(ModelFailedError, match="does not match"):
        here.verify(MODEL)
    assert here.fetch(MODEL, ignore).graph.read_bytes() == files["onnx/model.onnx"]


def test_the_listing_tells_what_is_here(hub: FakeHub, cache: Path, tmp_path: Path) -> None:
    files = repository(tmp_path)
    commit = hub.add(MODEL, files, license_id="cc-by-nc-4.0")
    here = store(cache, aliases={"mine": "acme/other"})
    here.fetch(MODEL, ignore)
    (cache / "rerankd" / "pins" / "lost+found").mkdir()
    rows = {row.id: row for row in here.listing()}
    row = rows[MODEL]
    assert (row.kind, row.revision, row.license, row.available) == ("cached", commit, "CC-BY-NC-4.0", True)
    needed = ("onnx/model.onnx", "tokenizer.json", "tokenizer_config.json", "config.json")
    assert row.size_bytes == sum(len(files[path]) for path in needed)
    assert (rows["acme/other"].kind, rows["acme/other"].names) == ("alias", ("mine",))
    assert not rows["acme/other"].available
    assert rows["rerankd/mini-en"].available
