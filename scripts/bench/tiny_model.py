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
import sys
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
from passages import passages
from server_process import server
from startup import BUNDLED
from tokenizers import Tokenizer

from rerankd.v1 import rerank_service_pb2 as pb
from rerankd.v1.rerank_service_pb2_grpc import RerankServiceStub

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from support.encoder_graphs import Style, encoder_graph

QUERY = "what are the treatments for high blood pressure in adults"
WIDTH, HEADS, INNER, LAYERS, POSITIONS = 128, 2, 512, 2, 512
CHUNK = 128
UNARY_DOCUMENTS, UNARY_CALLERS = 100, 16
CORES = 2
BUDGETS = (512, 1024, 2048)
NAMES = ("input_ids", "attention_mask", "token_type_ids")
Feed = dict[str, np.ndarray]


def build(folder: Path) -> Path:
    """Writes a model directory: the bundled tokenizer, a graph and the configuration for it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((BUNDLED / "config.json").read_text(encoding="utf-8"))
    config |= {"architectures": ["BertForSequenceClassification"], "hidden_size": WIDTH}
    config |= {"num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": INNER}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    shutil.copy(BUNDLED / "tokenizer.json", folder)
    style = Style(width=WIDTH, heads=HEADS, inner=INNER, embedding_width=WIDTH)
    onnx.save(encoder_graph(style, config["vocab_size"]), folder / "model.onnx")
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
                disabled_optimizers=["BiasGeluFusion", "SkipLayerNormFusion"],
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
