"""Dividing texts among calls, within a provider's limits."""

from __future__ import annotations

from collections.abc import Sequence

_BYTES_PER_TOKEN = 3


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has, rather too many: one for three bytes of UTF-8.

    Bytes and not characters, because a Chinese character is about a token and has three bytes, while an
    English token has four letters or more.
    """
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return -(-size // _BYTES_PER_TOKEN)


def split(weights: Sequence[int], *, max_items: int, max_weight: int = 0) -> list[slice]:
    """The fewest runs of neighbours within the limits, about equally heavy; 0 = no limit of weight.

    An item that is heavier than `max_weight` is alone.
    """
    limit = max_weight or sum(weights)
    runs = _fill(weights, max_items, limit)
    if len(runs) < 2:
        return runs
    # The lightest limit that needs no more runs makes the heaviest run, which is waited for, lightest.
    low, high = 0, limit
    while low < high:
        middle = (low + high) // 2
        if len(_fill(weights, max_items, middle)) > len(runs):
            low = middle + 1
        else:
            high = middle
    return _fill(weights, max_items, low)


def _fill(weights: Sequence[int], max_items: int, max_weight: int) -> list[slice]:
    """Runs that are each as long as the limits let them."""
    runs, start, total = [], 0, 0
    for position, weight in enumerate(weights):
        if position > start and (position - start == max_items or total + weight > max_weight):
            runs.append(slice(start, position))
            start, total = position, 0
        total += weight
    runs.append(slice(start, len(weights)))
    return runs
