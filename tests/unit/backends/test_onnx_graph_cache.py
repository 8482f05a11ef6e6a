"""Rewritten graphs on disk: whole or not there, whoever writes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from rerankd.backends.onnx.graph.cache import GraphCache, RewrittenGraph, graph_key

GRAPH = RewrittenGraph(
    content=bytes(range(256)) * 40,
    arithmetic="int8",
    applied=("first row of the last layer", "int8 products"),
    skipped=("other: not \u2018there\u2019",),
)
KEY = "ab" * 32


@pytest.fixture
def cache(tmp_path: Path) -> GraphCache:
    return GraphCache(tmp_path / "deep" / "graphs")


def only_file(folder: Path) -> Path:
    (file,) = (folder / "deep" / "graphs").iterdir()
    return file


@pytest.mark.parametrize("graph", [GRAPH, RewrittenGraph(content=b"", arithmetic="fp32", skipped=("a: b",))])
def test_what_is_written_is_read(cache: GraphCache, graph: RewrittenGraph) -> None:
    assert cache.read(KEY) is None
    cache.write(KEY, graph)
    assert cache.read(KEY) == graph
    assert cache.read("cd" * 32) is None


def flip(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut short": lambda file: file[:-1],
    "only the head": lambda file: file[:80],
    "a bit of the graph": lambda file: flip(file, len(file) - 7),
    "a bit of the digest": lambda file: flip(file, 20),
    "a bit of the description": lambda file: flip(file, 90),
    "another format": lambda file: b"rerankd graph 0\n" + file[16:],
    "more behind": lambda file: file + b"\n",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_noticed_and_removed(
    cache: GraphCache, tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    cache.write(KEY, GRAPH)
    file = only_file(tmp_path)
    file.write_bytes(damage(file.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert cache.read(KEY) is None
    assert "damaged" in caplog.text
    assert not file.exists()
    cache.write(KEY, GRAPH)
    assert cache.read(KEY) == GRAPH


def test_a_write_that_fails_leaves_nothing_and_costs_no_load(
    cache: GraphCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    cache.write(KEY, GRAPH)
    assert list((tmp_path / "deep" / "graphs").iterdir()) == []
    assert [record.error for record in caplog.records] == ["No space left on device"]


def test_a_place_that_is_no_folder_costs_no_load(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    cache = GraphCache(tmp_path / "file" / "graphs")
    assert cache.read(KEY) is None
    cache.write(KEY, GRAPH)
    assert "cannot be kept" in caplog.text


def write_often(folder: str, fill: int, times: int) -> None:
    cache = GraphCache(Path(folder))
    for _ in range(times):
        cache.write(KEY, RewrittenGraph(content=bytes([fill]) * 200_000, arithmetic="int8"))


def test_processes_that_write_at_once_never_show_half_a_graph(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = GraphCache(tmp_path)
    write_often(str(tmp_path), 0, 1)
    context = get_context("spawn")
    writers = [context.Process(target=write_often, args=(str(tmp_path), fill, 40)) for fill in (1, 2, 3)]
    for writer in writers:
        writer.start()
    reads = 0
    while reads < 20 or any(writer.is_alive() for writer in writers):
        graph = cache.read(KEY)
        assert graph is not None
        assert len(set(graph.content)) == 1
        assert len(graph.content) == 200_000
        reads += 1
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert len(list(tmp_path.iterdir())) == 1
    assert not caplog.records


def test_threads_that_write_at_once_agree(tmp_path: Path) -> None:
    cache = GraphCache(tmp_path)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: cache.write(KEY, GRAPH), range(32)))
    assert cache.read(KEY) == GRAPH


def test_the_key_follows_what_a_rewrite_depends_on(tmp_path: Path) -> None:
    graph, data = tmp_path / "model.onnx", tmp_path / "model.onnx_data"
    graph.write_bytes(b"graph")
    data.write_bytes(b"data")
    keys = [graph_key(graph, ["model.onnx_data"], "1", "int8")]
    keys.append(graph_key(graph, ["model.onnx_data"], "1", "fp32"))
    keys.append(graph_key(graph, ["model.onnx_data"], "1int8"))
    keys.append(graph_key(graph, [], "1", "int8"))
    assert graph_key(graph, ["model.onnx_data"], "1", "int8") == keys[0]
    os.utime(data, ns=(1, 1))
    keys.append(graph_key(graph, ["model.onnx_data"], "1", "int8"))
    data.write_bytes(b"longer data")
    keys.append(graph_key(graph, ["model.onnx_data"], "1", "int8"))
    graph.write_bytes(b"Graph")
    keys.append(graph_key(graph, ["model.onnx_data"], "1", "int8"))
    assert len(set(keys)) == len(keys)
