"""How long a start takes: exec to SERVING with the bundled model, beside what it cannot go below.

The floor is a bare Python process that imports grpc, onnxruntime and tokenizers and builds a session
of the same model. Both sides run interleaved; the ratio is what to trust on a noisy machine.

    .venv/bin/python scripts/bench/startup.py --rounds 7
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import grpc
import record
from grpc_health.v1 import health_pb2, health_pb2_grpc
from server_process import free_port, start, stop

BUNDLED = Path(__file__).parents[2] / "src/rerankd/artifacts/bundled/mini-en"

FLOOR = f"""
import grpc, onnxruntime, tokenizers
options = onnxruntime.SessionOptions()
options.add_session_config_entry("session.disable_quant_qdq", "1")
onnxruntime.InferenceSession({str(BUNDLED / "model.onnx")!r}, options, providers=["CPUExecutionProvider"])
tokenizers.Tokenizer.from_file({str(BUNDLED / "tokenizer.json")!r})
"""


def time_floor() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", FLOOR], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def time_server() -> float:
    port = free_port()
    started = time.perf_counter()
    process = start(port)
    try:
        wait_until_serving(f"127.0.0.1:{port}")
        return time.perf_counter() - started
    finally:
        stop(process)


def wait_until_serving(target: str) -> None:
    # Reconnecting at once: the default back-off of a second would be what is measured.
    options = [("grpc.initial_reconnect_backoff_ms", 20), ("grpc.max_reconnect_backoff_ms", 50)]
    with grpc.insecure_channel(target, options=options) as channel:
        request = health_pb2.HealthCheckRequest(service="rerankd.v1.RerankService")
        stub = health_pb2_grpc.HealthStub(channel)
        for reply in stub.Watch(request, timeout=60, wait_for_ready=True):
            if reply.status == health_pb2.HealthCheckResponse.SERVING:
                return
    raise SystemExit("the server ended its health watch before it was ready")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="2 rounds")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.rounds = 2
    time_server()  # the first start compiles bytecode and fills the page cache
    floor, serving = [], []
    for _ in range(chosen.rounds):
        floor.append(time_floor())
        serving.append(time_server())
    figures = {
        "floor_seconds": {"median": statistics.median(floor), "worst": max(floor)},
        "serving_seconds": {"median": statistics.median(serving), "worst": max(serving)},
        "ratio": record.median_ratio(serving, floor),
    }
    for name in ("floor", "serving"):
        row = figures[f"{name}_seconds"]
        print(f"{name:8} median {row['median']:.2f} s  worst {row['worst']:.2f} s")
    print(f"ratio    {figures['ratio']:.2f}  ({chosen.rounds} rounds, interleaved)")
    record.write("startup", chosen, figures)


if __name__ == "__main__":
    main()
