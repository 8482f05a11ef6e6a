"""Pairs per second on a GPU, against plain onnxruntime on the same card and the card's dense fp16 rate.

Sides run interleaved, each on the same pairs of tokens, of made texts; ratios are medians over
rounds. The rate that a model could reach at most is the card's dense fp16 rate over the operations of a pair,
counted from the model's shape: products only, without the padding that a side adds.

    .venv/bin/python scripts/bench/gpu.py [--model FOLDER] [--seconds 240] [--tflops 989]
    .venv/bin/python scripts/bench/gpu.py --dry-run     on any machine: the same on the CPU, a few pairs

Where nothing is installed and there is no network, scripts/bench/gpu_remote.sh brings it there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import record
from precision import batches, side_by_side
from startup import BUNDLED

from rerankd.artifacts.directory import DirectoryModel
from rerankd.backends.base import EncodedPair, EncodeOptions
from rerankd.backends.onnx import CudaGraphs, OnnxBackend, OnnxSettings, Precision, Provider, load
from rerankd.backends.onnx.device.providers import GPU_BATCH_TOKENS, providers
from rerankd.backends.onnx.devices import obstacle, preload_cuda
from rerankd.backends.onnx.graph import half
from rerankd.backends.onnx.graph_file import read_graph
from rerankd.backends.onnx.pairs import BatchAssembler
from rerankd.benchmarking.workload import made_texts
from rerankd.core.errors import ModelFailedError

QUERY = "what are the treatments for high blood pressure in adults"
YARDSTICK = "plain onnxruntime, fp32"
FEW = 10
"""Candidates of a small request."""

DENSE_FP16_TFLOPS = {
    "H200": 989,
    "H100 PCIe": 756,
    "H100": 989,
    "A100": 312,
    "L40S": 362,
    "L4": 121,
    "A10": 125,
    "T4": 65,
}
"""Without sparsity, as the vendor's data sheets state them; the first name that is in the card's counts."""

Scores = np.ndarray[Any, np.dtype[np.float32]]
Side = Callable[[Sequence[EncodedPair]], Scores]


@dataclass(frozen=True, slots=True)
class Geometry:
    """The size of a transformer."""

    layers: int
    width: int
    inner: int

    def operations(self, tokens: int) -> int:
        """Multiplications and additions of a pair: four square products, two inner ones, attention."""
        products = 8 * self.width**2 + 4 * self.width * self.inner
        return self.layers * (products * tokens + 4 * self.width * tokens**2)


def geometry_of(directory: Path) -> Geometry:
    """As the model's config tells it."""
    config = json.loads((directory / "config.json").read_text())
    return Geometry(config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"])


def card_name() -> str:
    """As the driver names the first GPU; empty where it does not."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    told = subprocess.run(
        [tool, "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return told.stdout.splitlines()[0].strip() if told.returncode == 0 and told.stdout else ""


def dense_tflops(name: str) -> float:
    """The dense fp16 rate of a card; 0 = not in the table."""
    return next((float(rate) for card, rate in DENSE_FP16_TFLOPS.items() if card in name), 0.0)


def plain(directory: Path, provider: Provider, precision: Precision) -> Side:
    """What a loop around the stored graph gives: ideal buckets, arrays in and out."""
    files = DirectoryModel(id="benchmark/model", directory=directory).load()
    options = ort.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    content: str | bytes = str(files.graph)
    if precision is Precision.FP16:
        content = half.converted(read_graph(files.graph), files.graph.parent)
    session = ort.InferenceSession(content, options, providers=providers(provider, OnnxSettings(), None))
    inputs = {value.name: np.int32 if "int32" in value.type else np.int64 for value in session.get_inputs()}
    assembler = BatchAssembler(inputs=inputs, pad_token_id=int(files.config.get("pad_token_id") or 0))

    def score(pairs: Sequence[EncodedPair]) -> Scores:
        scores = np.zeros(len(pairs), dtype=np.float32)
        for batch in batches([pair.tokens for pair in pairs], GPU_BATCH_TOKENS):
            feed = assembler.assemble([pairs[number] for number in batch])  # type: ignore[misc]
            scores[batch] = session.run(None, feed)[0].reshape(-1)
        return scores

    return score


def engine(directory: Path, **settings: Any) -> tuple[OnnxBackend, Side]:
    """The backend as it is served, each lane in a thread of its own."""
    files = DirectoryModel(id="benchmark/model", directory=directory).load()
    backend = load(files, OnnxSettings(**settings), lambda *_: None)

    def score(pairs: Sequence[EncodedPair]) -> Scores:
        scores = np.zeros(len(pairs), dtype=np.float32)

        def run(lane: int, batch: list[int]) -> None:
            scores[batch] = backend.score([pairs[number] for number in batch], lane)

        lengths = [pair.tokens for pair in pairs]
        side_by_side(batches(lengths, backend.description.batch_tokens), backend.description.lanes, run)
        return scores

    return backend, score


def gpu_sides(directory: Path) -> tuple[dict[str, Side], dict[str, str]]:
    """All that runs on the card, and why the rest does not."""
    found: dict[str, Side] = {}
    missing: dict[str, str] = {}
    cuda = Provider.CUDA
    wanted: dict[str, Callable[[], Side]] = {
        YARDSTICK: lambda: plain(directory, cuda, Precision.FP32),
        "plain onnxruntime, fp16": lambda: plain(directory, cuda, Precision.FP16),
        "engine, fp32": lambda: engine(directory, provider=cuda, precision=Precision.FP32)[1],
        "engine, fp16": lambda: engine(directory, provider=cuda, precision=Precision.FP16)[1],
        "engine, fp16, CUDA graphs": lambda: engine(
            directory, provider=cuda, precision=Precision.FP16, cuda_graphs=CudaGraphs.AUTO
        )[1],
        "engine, fp16, TensorRT": lambda: engine(
            directory, provider=Provider.TENSORRT, precision=Precision.FP16
        )[1],
    }
    for name, make in wanted.items():
        try:
            found[name] = make()
        except ModelFailedError as error:
            missing[name] = error.message
            print(f"{name}: left out, {error.message}")
    return found, missing


def cpu_sides(directory: Path) -> dict[str, Side]:
    """The same on a CPU, to see that all of it works and agrees."""
    return {
        YARDSTICK: plain(directory, Provider.CPU, Precision.FP32),
        "plain onnxruntime, fp16": plain(directory, Provider.CPU, Precision.FP16),
        "engine, fp32": engine(directory, provider=Provider.CPU, precision=Precision.FP32)[1],
    }


def encoded(directory: Path, count: int) -> list[EncodedPair]:
    """Pairs of the benchmark's query with made texts, as long as passages."""
    backend, _ = engine(directory, provider=Provider.CPU)
    query = backend.encode_query(QUERY)
    return [windows[0] for windows in backend.encode_documents(query, made_texts(count), EncodeOptions())]


def rounds(
    sides: Mapping[str, Side], pairs: Sequence[EncodedPair], end: float
) -> Iterator[tuple[str, float]]:
    """Seconds of each side, all of them taking turns, until the time is up; two rounds at least."""
    for side in sides.values():
        side(pairs)
    done = 0
    while done < 2 or time.perf_counter() < end:
        for name, side in sides.items():
            started = time.perf_counter()
            side(pairs)
            yield name, time.perf_counter() - started
        done += 1


def figures(
    seconds: Mapping[str, Sequence[float]],
    pairs: Sequence[EncodedPair],
    geometry: Geometry,
    peak_tflops: float,
) -> dict[str, dict[str, float]]:
    """Of each side: pairs a second, what that is of the yardstick and of the card."""
    operations = sum(geometry.operations(pair.tokens) for pair in pairs)
    rows: dict[str, dict[str, float]] = {}
    for name, each in seconds.items():
        typical = statistics.median(each)
        tflops = operations / typical / 1e12
        rows[name] = {
            "pairs_per_second": len(pairs) / typical,
            "of_plain_fp32": record.median_ratio(seconds[YARDSTICK], each),
            "tflops": tflops,
            **({"of_dense_fp16": tflops / peak_tflops} if peak_tflops else {}),
        }
    return rows


def measured(sides: Mapping[str, Side], pairs: Sequence[EncodedPair], end: float) -> dict[str, list[float]]:
    """Seconds of each round."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for name, taken in rounds(sides, pairs, end):
        seconds[name].append(taken)
    return seconds


def differences(sides: Mapping[str, Side], pairs: Sequence[EncodedPair]) -> dict[str, float]:
    """How far each side's scores are from the yardstick's, at most."""
    wanted = sides[YARDSTICK](pairs)
    return {name: float(np.abs(side(pairs) - wanted).max()) for name, side in sides.items()}


def show(rows: Mapping[str, Mapping[str, float]], apart: Mapping[str, float]) -> None:
    for name, row in rows.items():
        share = f"{row['of_dense_fp16']:6.1%} of the card" if "of_dense_fp16" in row else ""
        print(
            f"{name:28} {row['pairs_per_second']:9.0f} pairs/s  x{row['of_plain_fp32']:.2f}  "
            f"{row['tflops']:7.2f} TFLOP/s {share}  off by {apart[name]:.2g}"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=BUNDLED, help="directory of the model")
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=240.0, help="for all rounds; loading comes on top")
    parser.add_argument(
        "--tflops", type=float, default=0.0, help="dense fp16 rate of a card not in the table"
    )
    parser.add_argument("--dry-run", action="store_true", help="on the CPU, 16 pairs; writes nothing")
    chosen = parser.parse_args(arguments)
    reason = obstacle(Provider.CUDA, 0)
    if reason is not None and not chosen.dry_run:
        print(f"no GPU here: {reason}; --dry-run checks the arithmetic on the CPU")
        return
    if chosen.dry_run:
        print(f"on the CPU, as a check: {reason or 'the GPU is left alone'}")
        chosen.pairs, chosen.seconds = 16, 0.0
    geometry, pairs = geometry_of(chosen.model), encoded(chosen.model, chosen.pairs)
    card = "" if chosen.dry_run else card_name()
    peak = chosen.tflops or dense_tflops(card)
    if not chosen.dry_run:
        preload_cuda()
    sides, missing = (cpu_sides(chosen.model), {}) if chosen.dry_run else gpu_sides(chosen.model)
    apart = differences(sides, pairs[:FEW])
    half_time = time.perf_counter() + chosen.seconds / 2
    rows = figures(measured(sides, pairs, half_time), pairs, geometry, peak)
    small = figures(measured(sides, pairs[:FEW], half_time + chosen.seconds / 2), pairs[:FEW], geometry, peak)
    mean = statistics.mean(pair.tokens for pair in pairs)
    print(f"{card or 'CPU'}, {len(pairs)} pairs, mean {mean:.0f} tokens")
    show(rows, apart)
    print(f"requests of {FEW} pairs")
    show(small, apart)
    if not chosen.dry_run:
        more = {"requests_of_ten": small, "largest_difference": apart, "left_out": missing}
        record.write("gpu", chosen, rows, card=card, dense_fp16_tflops=peak, model=chosen.model.name, **more)


if __name__ == "__main__":
    main()
