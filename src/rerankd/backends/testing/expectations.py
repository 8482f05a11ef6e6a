"""What the checks have in common: texts to score, and a check that fails with a sentence."""

from __future__ import annotations

QUERY = "how do plants make food"
TEXTS = (
    "Plants make food from light, water and carbon dioxide.",
    "A committee met on Tuesday to talk about the budget of the harbour and of its two ferries, which "
    "are old, loud and late.",
    "Leaves are green.",
    "food",
    "The river is long. " * 8,
)
AWKWARD_TEXTS = (
    "",
    " ",
    "\x00",
    "before\x00after \x01\x1f\x7f",
    "\U0001f600\U0001f1e9\U0001f1ea e\u0301 \u200d \u2028 \ufeff \ufffd",
    "\u4f60\u597d\uff0c\u4e16\u754c \u0645\u0631\u062d\u0628\u0627 \u0928\u092e\u0938\u094d\u0924\u0947",
    "[CLS] [SEP] <s> </s> [PAD] <pad>",
    "x" * 10_000,
)


def expect(condition: bool, message: str) -> None:
    """Fails with what the port demands."""
    if not condition:
        raise AssertionError(message)
