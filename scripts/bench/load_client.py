"""The load client ghz, which is not ours, against the server: unary calls of 10 documents.

Closed loop at several concurrencies, then open loop (`--async`) at a rate that the server can keep up
with. Needs Go: ghz is built once into the user's cache folder, in the version pinned here.

    .venv/bin/python scripts/bench/load_client.py --calls 200
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import record
from environments import CACHE
from passages import passages
from server_process import server
from startup import BUNDLED

QUERY = "what are the treatments for high blood pressure in adults"
GHZ = "github.com/bojand/ghz/cmd/ghz@v0.120.0"
# The contract from its file, so that a server without reflection can be measured too.
PROTOS = Path(__file__).parents[2] / "protos"
CALL = (
    "--insecure",
    "--import-paths",
    str(PROTOS),
    "--proto",
    str(PROTOS / "rerankd/v1/rerank_service.proto"),
    "--call",
    "rerankd.v1.RerankService/Rerank",
)
NO_CACHE = ("--set", "cache.max_mib=0")
CONCURRENCY = (1, 4, 16, 64)


def ghz() -> Path:
    """The program, built if it is not there."""
    program = CACHE / "bin" / "ghz"
    if not program.exists():
        if shutil.which("go") is None:
            raise SystemExit("load_client: go is not on the PATH, and ghz is built with it")
        subprocess.run(["go", "install", GHZ], check=True, env={**os.environ, "GOBIN": str(program.parent)})
    return program


def run(target: str, data: Path, calls: int, *options: str) -> dict[str, Any]:
    command = [str(ghz()), *CALL, "--data-file", str(data)]
    command += ["--total", str(calls), "--timeout", "120s", "--format", "json", *options, target]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    times = {one["percentage"]: one["latency"] / 1e6 for one in report["latencyDistribution"]}
    return {
        "calls": report["count"],
        "calls_per_second": report["rps"],
        **{f"p{q}_ms": times[q] for q in (50, 95, 99)},
        "statuses": report["statusCodeDistribution"],
    }


def requests(texts: list[str], size: int) -> list[dict[str, Any]]:
    """ghz sends them in turn."""
    return [
        {"query": QUERY, "documents": [{"text": text} for text in texts[start : start + size]]}
        for start in range(0, len(texts) - size + 1, size)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=BUNDLED, help="directory of the model")
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--documents", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="40 calls, concurrency 1 and 16")
    chosen = parser.parse_args(arguments)
    levels: tuple[int, ...] = CONCURRENCY
    if chosen.quick:
        chosen.calls, levels = 40, (1, 16)
    texts, source = passages(3000)
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder, server("--model", str(chosen.model), *NO_CACHE) as target:
        data = Path(folder) / "requests.json"
        data.write_text(json.dumps(requests(texts, chosen.documents)), encoding="utf-8")
        run(target, data, 10, "--concurrency", "1")
        for level in levels:
            count = max(chosen.calls, 2 * level)
            rows[f"closed loop, {level} at once"] = run(target, data, count, "--concurrency", str(level))
        rate = max(1, int(rows[f"closed loop, {levels[0]} at once"]["calls_per_second"] / 3))
        rows[f"open loop, {rate} a second"] = run(
            target, data, chosen.calls, "--async", "--rps", str(rate), "--concurrency", "16"
        )
    print(f"calls of {chosen.documents} documents ({source}), by {GHZ}")
    for name, row in rows.items():
        times = "  ".join(f"p{q} {row[f'p{q}_ms']:7.0f} ms" for q in (50, 95, 99))
        print(f"{name:26} {row['calls_per_second']:6.1f} calls/s  {times}  {row['statuses']}")
    record.write("load_client", chosen, rows, text=source, client=GHZ)


if __name__ == "__main__":
    main()
