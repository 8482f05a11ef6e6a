"""Pairs per second through the whole service, beside plain onnxruntime loops on the same model and text.

Both sides run on this machine in one run, interleaved, each in its own process; only the ratios mean
anything on a noisy machine. The loops are what people write first: batches of 32 in arrival order with
the tokenizer's own pair encoding, and the best hand-tuned one (sorted by length, 4 in a batch).

    .venv/bin/python scripts/bench/throughput.py --pairs 400 --rounds 5
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import onnxruntime as ort
from passages import passages
from server_process import server
from startup import BUNDLED
from tokenizers import Tokenizer

from rerankd.client import Client

QUERY = "what are the treatments for high blood pressure in adults"


class PlainLoop:
    """Tokenize, pad, run: no scheduler, no transport."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        self._session = ort.InferenceSession(
            str(BUNDLED / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(BUNDLED / "tokenizer.json"))
        self._tokenizer.enable_truncation(512)
        self._tokenizer.no_padding()

    def score(self, texts: list[str], rows: int, *, by_length: bool) -> list[float]:
        encodings = self._tokenizer.encode_batch([(QUERY, text) for text in texts])
        order = list(range(len(texts)))
        if by_length:
            order.sort(key=lambda i: len(encodings[i].ids))
        logits = [0.0] * len(texts)
        for start in range(0, len(order), rows):
            part = order[start : start + rows]
            width = max(len(encodings[i].ids) for i in part)
            feed = {
                name: np.array(
                    [getattr(encodings[i], field) + [0] * (width - len(encodings[i].ids)) for i in part]
                )
                for name, field in (
                    ("input_ids", "ids"),
                    ("attention_mask", "attention_mask"),
                    ("token_type_ids", "type_ids"),
                )
            }
            for i, logit in zip(part, self._session.run(None, feed)[0].reshape(-1), strict=True):
                logits[i] = float(logit)
        return logits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    texts, source = passages(arguments.pairs)
    loop = PlainLoop()
    with server() as target, Client(target) as client:
        sides: dict[str, Callable[[], object]] = {
            "plain loop, 32 rows, arrival order": lambda: loop.score(texts, 32, by_length=False),
            "plain loop, 4 rows, sorted": lambda: loop.score(texts, 4, by_length=True),
            "rerankd unary, 100 a call": lambda: [
                client.rerank(QUERY, texts[i : i + 100]) for i in range(0, len(texts), 100)
            ],
            "rerankd stream": lambda: client.rerank_stream(QUERY, texts, top_n=10).summary(),
        }
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for side in sides.values():
            side()
        for _ in range(arguments.rounds):
            for name, side in sides.items():
                started = time.perf_counter()
                side()
                seconds[name].append(time.perf_counter() - started)
    report(seconds, len(texts), source)


def report(seconds: dict[str, list[float]], pairs: int, source: str) -> None:
    print(f"{pairs} pairs ({source}), median of {len(next(iter(seconds.values())))} interleaved rounds")
    base = statistics.median(next(iter(seconds.values())))
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:36} {pairs / median:7.0f} pairs/s   x{base / median:.2f} of the first line")


if __name__ == "__main__":
    main()
