"""MODEL_CARD.md of an exported model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rerankd.training.export.parity import Parity

_ROWS = ("max_logit_change", "rms_logit_change", "kendall_tau", "ndcg_before", "ndcg_after")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What the model card says besides the figures of the export."""

    id: str
    base: str = ""
    license: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Heading -> text in Markdown: training data, settings, metrics."""


def model_card(
    facts: ModelFacts,
    *,
    storage: str,
    parameters: int,
    max_tokens: int,
    parities: Mapping[str, Parity],
    rewrites: tuple[str, ...],
) -> str:
    """The card as Markdown.

    Args:
        facts: What the caller knows.
        storage: How weights are stored, as a sentence.
        parameters: How many there are.
        max_tokens: Longest pair.
        parities: Comparison -> figures.
        rewrites: What the serving backend makes faster.
    """
    lines = [
        f"# {facts.id}",
        "",
        "| | |",
        "|---|---|",
        "| Task | Score of a query and a document, higher = more relevant |",
        *([f"| Fine-tuned from | {facts.base} |"] if facts.base else []),
        *([f"| Licence | {facts.license} |"] if facts.license else []),
        f"| Parameters | {parameters:,} |",
        f"| Longest pair | {max_tokens} tokens |",
        f"| Weights | {storage} |",
        f"| Rewrites at load | {', '.join(rewrites) or 'none apply'} |",
        "",
    ]
    for heading, text in facts.notes.items():
        lines += [f"## {heading}", "", text.strip(), ""]
    lines += ["## Parity", "", *_table(parities), ""]
    return "\n".join(lines)


def _table(parities: Mapping[str, Parity]) -> list[str]:
    heads = ["comparison", "pairs", *(name.replace("_", " ") for name in _ROWS), "ndcg change"]
    rows = [
        [
            name,
            str(parity.pairs),
            *(f"{getattr(parity, row):.3g}" for row in _ROWS[:2]),
            *(f"{getattr(parity, row):.4f}" for row in _ROWS[2:]),
            f"{parity.ndcg_change:+.4f}",
        ]
        for name, parity in parities.items()
    ]
    return [
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
