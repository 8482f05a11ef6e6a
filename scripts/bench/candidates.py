"""How many candidates to rerank: quality and latency against their number, for the bundled model.

Quality: the first 200 of BM25 for a fixed sample of test queries of each collection in shared/data are scored
once through a real server. A pair's score does not depend on the others of its call, so that the first k of
them are what a call with k candidates would have ranked. Latency: calls of each size in turn, in one run;
only the ratio to a call of 100 in the same round means anything on a noisy machine.

    .venv/bin/python scripts/bench/candidates.py            measures, writes the results and draws them
    .venv/bin/python scripts/bench/candidates.py --draw     draws the results that are there
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import record
from passages import SHARED, passages
from retrieval import Judged, judged_queries, ndcg_at_10
from server_process import server

from rerankd.client import Client

# Those of shared/data that have 200 candidates to give, and more than a paragraph to a question.
COLLECTIONS = ("scifact", "cranfield", "liveqa-med")
SIZES = (10, 20, 30, 50, 75, 100, 150, 200)
REFERENCE = 100
BLEND = 0.5
PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "candidates.svg"
QUERY = "what are the treatments for high blood pressure in adults"
INK = "#1a1a1a"

Floats = npt.NDArray[np.float64]


def logits(client: Client, judged: Judged, document_tokens: int) -> Floats:
    """Of all candidates of a query, in the order of BM25."""
    response = client.rerank(
        judged.query,
        judged.texts,
        raw_scores=True,
        max_tokens_per_document=document_tokens,
        timeout_seconds=300,
    )
    found = np.zeros(len(judged.texts))
    for result in response.results:
        found[result.index] = result.score
    return found


def orders(judged: Judged, scored: Floats, size: int) -> dict[str, float]:
    """nDCG@10 of one query by what puts its first `size` candidates in order."""
    first, logit = np.array(judged.bm25[:size]), scored[:size]
    gains = np.array(judged.gains[:size])
    by = {
        "bm25": first,
        "model": logit,
        "blended": (1 - BLEND) * standardised(logit) + BLEND * standardised(first),
        "best possible": gains,
    }
    return {
        name: ndcg_at_10(gains[np.argsort(-values, kind="stable")].tolist(), judged.ideal)
        for name, values in by.items()
    }


def standardised(values: Floats) -> Floats:
    """z-scores, as `original_score_weight` makes them."""
    spread = float(values.std())
    return (values - values.mean()) / spread if spread else np.zeros(len(values))


def quality(
    client: Client, queries: int, document_tokens: int
) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Collection -> size -> nDCG@10 of each query."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for collection in COLLECTIONS:
        if not (SHARED / collection).is_dir():
            print(f"{collection}: skipped, {SHARED.name}/{collection} is not there")
            continue
        judged = judged_queries(collection, queries, max(SIZES))
        scored = [logits(client, one, document_tokens) for one in judged]
        found[collection] = {
            str(size): [orders(one, of_one, size) for one, of_one in zip(judged, scored, strict=True)]
            for size in SIZES
        }
        at = found[collection][str(REFERENCE)]
        print(
            f"{collection}: {len(judged)} queries, model {mean(at, 'model'):.4f} at {REFERENCE}", flush=True
        )
    return found


def mean(rows: Sequence[dict[str, float]], name: str) -> float:
    return statistics.fmean(row[name] for row in rows)


def summary(found: dict[str, dict[str, list[dict[str, float]]]]) -> dict[str, Any]:
    """Means over all queries, each collection weighing the same, and how sure the model's change is."""
    by_size: dict[str, Any] = {}
    for size in map(str, SIZES):
        means = {
            name: statistics.fmean(mean(rows[size], name) for rows in found.values())
            for name in ("bm25", "model", "blended", "best possible")
        }
        errors = [standard_error(rows[size], rows[str(REFERENCE)]) for rows in found.values()]
        by_size[size] = {
            **means,
            "standard_error_of_model_over_reference": math.hypot(*errors) / len(errors),
        }
    return by_size


def standard_error(rows: Sequence[dict[str, float]], reference: Sequence[dict[str, float]]) -> float:
    """Of the mean difference between two sizes, over the queries of one collection."""
    changes = [row["model"] - other["model"] for row, other in zip(rows, reference, strict=True)]
    return statistics.stdev(changes) / math.sqrt(len(changes)) if len(changes) > 1 else 0.0


def latency(client: Client, rounds: int, document_tokens: int) -> dict[str, dict[str, float]]:
    """Size -> its time over that of a call of 100, and milliseconds as they were."""
    texts, source = passages(max(SIZES))
    seconds: dict[int, list[float]] = {size: [] for size in SIZES}
    for number in range(rounds + 1):
        for size, times in seconds.items():
            started = time.perf_counter()
            client.rerank(QUERY, texts[:size], max_tokens_per_document=document_tokens, timeout_seconds=300)
            if number:  # The first round warms up.
                times.append(time.perf_counter() - started)
    print(f"latency: {rounds} rounds of {len(texts)} passages ({source})", flush=True)
    return {
        str(size): {
            "over_reference": record.median_ratio(times, seconds[REFERENCE]),
            "median_ms": 1000 * statistics.median(times),
        }
        for size, times in seconds.items()
    }


def draw(figures: dict[str, Any], target: Path) -> None:
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    # The same figures make the same file.
    mpl.rcParams.update({"text.color": INK, "svg.hashsalt": "candidates", "svg.fonttype": "none"})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for name, label, colour, style in (
        ("best possible", "best possible order", "#b8bec6", ":"),
        ("model", "bundled model alone", "#1f4e79", "-"),
        ("blended", f"blended, weight {BLEND:g}", "#d9822b", "-"),
        ("bm25", "BM25", "#6b7280", "--"),
    ):
        values = [figures["ndcg_at_10"][str(size)][name] for size in SIZES]
        left.plot(SIZES, values, color=colour, linestyle=style, marker=".", label=label)
    left.set(xlabel="candidates", ylabel="nDCG@10", xlim=(0, 205))
    ratios = [figures["latency"][str(size)]["over_reference"] for size in SIZES]
    right.plot(SIZES, ratios, color="#1f4e79", marker=".")
    right.set(
        xlabel="candidates", ylabel=f"latency, {REFERENCE} candidates = 1", xlim=(0, 205), ylim=(0, None)
    )
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
    left.legend(frameon=False, fontsize=8)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, facecolor="white", metadata={"Date": None})
    print(f"wrote {target.name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=30, help="of each collection")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--document-tokens", type=int, default=128, help="cut documents")
    parser.add_argument("--quick", action="store_true", help="shows that it works; measures nothing")
    parser.add_argument("--draw", action="store_true", help="only draw what results/candidates.json holds")
    arguments = parser.parse_args()
    if not arguments.draw:
        queries, rounds = (2, 1) if arguments.quick else (arguments.queries, arguments.rounds)
        with server("--set", "cache.max_mib=0") as target, Client(target) as client:
            seconds = latency(client, rounds, arguments.document_tokens)
            found = quality(client, queries, arguments.document_tokens)
        if not found:
            return
        record.write("candidates", arguments, {"ndcg_at_10": summary(found), "latency": seconds})
    if not arguments.quick:
        content = json.loads((record.RESULTS / "candidates.json").read_text(encoding="utf-8"))
        draw(content["figures"], PICTURE)


if __name__ == "__main__":
    main()
