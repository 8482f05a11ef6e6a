"""Where the time of a pair goes: operators of the served graph, and how near its products are to the peak.

One session of one thread runs the micro-batches of the passages under ONNX Runtime's profiler. Products with
stored matrices are set against the fastest that this machine multiplies: one product of 4,096 rows with a
matrix as wide as the model, the same kernel without anything around it. Both take turns.

    .venv/bin/python scripts/bench/operators.py --model FOLDER --pairs 200 --rounds 5
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import record
from onnx import TensorProto, helper, numpy_helper
from passages import passages
from precision import QUERY, batches
from startup import BUNDLED

from rerankd.artifacts.directory import DirectoryModel
from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx import OnnxBackend, OnnxSettings, Precision, Provider, load
from rerankd.backends.onnx.graph.cache import GraphCache
from rerankd.backends.onnx.session import DISABLED_ON_CPU

BATCH_TOKENS = 384
ROWS = 4096
"""Of the product that shows the peak."""
KINDS = {
    "Attention": "attention",
    "Gelu": "GELU",
    "Add": "biases, residuals, mask",
    "Softmax": "softmax",
    "LayerNormalization": "layer norms",
    "Transpose": "transposes",
}
DENSE, OTHER, REST = "products with stored matrices", "other products", "the rest"

Feed = dict[str, np.ndarray[Any, Any]]


@dataclass
class Profile:
    """What the profiler saw."""

    microseconds: Counter[str] = field(default_factory=Counter)
    """By kind of operator."""
    dense_operations: float = 0.0
    """Multiplications and additions of the products with stored matrices."""
    width: int = 0
    """Of the hidden states: the narrowest that are multiplied with a stored matrix."""

    def count(self, event: dict[str, Any]) -> None:
        """Adds one run of one operator."""
        about = event["args"]
        kind = KINDS.get(about["op_name"], REST)
        if "MatMul" in about["op_name"] or "Gemm" in about["op_name"]:
            stored = len(about["input_type_shape"]) == 1
            kind = DENSE if stored else OTHER
            if stored:
                (shape,) = about["input_type_shape"][0].values()
                (made,) = about["output_type_shape"][0].values()
                self.dense_operations += 2.0 * float(np.prod(shape)) * made[-1]
                if shape[-2] > 1:
                    self.width = min(self.width or shape[-1], shape[-1])
        self.microseconds[kind] += event["dur"]


def served(model: Path, folder: Path) -> tuple[OnnxBackend, bytes]:
    """The model as it is served in fp32, and its graph: rewritten, or as stored where no rewrite fits."""
    files = DirectoryModel(id="benchmark/model", directory=model).load()
    settings = OnnxSettings(provider=Provider.CPU, precision=Precision.FP32, cache_dir=folder)
    backend = load(files, settings, lambda *_: None)
    (path,) = folder.glob("*.graph")
    graph = GraphCache(folder).read(path.stem)
    rewritten = graph.content if graph is not None else b""
    return backend, rewritten or files.graph.read_bytes()


def feeds(backend: OnnxBackend, texts: Sequence[str], names: Sequence[str]) -> list[Feed]:
    """The micro-batches of these texts; what the tokens are does not matter to the time."""
    query = backend.encode_query(QUERY)
    lengths = [windows[0].tokens for windows in backend.encode_documents(query, texts, EncodeOptions())]
    made = []
    for batch in batches(lengths, BATCH_TOKENS):
        shape = len(batch), max(lengths[number] for number in batch)
        shown = np.arange(shape[1]) < np.array([[lengths[number]] for number in batch])
        values = {"attention_mask": shown.astype(np.int64), "token_type_ids": np.zeros(shape, np.int64)}
        made.append({name: values.get(name, np.full(shape, 1000)) for name in names})
    return made


def session(graph: bytes, profile: Path | None = None) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    return ort.InferenceSession(
        graph,
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=DISABLED_ON_CPU,
    )


def plain_product(width: int) -> bytes:
    """A graph that multiplies with one square matrix and does nothing else."""
    matrix = np.random.default_rng(0).standard_normal((width, width), np.float32)
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["rows", width])
    made = helper.make_tensor_value_info("made", TensorProto.FLOAT, ["rows", width])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["rows", "matrix"], ["made"])],
        "product",
        [rows],
        [made],
        [numpy_helper.from_array(matrix, "matrix")],
    )
    content: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    ).SerializeToString()
    return content


def seconds(run: ort.InferenceSession, made: Sequence[Feed]) -> float:
    started = time.perf_counter()
    for feed in made:
        run.run(None, feed)
    return time.perf_counter() - started


def profiled(graph: bytes, made: Sequence[Feed], folder: Path) -> Profile:
    """Shares of operators; the profiler itself costs a little, so no speed is taken from here."""
    run = session(graph, folder / "profile")
    for _ in range(2):
        seconds(run, made)
    events = json.loads(Path(run.end_profiling()).read_text(encoding="utf-8"))
    kernels = [event for event in events if event["name"].endswith("_kernel_time")]
    profile = Profile()
    # The first pass only warms up.
    for event in kernels[len(kernels) // 2 :]:
        profile.count(event)
    return profile


def measure(model: Path, texts: Sequence[str], rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        backend, graph = served(model, Path(folder))
        run = session(graph)
        made = feeds(backend, texts, [value.name for value in run.get_inputs()])
        profile = profiled(graph, made, Path(folder))
        backend.close()
    width = profile.width
    peak, rows = session(plain_product(width)), [{"rows": np.ones((ROWS, width), np.float32)}]
    operations = 2.0 * ROWS * width * width
    dense = profile.microseconds[DENSE] / profile.microseconds.total()
    near: list[float] = []
    whole: list[float] = []
    for number in range(rounds + 1):
        fastest = max(operations / seconds(peak, rows) for _ in range(10))
        rate = profile.dense_operations / seconds(run, made)
        if number:  # The first round warms up.
            whole.append(rate / fastest)
            near.append(rate / dense / fastest)
    shares = {kind: us / profile.microseconds.total() for kind, us in profile.microseconds.most_common()}
    return {
        "shares": shares,
        "products_of_peak": statistics.median(near),
        "whole_of_peak": statistics.median(whole),
        "width": width,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=BUNDLED, help="directory of the model")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--name", default="operators", help="of the file of results")
    parser.add_argument("--quick", action="store_true", help="40 pairs, 1 round")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.pairs, chosen.rounds = 40, 1
    texts, source = passages(chosen.pairs)
    figures = measure(chosen.model, texts, chosen.rounds)
    print(f"{len(texts)} pairs ({source}), micro-batches of {BATCH_TOKENS} tokens, one thread")
    for kind, share in figures["shares"].items():
        print(f"{kind:32} {share:6.1%}")
    product = f"one product of {ROWS} x {figures['width']} x {figures['width']}"
    print(f"products with stored matrices: {figures['products_of_peak']:.0%} of the speed of {product}")
    print(f"the same over the time of all operators: {figures['whole_of_peak']:.0%}")
    record.write(chosen.name, chosen, figures, text=source, model=chosen.model.name)


if __name__ == "__main__":
    main()
