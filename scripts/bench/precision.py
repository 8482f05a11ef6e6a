"""What each precision costs in quality and gains in speed, against plain onnxruntime and our own fp32.

Speed: the same pairs through each side, interleaved in one run; only the ratios mean anything on a noisy
machine. Quality: the first candidates of BM25 for a fixed sample of the queries of each collection in
shared/data, scored in each precision: largest change of a logit, Kendall's tau, nDCG@10 of the model alone.

    .venv/bin/python scripts/bench/precision.py --queries 30 --rounds 7
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import queue
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from passages import SHARED, passages
from plain_loop import stored_session
from retrieval import COLLECTIONS, Judged, judged_queries, ndcg_at_10
from startup import BUNDLED
from tokenizers import Tokenizer

from rerankd.artifacts.directory import DirectoryModel
from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx import OnnxBackend, OnnxSettings, Precision, Provider, load

RESULTS = Path(__file__).parent / "results" / "precision.json"
QUERY = "what are the treatments for high blood pressure in adults"
BASE, OURS = "stored graph", "fp32"
BATCH_TOKENS = 512

Scores = npt.NDArray[np.float64]
Scorer = Callable[[str, Sequence[str]], Scores]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """One precision on one collection, beside fp32."""

    largest_change: float
    tau: float
    ndcg: float
    ndcg_change: float
    standard_error: float
    """Of the change, over queries."""


class StoredGraph:
    """The graph as it is in its file, in ideal length buckets: no rewrite, no option of ours.

    One session with a thread for each core, as anybody opens it, or `lanes` sessions of one thread.
    """

    def __init__(self, directory: Path, lanes: int = 1) -> None:
        self._sessions = [stored_session(directory, 0 if lanes == 1 else 1) for _ in range(lanes)]
        self._inputs = [value.name for value in self._sessions[0].get_inputs()]
        self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._tokenizer.enable_truncation(512, strategy="only_second")
        self._tokenizer.no_padding()

    def score(self, query: str, texts: Sequence[str]) -> Scores:
        encodings = self._tokenizer.encode_batch([(query, text) for text in texts])
        scores = np.zeros(len(texts))

        def run(lane: int, batch: list[int]) -> None:
            width = max(len(encodings[number].ids) for number in batch)
            feed = {name: np.zeros((len(batch), width), dtype=np.int64) for name in self._inputs}
            for row, number in enumerate(batch):
                encoding = encodings[number]
                for name, values in (
                    ("input_ids", encoding.ids),
                    ("attention_mask", encoding.attention_mask),
                    ("token_type_ids", encoding.type_ids),
                ):
                    if name in feed:
                        feed[name][row, : len(values)] = values
            scores[batch] = self._sessions[lane].run(None, feed)[0].reshape(-1)

        side_by_side(batches([len(encoding.ids) for encoding in encodings]), len(self._sessions), run)
        return scores


def batches(lengths: Sequence[int], budget: int = BATCH_TOKENS) -> list[list[int]]:
    """Neighbours in length, as many as fit into the budget with their padding."""
    made: list[list[int]] = [[]]
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if made[-1] and (len(made[-1]) + 1) * lengths[number] > budget:
            made.append([])
        made[-1].append(number)
    return made


def ours(directory: Path, precision: Precision, document_tokens: int) -> tuple[OnnxBackend, Scorer]:
    files = DirectoryModel(id="benchmark/model", directory=directory).load()
    # Lanes are measured, as a server does at the first load.
    settings = OnnxSettings(provider=Provider.CPU, precision=precision, lanes=0)
    backend = load(files, settings, lambda *_: None)
    options = EncodeOptions(max_tokens_per_document=document_tokens)

    def score(query: str, texts: Sequence[str]) -> Scores:
        encoded = backend.encode_query(query)
        pairs = [windows[0] for windows in backend.encode_documents(encoded, texts, options)]
        scores = np.zeros(len(pairs))
        made = batches([pair.tokens for pair in pairs], backend.description.batch_tokens)

        def run(lane: int, batch: list[int]) -> None:
            scores[batch] = backend.score([pairs[number] for number in batch], lane)

        side_by_side(made, backend.description.lanes, run)
        return scores

    return backend, score


def side_by_side(made: Sequence[list[int]], lanes: int, run: Callable[[int, list[int]], None]) -> None:
    """Hands each batch to the lane that is free first."""
    if lanes == 1:
        for batch in made:
            run(0, batch)
        return
    left: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
    for batch in made:
        left.put(batch)

    def work(lane: int) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                run(lane, left.get_nowait())

    with ThreadPoolExecutor(lanes) as threads:
        list(threads.map(work, range(lanes)))


def speed(sides: dict[str, Scorer], texts: Sequence[str], rounds: int) -> dict[str, dict[str, float]]:
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for score in sides.values():
        score(QUERY, texts)
    for _ in range(rounds):
        for name, score in sides.items():
            started = time.perf_counter()
            score(QUERY, texts)
            seconds[name].append(time.perf_counter() - started)

    def ratio(name: str, other: str) -> float:
        return statistics.median(b / a for a, b in zip(seconds[name], seconds[other], strict=True))

    return {
        name: {
            "pairs_per_second": len(texts) / statistics.median(seconds[name]),
            "of_stored": ratio(name, BASE),
            "of_fp32": ratio(name, OURS),
        }
        for name in sides
    }


def quality(judged: Sequence[Judged], sides: dict[str, Scorer]) -> dict[str, Quality]:
    scored = {name: [score(one.query, one.texts) for one in judged] for name, score in sides.items()}
    base = np.array([ndcg(one, scores) for one, scores in zip(judged, scored[OURS], strict=True)])
    found = {}
    for name, lists in scored.items():
        values = np.array([ndcg(one, scores) for one, scores in zip(judged, lists, strict=True)])
        pairs = list(zip(scored[OURS], lists, strict=True))
        found[name] = Quality(
            largest_change=max(float(np.abs(a - b).max()) for a, b in pairs),
            tau=statistics.mean(kendall_tau(a, b) for a, b in pairs),
            ndcg=float(values.mean()),
            ndcg_change=float((values - base).mean()),
            standard_error=float((values - base).std() / np.sqrt(len(values))),
        )
    return found


def ndcg(judged: Judged, scores: Scores) -> float:
    return ndcg_at_10([judged.gains[number] for number in np.argsort(-scores, kind="stable")], judged.ideal)


def kendall_tau(a: Scores, b: Scores) -> float:
    first, second = np.triu_indices(len(a), 1)
    agree = np.sign(a[first] - a[second]) * np.sign(b[first] - b[second])
    return float(agree.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=BUNDLED, help="directory of the model")
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--queries", type=int, default=30, help="of each collection; 0 = no quality")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--document-tokens", type=int, default=256, help="cut documents; 0 = model's limit")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    loaded = {
        precision.value: ours(arguments.model, precision, arguments.document_tokens)
        for precision in (Precision.FP32, Precision.INT8)
    }
    sides = {name: score for name, (_, score) in loaded.items()}
    texts, source = passages(arguments.pairs)
    timed = speed({BASE: StoredGraph(arguments.model).score, **sides}, texts, arguments.rounds)
    report_speed(timed, f"{len(texts)} pairs ({source}), {arguments.rounds} interleaved rounds")
    about = {
        "model": arguments.model.name,
        "served_as": {name: backend.description.precision for name, (backend, _) in loaded.items()},
        "onnxruntime": ort.__version__,
        "machine": platform.machine(),
        "pairs": len(texts),
        "rounds": arguments.rounds,
        "queries_per_collection": arguments.queries,
        "candidates": arguments.candidates,
        "document_tokens": arguments.document_tokens,
        "speed": timed,
    }
    found: dict[str, dict[str, Quality]] = {}
    keep(arguments.output, about, found)
    for collection in COLLECTIONS if arguments.queries else ():
        if not (SHARED / collection).is_dir():
            print(f"{collection}: skipped, {SHARED.name}/{collection} is not there")
            continue
        judged = judged_queries(collection, arguments.queries, arguments.candidates)
        found[collection] = quality(judged, sides)
        report_quality(collection, found[collection], len(judged))
        keep(arguments.output, about, found)


def keep(path: Path, about: dict[str, object], found: dict[str, dict[str, Quality]]) -> None:
    """Writes what is known so far: a long run that is ended early is not lost."""
    named = {
        collection: {name: vars_of(value) for name, value in by_precision.items()}
        for collection, by_precision in found.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**about, "quality": named}, indent=2) + "\n")


def vars_of(value: Quality) -> dict[str, float]:
    return {name: round(getattr(value, name), 5) for name in Quality.__dataclass_fields__}


def report_speed(timed: dict[str, dict[str, float]], title: str) -> None:
    print(title)
    for name, row in timed.items():
        print(
            f"{name:14} {row['pairs_per_second']:7.0f} pairs/s   x{row['of_stored']:.2f} of the stored graph"
            f"   x{row['of_fp32']:.2f} of our fp32",
            flush=True,
        )


def report_quality(collection: str, found: dict[str, Quality], queries: int) -> None:
    for name, row in found.items():
        print(
            f"{collection:11} {queries:4} queries  {name:5} largest change {row.largest_change:.3f}"
            f"  tau {row.tau:.4f}  nDCG@10 {row.ndcg:.4f}  change {row.ndcg_change:+.4f}"
            f" (standard error {row.standard_error:.4f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
