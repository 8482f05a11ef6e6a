"""The same weights and pairs through other rerankers, each in an environment and a process of its own.

A call is one query with 100 documents, text in and scores out, float32. In each round our two sides are
timed right before each batch size of each peer, and a ratio is the median over rounds of the peer's time
over ours beside it. Every peer runs with its default batch and with 4, 8, 16 and 32 where it has the choice.
The first run downloads several GB into the user's cache folder.

    .venv/bin/python scripts/bench/peers.py --pairs 200 --rounds 5
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import record
from environments import CACHE, PINS, NotInstalledError, python_of, versions_of
from passages import passages
from precision import ours
from server_process import free_port, server

from rerankd.backends.onnx import Precision
from rerankd.client import Client

QUERY = "what are the treatments for high blood pressure in adults"
CALL = 100
BATCHES = (4, 8, 16, 32)
HERE = Path(__file__).parent

PEERS = {
    "sentence-transformers torch": "sentence-transformers",
    "sentence-transformers onnx": "sentence-transformers",
    "fastembed": "fastembed",
    "flashrank": "flashrank",
    "rerankers": "rerankers",
    "infinity": "infinity",
}
"""Name of each peer, and its environment."""
FIXED_BATCH = ("flashrank", "infinity")
"""No choice for a call: FlashRank pads all documents to one batch, infinity chooses at its start."""

IN_PROCESS, SERVED = "rerankd in process", "rerankd served"
Run = Callable[["int | None"], tuple[float, list[float]]]
"""Takes the batch, gives seconds and scores."""


@dataclass
class Timed:
    """One peer with one batch, over all rounds."""

    seconds: list[float] = field(default_factory=list)
    beside: dict[str, list[float]] = field(default_factory=lambda: {IN_PROCESS: [], SERVED: []})
    """Seconds of our sides right before it."""


def model_folder() -> Path:
    """The model, written by the peers' own tools at the first run."""
    folder = CACHE / "l6"
    if not (folder / "onnx" / "model.onnx").exists():
        command = [str(python_of("sentence-transformers")), str(HERE / "peer_model.py"), str(folder)]
        subprocess.run(
            command, check=True, env=offline(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    return folder


def offline() -> dict[str, str]:
    """An environment in which nobody asks the Hub or sends statistics."""
    return {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "DO_NOT_TRACK": "1",
        "INFINITY_ANONYMOUS_USAGE_STATS": "0",
        "CUDA_VISIBLE_DEVICES": "",
    }


def in_batches_of_call(texts: Sequence[str]) -> list[list[str]]:
    return [list(texts[start : start + CALL]) for start in range(0, len(texts), CALL)]


def timed(score: Callable[[list[str]], list[float]], calls: list[list[str]]) -> tuple[float, list[float]]:
    started = time.perf_counter()
    scores = [one for texts in calls for one in score(texts)]
    return time.perf_counter() - started, scores


class Worker:
    """A library in its own process; see `peer_worker.py`."""

    def __init__(self, name: str, folder: Path, calls: list[list[str]]) -> None:
        command = [str(python_of(PEERS[name])), str(HERE / "peer_worker.py"), name, str(folder)]
        self._log = (CACHE / f"{name.replace(' ', '-')}.log").open("w+")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, env=offline()
        )
        self._calls = calls
        self._read()

    def run(self, batch: int | None) -> tuple[float, list[float]]:
        assert self._process.stdin is not None
        task = {"query": QUERY, "calls": self._calls, "batch": batch}
        print(json.dumps(task), file=self._process.stdin, flush=True)
        answer = self._read()
        return answer["seconds"], answer["scores"]

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._log.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise NotInstalledError((self._log.read().strip().splitlines() or ["it ended"])[-1])
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def infinity(folder: Path, calls: list[list[str]]) -> Iterator[Run]:
    """infinity-emb's own server with its default batch, over HTTP."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(python_of("infinity").parent / "infinity_emb"), "v2", "--model-id", str(folder)]
    command += ["--engine", "torch", "--device", "cpu", "--dtype", "float32", "--port", str(port)]
    command += ["--no-bettertransformer", "--served-model-name", "l6", "--log-level", "error"]
    with (CACHE / "infinity.log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=offline())
        try:
            wait_for(f"{url}/health", process, log)

            def score(texts: list[str]) -> list[float]:
                body = {"model": "l6", "query": QUERY, "documents": texts, "raw_scores": True}
                results = ask(f"{url}/rerank", body)["results"]
                by_index = {one["index"]: one["relevance_score"] for one in results}
                return [by_index[number] for number in range(len(texts))]

            yield lambda _: timed(score, calls)
        finally:
            process.terminate()
            process.wait(timeout=30)


def ask(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as reply:
        answer: dict[str, Any] = json.load(reply)
        return answer


def wait_for(url: str, process: subprocess.Popen[bytes], log: Any, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until:
        try:
            ask(url)
        except OSError:
            time.sleep(0.2)
        else:
            return
    log.seek(0)
    raise NotInstalledError((log.read().strip().splitlines() or ["it did not answer"])[-1])


def start_peers(
    names: Sequence[str], folder: Path, calls: list[list[str]], stack: ExitStack
) -> tuple[dict[str, Run], dict[str, str]]:
    """The peers that came up, and why the others did not."""
    running: dict[str, Run] = {}
    missing: dict[str, str] = {}
    for name in names:
        print(f"starting {name}", file=sys.stderr, flush=True)
        try:
            if name == "infinity":
                running[name] = stack.enter_context(infinity(folder, calls))
            else:
                running[name] = stack.enter_context(closing(Worker(name, folder, calls))).run
            running[name](None)
        except NotInstalledError as error:
            missing[name] = str(error)
            running.pop(name, None)
    return running, missing


def our_sides(folder: Path, calls: list[list[str]], stack: ExitStack) -> dict[str, Run]:
    # No score cache: the same pairs come in every round.
    target = stack.enter_context(server("--model", str(folder), "--set", "cache.max_mib=0"))
    client = stack.enter_context(Client(target))
    _, engine = ours(folder, Precision.FP32, 0)

    def served(texts: list[str]) -> list[float]:
        results = client.rerank(QUERY, texts).results
        by_index = {one.index: one.score for one in results}
        return [by_index[number] for number in range(len(texts))]

    return {
        IN_PROCESS: lambda _: timed(lambda texts: engine(QUERY, texts).tolist(), calls),
        SERVED: lambda _: timed(served, calls),
    }


def disagreement(logits: Sequence[float], scores: Sequence[float]) -> float:
    """Largest difference to ours; a peer that gives probabilities is compared in probabilities."""
    if all(0 <= score <= 1 for score in scores):
        logits = [1 / (1 + math.exp(-logit)) for logit in logits]
    return max(abs(a - b) for a, b in zip(logits, scores, strict=True))


def measure(
    sides: dict[str, Run], running: dict[str, Run], batches: Sequence[int], rounds: int
) -> Iterator[tuple[dict[tuple[str, int], Timed], dict[str, float]]]:
    """After each round: times of each peer by batch, 0 for its default; how far its scores are from ours."""
    found: dict[tuple[str, int], Timed] = {}
    logits = sides[IN_PROCESS](None)[1]
    apart: dict[str, float] = {SERVED: disagreement(logits, sides[SERVED](None)[1])}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for name, run in running.items():
            for batch in (0, *(() if name in FIXED_BATCH else batches)):
                # Beside each batch, not once a peer: what else the machine does changes within a minute.
                beside = {side: ask_us(None)[0] for side, ask_us in sides.items()}
                entry = found.setdefault((name, batch), Timed())
                seconds, scores = run(batch or None)
                entry.seconds.append(seconds)
                for side, values in entry.beside.items():
                    values.append(beside[side])
                apart[name] = max(apart.get(name, 0.0), disagreement(logits, scores))
        yield found, apart


def figures(found: dict[tuple[str, int], Timed], apart: dict[str, float], pairs: int) -> dict[str, Any]:
    everything = [entry.beside for (_, batch), entry in found.items() if batch == 0]
    us = {
        side: pairs / statistics.median([value for beside in everything for value in beside[side]])
        for side in (IN_PROCESS, SERVED)
    }
    rows = [
        {
            "peer": name,
            "batch": batch or "default",
            "pairs_per_second": pairs / statistics.median(entry.seconds),
            "in_process_ratio": record.median_ratio(entry.seconds, entry.beside[IN_PROCESS]),
            "served_ratio": record.median_ratio(entry.seconds, entry.beside[SERVED]),
            "served_ratio_by_round": [
                a / b for a, b in zip(entry.seconds, entry.beside[SERVED], strict=True)
            ],
        }
        for (name, batch), entry in found.items()
    ]
    return {"ours_pairs_per_second": us, "peers": rows, "largest_score_difference": apart}


def report(result: dict[str, Any], missing: dict[str, str]) -> None:
    for side, speed in result["ours_pairs_per_second"].items():
        print(f"{side:28}          {speed:7.0f} pairs/s")
    print(f"{'peer':28} {'batch':>7} {'pairs/s':>9} {'in process /':>13} {'served /':>9}  each round")
    for row in result["peers"]:
        each = " ".join(f"{value:.2f}" for value in row["served_ratio_by_round"])
        print(
            f"{row['peer']:28} {row['batch']:>7} {row['pairs_per_second']:9.0f} "
            f"{row['in_process_ratio']:12.2f}x {row['served_ratio']:8.2f}x  {each}"
        )
    for name, value in result["largest_score_difference"].items():
        print(f"{name}: scores within {value:.1e} of ours")
    for name, reason in missing.items():
        print(f"{name}: left out: {reason}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default=",".join(PEERS), help="names, separated by commas")
    parser.add_argument("--quick", action="store_true", help="100 pairs, 1 round, default batches")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.pairs, chosen.rounds = 100, 1
    texts, source = passages(chosen.pairs)
    calls = in_batches_of_call(texts)
    folder = model_folder()
    pins = {name: versions_of(name) for name in PINS if name in set(PEERS.values())}
    with ExitStack() as stack:
        running, missing = start_peers(chosen.peers.split(","), folder, calls, stack)
        sides = our_sides(folder, calls, stack)
        for found, apart in measure(sides, running, () if chosen.quick else BATCHES, chosen.rounds):
            # Kept after every round: a long run that is ended early is not lost.
            result = figures(found, apart, len(texts))
            record.write("peers", chosen, result, text=source, peers=pins, left_out=missing)
    report(result, missing)


if __name__ == "__main__":
    main()
