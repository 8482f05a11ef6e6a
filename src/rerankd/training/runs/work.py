"""What a worker does: base, examples, training, export. Needs torch; imported by workers alone."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
import transformers
from sentence_transformers.cross_encoder import CrossEncoder

from rerankd.backends.onnx.devices import available_cores
from rerankd.training.export import DevQuery, ExportReport, ModelFacts, export
from rerankd.training.runs.base_models import MODEL
from rerankd.training.runs.dev import DevGroup
from rerankd.training.runs.dev_groups import CorpusJudgments, dev_groups, pair_budget
from rerankd.training.runs.devices import process_count, uses_bf16, uses_cuda
from rerankd.training.runs.examples import Examples, build_examples, cut
from rerankd.training.runs.fitting import Fitting, Plan
from rerankd.training.runs.groups import FILE as GROUPS
from rerankd.training.runs.groups import groups_of, split_groups
from rerankd.training.runs.journal import FILE as EVENTS
from rerankd.training.runs.journal import JournalReader
from rerankd.training.runs.ranks import Ranks, rank
from rerankd.training.runs.records import SECONDS, RunRecord, primary_name
from rerankd.training.runs.request import RunRequest
from rerankd.training.runs.starting_model import (
    QueryShortener,
    cross_encoder,
    longest_pair,
    prepare_base,
)
from rerankd.training.runs.stopping import Stop
from rerankd.training.runs.telling import Teller
from rerankd.training.types import RunEventType, TrainingGroup

CHECKPOINTS, EXPORT = "checkpoints", "export"
"""Folders of a run: the last states, and the directories that serve."""

_BASE, _DATA = "base", "data"


def work(request: RunRequest, directory: Path, teller: Teller, stop: Stop) -> None:
    """The run from where it is to its end, in this process and in others where there are several GPUs.

    Raises:
        StoppedError: It is to end before.
        RerankdError, BadDataError, DivergedError: It cannot be done; the message says why.
    """
    cuda = uses_cuda(request.config)
    processes = process_count(request.processes, cuda=cuda)
    threads = request.config.threads or max(1, available_cores() // processes)
    torch.set_num_threads(threads)
    with stop.at_once():
        prepare_base(request.base, directory / _BASE)
    with Ranks(directory, processes, threads):
        trained = fit(request, directory, teller, stop, cuda=cuda, processes=processes)
    with stop.at_once():
        report = _export(request, directory, trained)
    teller.log(_export_line(report))
    for folder in (_BASE, _DATA, CHECKPOINTS):
        shutil.rmtree(directory / folder, ignore_errors=True)
    (directory / GROUPS).unlink(missing_ok=True)
    _complete(request, directory, teller)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What the export needs."""

    model: transformers.PreTrainedModel
    tokenizer: transformers.PreTrainedTokenizerBase
    dev: Sequence[DevGroup]
    max_tokens: int


def fit(
    request: RunRequest, directory: Path, teller: Teller, stop: Stop, *, cuda: bool, processes: int
) -> Trained:
    """The training; every process of the run calls it."""
    config = request.config
    with stop.at_once():
        model, examples, dev = _material(request, directory, cuda=cuda)
    plan = Plan.of(examples, config, processes)
    teller.log(
        f"{examples.groups} groups train with {examples.pairs} pairs an epoch, {len(dev)} queries are dev; "
        f"{plan.steps} steps on {processes} x {'cuda' if cuda else 'cpu'}"
    )
    fitting = Fitting(
        model=model,
        examples=examples,
        dev=dev,
        config=config,
        plan=plan,
        checkpoints=directory / CHECKPOINTS,
        cuda=cuda,
        bf16=uses_bf16(config, cuda=cuda),
        processes=processes,
        seconds=_seconds_before(directory),
    )
    fitting.run(teller, stop)
    stop.check()
    return Trained(
        model=cast("transformers.PreTrainedModel", model.transformers_model),
        tokenizer=model.tokenizer,
        dev=dev,
        max_tokens=longest_pair(model, config.max_length),
    )


def _material(
    request: RunRequest, directory: Path, *, cuda: bool
) -> tuple[CrossEncoder, Examples, Sequence[DevGroup]]:
    """The model as it begins, what it is trained on, and what it is judged by meanwhile."""
    config = request.config
    transformers.set_seed(config.seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    device = f"cuda:{rank()}" if cuda else "cpu"
    model = cross_encoder(directory / _BASE, max_length=config.max_length, device=device)
    shorten = QueryShortener(model.tokenizer, longest_pair(model, config.max_length))
    corpus = request.layout.corpus(request.corpus_id)

    def groups() -> Iterator[TrainingGroup]:
        return groups_of(directory / GROUPS)

    judgments = CorpusJudgments.of(request.corpus_id, corpus)
    split = split_groups(
        groups,
        fraction=config.dev_fraction,
        dev_queries=judgments.queries("dev"),
        test_queries=judgments.queries("test"),
    )
    examples = build_examples(
        groups, split, config, shorten_query=shorten, cache=directory / _DATA / str(rank())
    )
    dev = dev_groups(
        judgments,
        groups,
        split,
        budget=pair_budget(examples.pairs),
        shorten_query=shorten,
        cut=lambda text: cut(text, config.snippet_chars),
    )
    return model, examples, dev


def _seconds_before(directory: Path) -> float:
    events = JournalReader(directory / EVENTS).read()
    return max((event.metrics.get(SECONDS, 0.0) for event in events), default=0.0)


def _export(request: RunRequest, directory: Path, trained: Trained) -> ExportReport:
    folder = directory / MODEL
    shutil.rmtree(folder, ignore_errors=True)
    trained.model.save_pretrained(folder)
    trained.tokenizer.save_pretrained(folder)
    return export(
        trained.model,
        trained.tokenizer,
        directory / EXPORT,
        facts=ModelFacts(
            id=f"learning/{request.corpus_id}",
            base=f"{request.base.name} at {request.base.revision or 'its main branch'}",
            notes=_notes(request, directory),
        ),
        dev=[
            DevQuery(
                query=group.query,
                texts=group.texts,
                labels=tuple(group.gains.get(name, 0.0) for name in group.ids),
            )
            for group in trained.dev
        ],
        max_tokens=trained.max_tokens,
        threads=request.config.threads,
    )


def _notes(request: RunRequest, directory: Path) -> dict[str, str]:
    settings = request.config.model_dump(mode="json")
    summary = _record(request, directory).info.summary
    metric = primary_name(request)
    value = "no dev query" if summary is None else f"{summary.best:.4f} at step {summary.best_step}"
    return {
        "Training": "\n".join(
            [
                f"Run `{request.id}` on corpus `{request.corpus_id}`.",
                f"Best {metric} on its dev queries: {value}.",
                "",
                "| data | |",
                "|---|---|",
                *(f"| {name} | {value} |" for name, value in request.dataset.items()),
            ]
        ),
        "Settings": "\n".join(
            ["| setting | |", "|---|---|", *(f"| {name} | {json.dumps(v)} |" for name, v in settings.items())]
        ),
    }


def _record(request: RunRequest, directory: Path) -> RunRecord:
    record = RunRecord(request)
    record.add(JournalReader(directory / EVENTS).read())
    return record


def _export_line(report: ExportReport) -> str:
    change = report.fp32.max_logit_change
    line = f"exported; fp32 is within {change:.1g} of torch, int8 weights within "
    line += f"{report.int8_weights.max_logit_change:.1g}"
    if report.int8 is None:
        return f"{line}; no int8 products: {report.int8_refused}"
    return (
        f"{line}, int8 products within {report.int8.max_logit_change:.1g} (tau {report.int8.kendall_tau:.3f})"
    )


def _complete(request: RunRequest, directory: Path, teller: Teller) -> None:
    summary = _record(request, directory).info.summary
    metrics = {} if summary is None else {name: float(value) for name, value in asdict(summary).items()}
    # In KiB on Linux.
    metrics["peak_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if torch.cuda.is_available():
        metrics["peak_gpu_memory_mib"] = torch.cuda.max_memory_allocated() / (1 << 20)
    teller.tell(RunEventType.COMPLETE, percent=100.0, metrics=metrics)
