"""`rerankd batch` on a local Ray: right results, and a run that is killed goes on where it was."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ray_cluster import ENVIRONMENT

from rerankd.client import Client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

WORDS = ["red", "river", "stone", "light", "salt", "water", "plant", "blood", "pressure", "kidney", "heart"]
QUERIES = 80
# Small enough that there are some ten of them.
BLOCK_MIB = 0.005


def command(ray_address: str, *arguments: str) -> list[str]:
    batch = [sys.executable, "-m", "rerankd", "batch", "--ray", ray_address, "--cpus", "1", "--json"]
    return [*batch, *arguments]


def run(ray_address: str, *arguments: str) -> tuple[dict[str, Any], subprocess.CompletedProcess[str]]:
    done = subprocess.run(
        command(ray_address, *arguments), capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    told = json.loads(done.stdout) if done.stdout else {}
    return told, done


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    chance = random.Random(7)
    return [
        {
            "id": number,
            "query": " ".join(chance.sample(WORDS, 3)),
            "documents": [" ".join(chance.choices(WORDS, k=12)) for _ in range(chance.randint(1, 9))],
        }
        for number in range(QUERIES)
    ]


@pytest.fixture(scope="module")
def expected(rows: list[dict[str, Any]], server: Any) -> list[list[tuple[int, float]]]:
    """The best two of each query, as the server ranks them."""
    with Client(server.target) as client:
        answers = (client.rerank(row["query"], row["documents"], top_n=2) for row in rows)
        return [[(result.index, result.score) for result in answer.results] for answer in answers]


@pytest.fixture(scope="module")
def parquet(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("input") / "queries.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=50)
    return path


def results(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("part-*.parquet")):
        yield from pq.read_table(path).to_pylist()


def assert_ranked(found: Sequence[dict[str, Any]], rows: list[dict[str, Any]], expected: Any) -> None:
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    for row, wanted in zip(found, expected, strict=True):
        assert row["error"] is None
        assert [result["index"] for result in row["results"]] == [index for index, _ in wanted]
        scores = [score for _, score in wanted]
        assert [result["score"] for result in row["results"]] == pytest.approx(scores, abs=1e-5)


def test_a_killed_run_goes_on_where_it_was(
    ray_address: str, parquet: Path, rows: list[dict[str, Any]], expected: Any, tmp_path: Path
) -> None:
    arguments = (str(parquet), "-o", str(tmp_path / "out"), "-n", "2", "--block-mib", str(BLOCK_MIB))
    with subprocess.Popen(
        command(ray_address, *arguments),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=ENVIRONMENT,
    ) as first:
        assert first.stderr is not None
        for line in first.stderr:
            if line.startswith("block 2/"):
                first.send_signal(signal.SIGKILL)
                break
        assert first.wait() == -signal.SIGKILL
    notes = tmp_path / "out" / "_rerankd"
    kept = {path.name: path.stat().st_mtime_ns for path in notes.glob("part-*.json")}

    told, done = run(ray_address, *arguments)

    assert done.returncode == 0, done.stderr
    assert 2 <= len(kept) < told["blocks"], "it was killed too late to show anything"
    assert told["blocks_of_earlier_runs"] >= len(kept)
    assert {name: (notes / name).stat().st_mtime_ns for name in kept} == kept
    assert told["queries"] == QUERIES
    assert told["documents"] == sum(len(row["documents"]) for row in rows)
    assert_ranked(list(results(tmp_path / "out")), rows, expected)

    again, done = run(ray_address, *arguments)
    assert done.returncode == 0, done.stderr
    assert again == {**told, "blocks_of_earlier_runs": told["blocks"]}
    _, done = run(ray_address, *arguments, "--raw-scores")
    assert done.returncode == 1
    assert "holds the results of a run with other options" in done.stderr


def test_pairs_that_lie_apart_are_ranked_together(
    ray_address: str, rows: list[dict[str, Any]], expected: Any, tmp_path: Path
) -> None:
    pairs = [
        # A key that is a number here and a text there, as exports have it, keeps its type.
        {"id": row["id"], "query": row["query"], "document": text, "key": index if index % 2 else str(index)}
        for row in rows
        for index, text in enumerate(row["documents"])
    ]
    broken = {"id": -1, "query": "red", "document": None}
    # Documents of one query keep their order, everything else lies anywhere.
    order = sorted(range(len(pairs)), key=lambda i: (int(pairs[i]["key"]), -i))
    halves = [pairs[i] for i in order[::2]], [broken, *(pairs[i] for i in order[1::2])]
    for name, half in zip(("a", "b"), halves, strict=True):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in half))
    names = [str(tmp_path / f"{name}.jsonl") for name in ("a", "b")]

    told, done = run(
        ray_address, *names, "-o", str(tmp_path / "out"), "--pairs", "--group-column", "id", "-n", "2",
        "--workers", "2", "--block-mib", str(BLOCK_MIB),
    )  # fmt: skip

    assert done.returncode == 1, done.stderr
    assert told["queries_with_error"] == 1
    assert told["queries"] == QUERIES + 1
    found: dict[int, list[dict[str, Any]]] = {}
    for path in sorted((tmp_path / "out").glob("part-*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            found.setdefault(row["id"], []).append(row)
    assert found.pop(-1) == [
        {**broken, "rank": None, "score": None, "error": "INVALID_REQUEST: the row has no document"}
    ]
    assert sorted(found) == list(range(QUERIES))
    for number, wanted in enumerate(expected):
        best = found[number]
        assert [row["rank"] for row in best] == list(range(1, len(wanted) + 1))
        assert [int(row["key"]) for row in best] == [index for index, _ in wanted]
        assert all(isinstance(row["key"], int) is bool(int(row["key"]) % 2) for row in best)
        assert [row["score"] for row in best] == pytest.approx([score for _, score in wanted], abs=1e-5)


def test_a_model_that_cannot_be_loaded_is_one_sentence(
    ray_address: str, parquet: Path, tmp_path: Path
) -> None:
    _, done = run(
        ray_address, str(parquet), "-o", str(tmp_path / "out"), "--model", str(tmp_path / "nowhere")
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"rerankd: model {tmp_path / 'nowhere'}: ")
    assert "Traceback" not in done.stderr
