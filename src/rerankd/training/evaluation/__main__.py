"""Evaluates model directories on folders in BEIR layout.

    python -m rerankd.training.evaluation --model DIR [--model NAME=DIR] --corpus DIR [DIR] --html OUT

The first model is the one that the others are compared with, beside BM25.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from rerankd.backends.onnx import OnnxSettings, Precision, Provider
from rerankd.config.training import EvaluationConfig
from rerankd.core.errors import InvalidRequestError, RerankdError
from rerankd.training.evaluation.evaluation import ALONE_AND_BLENDED, evaluate
from rerankd.training.evaluation.folders import BeirFolder
from rerankd.training.evaluation.measures import metric_names
from rerankd.training.evaluation.onnx_scorer import OnnxScorer
from rerankd.training.evaluation.report import EvaluationReport, Summary
from rerankd.training.evaluation.storage import save_all
from rerankd.training.evaluation.summary import summaries


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    given = _parser().parse_args(arguments)
    try:
        _evaluate(given)
    except (RerankdError, ValidationError) as error:
        sys.stderr.write("\n".join([str(error), *getattr(error, "__notes__", ())]) + "\n")
        return 1
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error.name} is missing; pip install 'rerankd[train]'\n")
        return 1
    return 0


def _evaluate(given: argparse.Namespace) -> None:
    config = EvaluationConfig(
        **{
            name: value
            for name in (
                "split",
                "candidates",
                "cutoffs",
                "max_queries",
                "max_tokens",
                "bootstrap_samples",
                "seed",
            )
            if (value := getattr(given, name)) is not None
        }
    )
    metric = given.metric or f"ndcg@{config.cutoffs[0]}"
    if metric not in metric_names(config.cutoffs):
        raise InvalidRequestError(f"metric {metric} is none of {', '.join(metric_names(config.cutoffs))}")
    settings = OnnxSettings(
        provider=Provider(given.provider), precision=Precision(given.precision), threads=given.threads
    )
    scorers = [
        OnnxScorer.of_directory(directory, name=name, max_tokens=config.max_tokens, settings=settings)
        for name, directory in given.model
    ]
    reports = []
    for path in given.corpus:
        corpus = BeirFolder(path)
        weights = given.blend or ALONE_AND_BLENDED
        report = evaluate(
            corpus, config.split, scorers, config, blend_weights=weights, progress=_progress(corpus.id)
        )
        reports.append(report)
        # What is known so far: a long run that is ended early is not lost.
        save_all(reports, [], json_path=given.json, html_path=None, metric=metric)
        _tell(report, metric)
    found = summaries(reports, metric) if len(reports) > 1 else []
    for summary in found:
        _tell_summary(summary)
    save_all(reports, found, json_path=given.json, html_path=given.html, metric=metric)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rerankd.training.evaluation", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add(
        "--model",
        type=_named,
        action="append",
        required=True,
        metavar="[NAME=]DIR",
        help="directory of a model, and what reports call it; can be repeated",
    )
    add("--corpus", type=Path, nargs="+", action="extend", required=True, help="folders in BEIR layout")
    add("--split", choices=["test", "dev", "train"])
    add("--candidates", type=int, help="documents of BM25 that are reranked; 100 unless told")
    add("--cutoffs", type=int, nargs="+", help="k of the metrics; 10 and 100 unless told")
    add("--max-queries", type=int, help="sample of the queries; 0 = all")
    add("--max-tokens", type=int, help="tokens of a pair; 256 unless told")
    add("--bootstrap-samples", type=int)
    add("--seed", type=int)
    add("--blend", type=float, nargs="+", help="original_score_weight of the systems; 0 and 0.5 unless told")
    add("--metric", help="what is shown and summarised; ndcg at the first cut-off unless told")
    add("--provider", choices=[provider.value for provider in Provider], default="auto")
    add("--precision", choices=[precision.value for precision in Precision], default="auto")
    add("--threads", type=int, default=0)
    add("--json", type=Path, help="where the numbers go, those of each query too")
    add("--html", type=Path, help="where the page goes")
    return parser


def _named(text: str) -> tuple[str, Path]:
    name, mark, directory = text.partition("=")
    return (name, Path(directory)) if mark else ("", Path(text))


def _progress(corpus: str) -> Callable[[str, int, int], None]:
    def tell(scorer: str, done: int, queries: int) -> None:
        if done % 25 == 0 or done == queries:
            sys.stderr.write(f"{corpus}: {scorer}: {done}/{queries}\n")

    return tell


def _tell(report: EvaluationReport, metric: str) -> None:
    for system in report.systems:
        estimate = system.metrics[metric]
        line = f"{report.corpus_id:12} {system.name:60} {metric} {estimate.mean:.4f}"
        for over, gains in system.gains.items():
            gain = gains[metric]
            line += f"  {gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] p {gain.p_value:.4f} over {over}"
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _tell_summary(summary: Summary) -> None:
    sys.stdout.write(
        f"mean of {len(summary.corpora):2} corpora {summary.system} over {summary.over}: {summary.metric} "
        f"{summary.mean:+.4f} [{summary.low:+.4f}, {summary.high:+.4f}] p {summary.p_value:.4f}; "
        f"other corpora [{summary.low_new_corpora:+.4f}, {summary.high_new_corpora:+.4f}]\n"
    )


if __name__ == "__main__":
    sys.exit(main())
