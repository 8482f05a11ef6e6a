"""One stream of 10 to 100,000 candidates: time, time to the first score, peak memory of the server.

Each size has a server of its own, whose peak is read after three streams of 1,000 (so that it holds what
any server holds) and again after the stream. With `--tiny` the model is the tests' one of one layer x 16,
so that the largest sizes end soon and memory, not arithmetic, is what grows.

    .venv/bin/python scripts/bench/growth.py --tiny --sizes 10,100,1000,10000,100000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import record
from passages import passages
from startup import BUNDLED

from rerankd.client import Client, ScoreChunk

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from support.onnx_models import build_model  # found by the line above
from support.servers import ServerProcess

QUERY = "what are the treatments for high blood pressure in adults"


def documents(texts: list[str], count: int) -> Iterator[str]:
    """Never the same text twice, and never all of them in memory."""
    return (f"{number} {texts[number % len(texts)]}" for number in range(count))


def peak_mib(server: ServerProcess) -> float:
    """Largest resident set of the server so far."""
    lines = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def stream(client: Client, texts: list[str], count: int) -> tuple[float, float]:
    """Seconds to the first score and to the end."""
    started = time.perf_counter()
    first = 0.0
    with client.rerank_stream(QUERY, documents(texts, count), emit="scores", top_n=10) as events:
        for event in events:
            if not first and isinstance(event, ScoreChunk):
                first = time.perf_counter() - started
    return first, time.perf_counter() - started


def measure(model: Path, texts: list[str], size: int, warm: int) -> dict[str, Any]:
    server = ServerProcess({"model": str(model), "http_enabled": False, "cache.max_mib": 0})
    try:
        with Client(server.target) as client:
            for _ in range(3):
                stream(client, texts, warm)
            before = peak_mib(server)
            first, whole = stream(client, texts, size)
            after = peak_mib(server)
    finally:
        server.stop()
    return {
        "candidates": size,
        "seconds": whole,
        "pairs_per_second": size / whole,
        "first_score_ms": 1000 * first,
        "peak_mib": after,
        "peak_above_1000_mib": after - before,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=BUNDLED, help="directory of the model")
    parser.add_argument("--tiny", action="store_true", help="a model of one layer x 16 instead")
    parser.add_argument("--sizes", default="10,100,1000,10000,100000")
    parser.add_argument("--quick", action="store_true", help="the tiny model, to 10,000")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.tiny, chosen.sizes = True, "10,100,1000,10000"
    texts, source = passages(1000)
    figures = []
    print(f"{'candidates':>10} {'s':>8} {'pairs/s':>8} {'first score':>12} {'peak':>9} {'above 1,000':>12}")
    with tempfile.TemporaryDirectory() as folder:
        model = build_model(Path(folder) / "tiny") if chosen.tiny else chosen.model
        for size in map(int, chosen.sizes.split(",")):
            row = measure(model, texts, size, 1000 if chosen.tiny else 200)
            figures.append(row)
            print(
                f"{size:10} {row['seconds']:8.2f} {row['pairs_per_second']:8.0f} "
                f"{row['first_score_ms']:9.0f} ms {row['peak_mib']:5.0f} MiB "
                f"{row['peak_above_1000_mib']:+8.1f} MiB",
                flush=True,
            )
    record.write("growth", chosen, {"by_size": figures}, text=source)


if __name__ == "__main__":
    main()
