"""Whether a trained model may serve: every condition, with its numbers, met or not."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from rerankd.config.training import PromotionConfig
from rerankd.core.errors import InvalidRequestError, PromotionRefusedError
from rerankd.training.evaluation.report import EvaluationReport, Gain

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of a candidate."""

    candidate: str
    """Name of the candidate, for messages."""
    in_use: str
    """Name of the model that it would replace."""
    metric: str
    queries: int
    gain: Gain
    """Of the candidate over the model in use, on the same queries."""
    int8_loss: float | None = None
    """nDCG@10 that the int8 export loses against fp32; None = not measured."""
    load_error: str = ""
    """Why serving's own loader (contract, golden pairs) refuses the candidate; empty = it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition of the gate."""

    name: str
    """`gain`, `queries`, `int8` or `loads`."""
    met: bool
    message: str
    """The condition with its numbers, in one sentence."""
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the gate says, and why."""

    candidate: str
    in_use: str
    conditions: tuple[Condition, ...]

    @property
    def allowed(self) -> bool:
        """Whether every condition is met."""
        return all(condition.met for condition in self.conditions)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Messages of the conditions that are not met."""
        return tuple(condition.message for condition in self.conditions if not condition.met)


def evidence_of(
    report: EvaluationReport,
    *,
    candidate: str,
    in_use: str,
    metric: str = "ndcg@10",
    int8_loss: float | None = None,
    load_error: str = "",
) -> Evidence:
    """What an evaluation says of a candidate, alone, against the model in use, alone.

    Raises:
        InvalidRequestError: The report does not compare the two by this metric.
    """
    try:
        over = report.model(in_use).name
        gain = report.model(candidate).gains[over][metric]
    except KeyError as error:
        raise InvalidRequestError(
            f"the evaluation does not compare {candidate} with {in_use} by {metric}; "
            "evaluate both, the model in use first"
        ) from error
    return Evidence(
        candidate=candidate,
        in_use=in_use,
        metric=metric,
        queries=len(report.queries),
        gain=gain,
        int8_loss=int8_loss,
        load_error=load_error,
    )


def decide(evidence: Evidence, config: PromotionConfig) -> Decision:
    """Weighs a candidate; refuses nothing by itself, see `require`."""
    return Decision(
        candidate=evidence.candidate,
        in_use=evidence.in_use,
        conditions=(
            _enough_queries(evidence, config),
            _gain(evidence, config),
            *_int8(evidence, config),
            _loads(evidence),
        ),
    )


def require(decision: Decision, *, force: str = "") -> None:
    """Returns if the candidate may serve.

    `force`: why it is to serve although a condition is not met; logged. A model that cannot be loaded is
    refused all the same.

    Raises:
        PromotionRefusedError: It may not; message and metadata hold the numbers.
    """
    if decision.allowed:
        return
    loads = all(condition.met for condition in decision.conditions if condition.name == "loads")
    if force.strip() and loads:
        logger.warning(
            "promotion forced",
            extra={"candidate": decision.candidate, "because": force, "refused_for": list(decision.reasons)},
        )
        return
    raise PromotionRefusedError(
        f"{decision.candidate} is not promoted: " + "; ".join(decision.reasons),
        metadata=_numbers(decision.conditions),
    )


def _enough_queries(evidence: Evidence, config: PromotionConfig) -> Condition:
    return Condition(
        name="queries",
        met=evidence.queries >= config.min_queries,
        message=f"{evidence.queries} queries were evaluated; at least {config.min_queries} are needed",
        value=evidence.queries,
        limit=config.min_queries,
    )


def _gain(evidence: Evidence, config: PromotionConfig) -> Condition:
    gain = evidence.gain
    return Condition(
        name="gain",
        met=gain.low > config.epsilon,
        message=(
            f"the gain in {evidence.metric} over {evidence.in_use} is {gain.mean:+.4f} with interval "
            f"[{gain.low:+.4f}, {gain.high:+.4f}], p = {gain.p_value:.4f}; its lower bound must be above "
            f"{config.epsilon:g}"
        ),
        value=gain.low,
        limit=config.epsilon,
    )


def _int8(evidence: Evidence, config: PromotionConfig) -> Sequence[Condition]:
    """Only where the int8 export is the one that would serve."""
    if config.precision != "int8":
        return ()
    loss, limit = evidence.int8_loss, config.max_int8_ndcg_loss
    if loss is None:
        message = "what int8 costs in nDCG@10 was not measured; export with a parity report"
    else:
        message = f"int8 loses {loss:.4f} nDCG@10 against fp32; at most {limit:g} is allowed"
    met = loss is not None and loss <= limit
    return (Condition(name="int8", met=met, message=message, value=loss, limit=limit),)


def _loads(evidence: Evidence) -> Condition:
    message = "it loads, and scores its golden pairs as written"
    if evidence.load_error:
        message = f"it cannot be loaded to serve: {evidence.load_error}"
    return Condition(name="loads", met=not evidence.load_error, message=message)


def _numbers(conditions: Sequence[Condition]) -> dict[str, str]:
    numbers: dict[str, str] = {"failed": ", ".join(c.name for c in conditions if not c.met)}
    for condition in conditions:
        if condition.value is not None:
            numbers[condition.name] = f"{condition.value:.6g}"
        if condition.limit is not None:
            numbers[f"{condition.name}_limit"] = f"{condition.limit:.6g}"
    return numbers
