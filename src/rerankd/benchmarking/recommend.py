"""From figures to settings."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from rerankd.backends.onnx.tuning import worth_of
from rerankd.benchmarking.report import CaseFigures, Closeness, Recommendation, SubjectFigures

GAIN = 1.15
"""What is less exact has to be so many times as fast."""

LEAST_OVERLAP = 0.9
"""Of the first ten documents, what a less exact precision has to have in common with the exact one."""


def speed_ratio(one: SubjectFigures, other: SubjectFigures, *, crowded: bool = False) -> float | None:
    """How many times as many pairs a second the first one scores: the median over cases.

    Only cases that both have count; `crowded`: only those with several callers. None without any.
    """
    theirs = {_key(case): case.pairs_per_second for case in other.cases}
    ratios = [
        case.pairs_per_second / rate
        for case in one.cases
        if case.pairs_per_second and (rate := theirs.get(_key(case))) and (case.callers > 1 or not crowded)
    ]
    return statistics.median(ratios) if ratios else None


def choose_precision(
    figures: Sequence[SubjectFigures], closeness: Sequence[Closeness] = ()
) -> tuple[SubjectFigures, list[str]]:
    """One of the precisions of a model, and why; the others have to beat the first one, the exact one."""
    base, reasons = figures[0], []
    chosen, best = base, 1.0
    near = {each.subject: each for each in closeness}
    for other in figures[1:]:
        ratio = speed_ratio(other, base)
        if ratio is None:
            reasons.append(f"{_precision(other)} was not compared: there was no time for it")
            continue
        said = f"{_precision(other)} scores {ratio:.2f} times as many pairs a second as {_precision(base)}"
        close = near.get(other.name)
        if close is not None:
            said += f", and {close.top10_overlap:.0%} of the first ten documents are the same"
        elif ratio >= GAIN:
            said += (
                "; its scores move by some hundredths: --queries with your own data tells how near they are"
            )
        reasons.append(said)
        good = close is None or close.top10_overlap >= LEAST_OVERLAP
        if good and ratio >= max(GAIN, best):
            chosen, best = other, ratio
    return chosen, reasons


def choose_lanes(trials: Sequence[SubjectFigures]) -> tuple[SubjectFigures, list[str]]:
    """One of the numbers of lanes that were tried, and why, by the rule that a load goes by."""
    by_lanes = sorted(trials, key=lambda trial: trial.facts.lanes)
    fewest, reasons = by_lanes[0], []
    chosen, best = fewest, worth_of(fewest.facts.lanes)
    for other in by_lanes[1:]:
        ratio = speed_ratio(other, fewest, crowded=True)
        if ratio is None:
            continue
        reasons.append(
            f"{other.facts.lanes} lanes score {ratio:.2f} times as many pairs a second for several callers "
            f"as {fewest.facts.lanes}"
        )
        if ratio * worth_of(other.facts.lanes) > best:
            chosen, best = other, ratio * worth_of(other.facts.lanes)
    return chosen, reasons


def recommendation(chosen: SubjectFigures, reasons: Sequence[str]) -> Recommendation:
    """The settings of what was chosen."""
    facts = chosen.facts
    model = [f'model = "{facts.model_setting}"', ""] if facts.model_setting else []
    return Recommendation(
        model=facts.model,
        precision=facts.precision_setting,
        lanes=facts.lanes,
        batch_tokens=facts.batch_tokens,
        reasons=reasons,
        toml="\n".join(
            [
                *model,
                "[onnx]",
                f'precision = "{facts.precision_setting}"',
                f"lanes = {facts.lanes}",
                f"batch_tokens = {facts.batch_tokens}",
                "",
            ]
        ),
    )


def _key(case: CaseFigures) -> tuple[str, int, int]:
    return case.kind, case.documents, case.callers


def _precision(figures: SubjectFigures) -> str:
    return figures.facts.precision or figures.name
