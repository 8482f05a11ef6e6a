"""Writes the model card of the bundled model, with the figures that `judge.py` found."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rerankd.training.evaluation.report import EvaluationReport, Gain, Summary, System, from_json

CARD = Path(__file__).with_name("card.md")
"""The text, with places for tables of figures."""
_METRIC = "ndcg@10"
_BLEND = 0.5


def figures(reports: list[EvaluationReport]) -> str:
    """nDCG@10 on each collection: BM25, each system with the interval of its gain over BM25."""
    lines = [
        "| collection | queries | BM25 | this model | gain | blended | gain | bi-encoder | model before |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for report in reports:
        new, trunk, before = _scorers(report)
        cells = [
            report.corpus_id,
            str(len(report.queries)),
            _mean(report.systems[0]),
            _mean(report.model(new)),
            _gain(report.model(new).gains[report.first_stage][_METRIC]),
            _mean(report.model(new, _BLEND)),
            _gain(report.model(new, _BLEND).gains[report.first_stage][_METRIC]),
            _mean(report.model(trunk)),
            _mean(report.model(before)) if before else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def means(summaries: list[Summary]) -> str:
    """Mean gains over the collections."""
    lines = [
        "| system | over | mean gain | 95 % interval | p |",
        "|---|---|---|---|---|",
    ]
    for summary in summaries:
        interval = f"{summary.low:+.3f} to {summary.high:+.3f}"
        lines.append(
            f"| {_short(summary.system)} | {_short(summary.over)} | {summary.mean:+.3f} | {interval} "
            f"| {_p(summary.p_value)} |"
        )
    return "\n".join(lines)


def _scorers(report: EvaluationReport) -> tuple[str, str, str]:
    names = list(dict.fromkeys(system.scorer for system in report.systems if system.scorer))
    return names[0], names[1], names[2] if len(names) > 2 else ""


def _mean(system: System) -> str:
    return f"{system.metrics[_METRIC].mean:.3f}"


def _gain(gain: Gain) -> str:
    return f"{gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"


def _short(name: str) -> str:
    """Names of scorers end with a revision, which says nothing in a card."""
    model, _, rest = name.partition("@")
    blend = rest[rest.index(" + ") :] if " + " in rest else ""
    return f"{model}{blend}"


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluation", type=Path, required=True)
    parser.add_argument("--parity", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    options = parser.parse_args()
    told = json.loads(options.evaluation.read_bytes())
    parity = json.loads(options.parity.read_bytes())
    products = parity["int8"]
    text = CARD.read_text(encoding="utf-8").format(
        figures=figures([from_json(EvaluationReport, value) for value in told["reports"]]),
        means=means([from_json(Summary, value) for value in told["summaries"]]),
        torch=f"{parity['fp32']['max_logit_change']:.1e}",
        tau=f"{parity['int8_weights']['kendall_tau']:.4f}",
        change=f"{parity['int8_weights']['ndcg_change']:+.4f}",
        products=(
            f"Kendall's tau {products['kendall_tau']:.4f}, nDCG@10 {products['ndcg_change']:+.4f}"
            if products
            else f"not used for this model: {parity['int8_refused']}"
        ),
    )
    (options.bundle / "MODEL_CARD.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
