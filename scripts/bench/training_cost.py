"""What a training run costs here: a small one from start to end, a large one by its steady throughput.

The small run is real: a few hundred triplets, all epochs, export and all. Of the large one, 100,000 triplets,
a bounded window is measured; its minutes are computed from the pairs per second of that window and the time
of an evaluation. The model has the size of the bundled one and random weights, which cost the same.

    .venv/bin/python scripts/bench/training_cost.py
    .venv/bin/python scripts/bench/training_cost.py --quick
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import record
from passages import passages

from rerankd.config.training import RunConfig
from rerankd.training.layout import Layout
from rerankd.training.runs import BaseModel, RunManager
from rerankd.training.runs.locks import holder_of
from rerankd.training.types import RunEvent, RunStatus

BUNDLED = Path(__file__).parents[2] / "src/rerankd/artifacts/bundled"
CORPUS = "cost"
EVALUATIONS_AN_EPOCH = 5
NEGATIVES = 7


def write_base(directory: Path, layers: int) -> BaseModel:
    """A model of the bundled one's architecture and size."""
    from transformers import PreTrainedTokenizerFast

    from rerankd.training.modeling import SegmentGatedConfig, SegmentGatedModel

    tokenizer_file = next(BUNDLED.glob("*/tokenizer.json"))
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer_file),
        model_max_length=512,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **names,
    )
    model = SegmentGatedModel(SegmentGatedConfig(vocab_size=len(tokenizer), num_hidden_layers=layers))
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return BaseModel(name="random weights", revision="none", directory=str(directory))


def write_groups(corpus: Path, triplets: int) -> str:
    """groups.jsonl with so many triplets, and where its texts are from."""
    texts, source = passages(2000)
    place = itertools.cycle(texts)
    corpus.mkdir(parents=True, exist_ok=True)
    with (corpus / "groups.jsonl").open("w", encoding="utf-8") as file:
        for number in range(max(2, triplets // NEGATIVES)):
            documents = [
                {
                    "id": f"{number}-{rank}",
                    "text": next(place),
                    "label": float(rank == 0),
                    "teachers": {"bm25": float(NEGATIVES - rank)},
                }
                for rank in range(NEGATIVES + 1)
            ]
            query = f"{number} {' '.join(documents[0]['text'].split()[:8])}"
            group = {"query_id": str(number), "query": query, "documents": documents}
            file.write(json.dumps({**group, "weight": 1.0, "source": "qrels"}) + "\n")
    return source


async def whole_run(manager: RunManager, config: RunConfig) -> dict[str, Any]:
    started = time.perf_counter()
    run_id = (await asyncio.to_thread(manager.start, CORPUS, config)).id
    events = [event async for event in manager.events(run_id)]
    info = manager.get(run_id)
    if info.status is not RunStatus.COMPLETED:
        raise SystemExit(f"the run is {info.status}: {info.error}")
    trained = max(event.metrics.get("seconds", 0.0) for event in events)
    return {
        "triplets": info.dataset["triplets"],
        "epochs": config.epochs,
        "minutes": (time.perf_counter() - started) / 60,
        "minutes_of_training": trained / 60,
        "pairs_per_second": steady(events),
        "peak_memory_mib": max(event.metrics.get("peak_memory_mib", 0.0) for event in events),
    }


async def window_of_run(
    manager: RunManager, layout: Layout, config: RunConfig, seconds: float
) -> dict[str, Any]:
    run_id = (await asyncio.to_thread(manager.start, CORPUS, config)).id
    events: list[RunEvent] = []
    memory = 0.0
    async for event in manager.events(run_id):
        events.append(event)
        holder = holder_of(layout, CORPUS)
        memory = max(memory, peak_mib(holder.pid) if holder else 0.0)
        if event.metrics.get("seconds", 0.0) >= seconds and "mrr@10" in event.metrics:
            break
        if event.message in ("failed", "completed"):
            break
    info = await asyncio.to_thread(manager.cancel, run_id)
    if info.status is RunStatus.FAILED:
        raise SystemExit(info.error)
    rate, evaluation = steady(events), evaluation_seconds(events)
    pairs = int(str(info.dataset["documents"])) * config.epochs
    training = pairs / rate / 60
    evaluating = EVALUATIONS_AN_EPOCH * config.epochs * evaluation / 60
    return {
        "triplets": info.dataset["triplets"],
        "epochs": config.epochs,
        "window_seconds": max(event.metrics.get("seconds", 0.0) for event in events),
        "pairs_per_second": rate,
        "evaluation_seconds": evaluation,
        "minutes": training + evaluating,
        "minutes_of_training": training,
        "peak_memory_mib": memory,
    }


def steady(events: Sequence[RunEvent]) -> float:
    """Median over the logged steps, the first third left out."""
    rates = [event.metrics["pairs_per_second"] for event in events if "pairs_per_second" in event.metrics]
    return statistics.median(rates[len(rates) // 3 :])


def evaluation_seconds(events: Sequence[RunEvent]) -> float:
    found = []
    for before, event in itertools.pairwise(event for event in events if "seconds" in event.metrics):
        if "mrr@10" in event.metrics:
            found.append(event.metrics["seconds"] - before.metrics["seconds"])
    return statistics.median(found) if found else 0.0


def peak_mib(pid: int) -> float:
    """Largest resident size of a process so far; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


async def measure(chosen: argparse.Namespace, root: Path) -> dict[str, Any]:
    layout = Layout(root)
    base = write_base(root / "base", chosen.layers)
    manager = RunManager(layout, find_base=lambda _: base, tracking_uri=chosen.tracking_uri)
    settings = {
        "loss": "distillation",
        "batch_size": chosen.batch_size,
        "max_length": chosen.max_length,
        "device": chosen.device,
        "nice": 0,
    }
    source = write_groups(layout.corpus(CORPUS), chosen.triplets)
    small = await whole_run(manager, RunConfig(**settings))
    write_groups(layout.corpus(CORPUS), chosen.many_triplets)
    config = RunConfig(**settings, eval_steps=chosen.eval_steps)
    large = await window_of_run(manager, layout, config, chosen.window_seconds)
    manager.close()
    return {"passages": source, "small": small, "large": large}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--triplets", type=int, default=300)
    parser.add_argument("--many-triplets", type=int, default=100_000)
    parser.add_argument("--window-seconds", type=float, default=240.0)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--eval-steps", type=int, default=10)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--device", default="auto")
    # Nobody listens there: what the store costs is not the subject, and is no part of the training's time.
    parser.add_argument("--tracking-uri", default="http://127.0.0.1:9")
    parser.add_argument("--quick", action="store_true", help="a tiny model and a window of seconds")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.triplets, chosen.many_triplets, chosen.window_seconds = 60, 2000, 5.0
        chosen.layers, chosen.eval_steps, chosen.batch_size, chosen.max_length = 3, 2, 4, 48
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with tempfile.TemporaryDirectory(prefix="training-cost-") as folder:
        figures = asyncio.run(measure(chosen, Path(folder)))
    record.write("training_cost", chosen, figures)
    print(json.dumps(record.rounded(figures), indent=1))


if __name__ == "__main__":
    main()
