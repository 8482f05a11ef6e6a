"""What the service costs beside a model that costs almost nothing: 2 layers of 128 on real-sized text.

Three sides take turns in one run: a bare onnxruntime loop over pairs that are tokenized and sorted by
length beforehand (the best of three budgets and two ways to use two cores), a stream and large unary calls
through a server in its own process. The callers are bare stubs with messages made beforehand.

    .venv/bin/python scripts/bench/tiny_model.py --documents 20000 --rounds 5
    .venv/bin/python scripts/bench/tiny_model.py --beside /path/to/another/checkout
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from passages import passages
from server_process import server
from startup import BUNDLED
from tokenizers import Tokenizer

from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub

QUERY = "what are the treatments for high blood pressure in adults"
WIDTH, HEADS, INNER, LAYERS, POSITIONS = 128, 2, 512, 2, 512
CHUNK = 128
UNARY_DOCUMENTS, UNARY_CALLERS = 100, 16
CORES = 2
BUDGETS = (512, 1024, 2048)
NAMES = ("input_ids", "attention_mask", "token_type_ids")
Feed = dict[str, np.ndarray]


class Encoder:
    """A BERT with random weights, written node by node."""

    def __init__(self, vocabulary: int) -> None:
        self._random = np.random.default_rng(5)
        self._nodes: list[onnx.NodeProto] = []
        self._stored: list[onnx.TensorProto] = []
        self._vocabulary = vocabulary

    def model(self) -> onnx.ModelProto:
        """The graph, with `logits` of shape (batch, 1)."""
        hidden = self._embeddings()
        mask = self._op("Cast", self._op("Unsqueeze", "attention_mask", self._ints([1, 2])), to=1)
        mask = self._op("Mul", self._op("Sub", self._floats(1.0), mask), self._floats(-10000.0))
        for _ in range(LAYERS):
            hidden = self._layer(hidden, mask)
        row = self._op("Gather", hidden, self._ints(0), axis=1)
        row = self._op("Tanh", self._dense(row, WIDTH, WIDTH))
        head = self._floats(self._random.normal(size=(1, WIDTH)) * 0.2)
        logits = self._op("Gemm", row, head, self._floats([0.1]), transB=1)
        self._nodes.append(helper.make_node("Identity", [logits], ["logits"]))
        inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "sequence"]) for n in NAMES]
        output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])
        graph = helper.make_graph(self._nodes, "tiny", inputs, [output], self._stored)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def _embeddings(self) -> str:
        def table(rows: int) -> str:
            return self._floats(self._random.normal(size=(rows, WIDTH)) * 0.3)

        ones = self._op("Add", self._op("Mul", "input_ids", self._ints(0)), self._ints(1))
        positions = self._op("Sub", self._op("CumSum", ones, self._ints([1])), self._ints(1))
        hidden = self._op("Gather", table(self._vocabulary), "input_ids")
        hidden = self._op("Add", hidden, self._op("Gather", table(POSITIONS), positions))
        return self._norm(self._op("Add", hidden, self._op("Gather", table(2), "token_type_ids")))

    def _layer(self, hidden: str, mask: str) -> str:
        query, key, value = (self._heads(self._dense(hidden, WIDTH, WIDTH)) for _ in range(3))
        key = self._op("Transpose", key, perm=[0, 1, 3, 2])
        scores = self._op("Mul", self._op("MatMul", query, key), self._floats((WIDTH // HEADS) ** -0.5))
        weights = self._op("Softmax", self._op("Add", scores, mask), axis=-1)
        mixed = self._op("Transpose", self._op("MatMul", weights, value), perm=[0, 2, 1, 3])
        mixed = self._op("Reshape", mixed, self._ints([0, -1, WIDTH]))
        hidden = self._norm(self._op("Add", self._dense(mixed, WIDTH, WIDTH), hidden))
        inner = self._dense(hidden, WIDTH, INNER)
        error = self._op("Erf", self._op("Div", inner, self._floats(2**0.5)))
        error = self._op("Add", error, self._floats(1.0))
        inner = self._op("Mul", self._op("Mul", inner, error), self._floats(0.5))
        return self._norm(self._op("Add", self._dense(inner, INNER, WIDTH), hidden))

    def _heads(self, projected: str) -> str:
        split = self._op("Reshape", projected, self._ints([0, -1, HEADS, WIDTH // HEADS]))
        return self._op("Transpose", split, perm=[0, 2, 1, 3])

    def _dense(self, source: str, rows: int, columns: int) -> str:
        weights = self._floats(self._random.normal(size=(rows, columns)) * rows**-0.5)
        return self._op("Add", self._floats(np.zeros(columns)), self._op("MatMul", source, weights))

    def _norm(self, source: str) -> str:
        one, zero = self._floats(np.ones(WIDTH)), self._floats(np.zeros(WIDTH))
        return self._op("LayerNormalization", source, one, zero, axis=-1, epsilon=1e-5)

    def _op(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def _floats(self, values: object) -> str:
        return self._store(np.array(values, dtype=np.float32))

    def _ints(self, values: object) -> str:
        return self._store(np.array(values, dtype=np.int64))

    def _store(self, values: np.ndarray) -> str:
        name = f"stored_{len(self._stored)}"
        self._stored.append(numpy_helper.from_array(values, name))
        return name


def build(folder: Path) -> Path:
    """Writes a model directory: the bundled tokenizer, a graph and the configuration for it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((BUNDLED / "config.json").read_text(encoding="utf-8"))
    config |= {"architectures": ["BertForSequenceClassification"], "hidden_size": WIDTH}
    config |= {"num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": INNER}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    shutil.copy(BUNDLED / "tokenizer.json", folder)
    onnx.save(Encoder(config["vocab_size"]).model(), folder / "model.onnx")
    return folder


def unlike(count: int) -> tuple[list[str], str]:
    """As many texts, no two of them equal."""
    texts, source = passages(min(count, 5000))
    return [f"{texts[i % len(texts)]} {i}" for i in range(count)], source


class BareLoop:
    """onnxruntime alone, on batches made beforehand."""

    def __init__(self, folder: Path, texts: list[str], budget: int, sessions: int) -> None:
        self._feeds = _feeds(folder, texts, budget)
        options = ort.SessionOptions()
        options.intra_op_num_threads = CORES // sessions
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._sessions = [
            ort.InferenceSession(
                str(folder / "model.onnx"),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=["SkipLayerNormFusion"],
            )
            for _ in range(sessions)
        ]

    def __call__(self) -> None:
        with ThreadPoolExecutor(len(self._sessions)) as threads:
            list(threads.map(self._run, range(len(self._sessions))))

    def _run(self, lane: int) -> None:
        for feed in self._feeds[lane :: len(self._sessions)]:
            self._sessions[lane].run(None, feed)


def _feeds(folder: Path, texts: list[str], budget: int) -> list[Feed]:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(POSITIONS)
    tokenizer.no_padding()
    rows = [(e.ids, e.type_ids) for e in tokenizer.encode_batch([(QUERY, text) for text in texts])]
    rows.sort(key=lambda row: -len(row[0]))
    feeds = []
    start = 0
    while start < len(rows):
        width = len(rows[start][0])
        part = rows[start : start + max(1, budget // width)]
        start += len(part)
        feed = {name: np.zeros((len(part), width), dtype=np.int64) for name in NAMES}
        for i, (ids, types) in enumerate(part):
            feed["input_ids"][i, : len(ids)] = ids
            feed["attention_mask"][i, : len(ids)] = 1
            feed["token_type_ids"][i, : len(types)] = types
        feeds.append(feed)
    return feeds


class Caller:
    """Bare stubs with messages that are made beforehand."""

    def __init__(self, target: str, texts: list[str]) -> None:
        self._stub = RerankServiceStub(grpc.insecure_channel(target))
        documents = [pb.Document(text=text) for text in texts]
        options = pb.RerankOptions(top_n=10)
        start = pb.RerankStreamStart(
            query=QUERY, options=options, emit=pb.StreamEmit.STREAM_EMIT_SUMMARY_ONLY
        )
        self._stream = [pb.RerankStreamRequest(start=start)]
        for i in range(0, len(texts), CHUNK):
            chunk = pb.DocumentChunk(documents=documents[i : i + CHUNK])
            self._stream.append(pb.RerankStreamRequest(documents=chunk))
        self._requests = [
            pb.RerankRequest(query=QUERY, documents=documents[i : i + UNARY_DOCUMENTS], options=options)
            for i in range(0, len(texts), UNARY_DOCUMENTS)
        ]
        self._count = len(texts)

    def stream(self) -> None:
        """All documents in one stream."""
        *_, last = self._stub.RerankStream(iter(self._stream))
        _check(last.summary.usage.scored_documents, self._count)

    def unary(self) -> None:
        """All documents in calls of 100, from 16 callers."""
        with ThreadPoolExecutor(UNARY_CALLERS) as threads:
            replies = list(threads.map(self._stub.Rerank, self._requests))
        _check(sum(reply.usage.scored_documents for reply in replies), self._count)


def _check(scored: int, count: int) -> None:
    if scored != count:
        raise SystemExit(f"{scored} of {count} documents were scored")


@contextmanager
def sources(checkout: Path | None) -> Iterator[None]:
    """Servers started meanwhile import the package from another checkout."""
    before = os.environ.get("PYTHONPATH")
    if checkout is not None:
        os.environ["PYTHONPATH"] = str(checkout / "src")
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH", None)
        if before is not None:
            os.environ["PYTHONPATH"] = before


def report(seconds: dict[str, list[float]], count: int) -> None:
    """Pairs a second of each side, and its share of the best bare loop."""
    rates = {name: count / statistics.median(times) for name, times in seconds.items()}
    best = max(rate for name, rate in rates.items() if name.startswith("bare"))
    for name, rate in rates.items():
        print(f"{name:32} {rate:7.0f} pairs/s   x{rate / best:.2f} of the best bare loop")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beside", type=Path, help="another checkout, whose server is measured as well")
    parser.add_argument("--set", action="append", default=[], help="a setting of the server, KEY=VALUE")
    chosen = parser.parse_args()
    texts, source = unlike(chosen.documents)
    settings = [part for one in ["cache.max_mib=0", *chosen.set] for part in ("--set", one)]
    sides: dict[str, Callable[[], None]] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        folder = build(Path(name) / "tiny")
        for budget in BUDGETS:
            for sessions in (1, CORES):
                loop = BareLoop(folder, texts, budget, sessions)
                sides[f"bare, {budget} tokens, {sessions} x {CORES // sessions} threads"] = loop
        for label, checkout in (("", None), *([("beside: ", chosen.beside)] if chosen.beside else [])):
            with sources(checkout):
                target = servers.enter_context(server("--model", str(folder), *settings))
            caller = Caller(target, texts)
            sides[f"{label}stream"] = caller.stream
            sides[f"{label}unary, 100 x 16 callers"] = caller.unary
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        for round_number in range(-1, chosen.rounds):
            for side, run in sides.items():
                started = time.perf_counter()
                run()
                if round_number >= 0:
                    seconds[side].append(time.perf_counter() - started)
    print(f"{len(texts)} documents ({source}), medians of {chosen.rounds} interleaved rounds")
    report(seconds, len(texts))


if __name__ == "__main__":
    main()
