"""Reading what a plugin gave as scores."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real


class NoScoresError(Exception):
    """The answer is not a list of numbers; the text says what it is, and nothing of its content."""


def read_scores(answer: object) -> list[float]:
    """The scores as Python's floats; an array of NumPy or PyTorch is as good as a list.

    Raises:
        NoScoresError: It is something else than numbers.
    """
    to_list = getattr(answer, "tolist", None)
    values = to_list() if callable(to_list) else answer
    if not isinstance(values, Sequence) or isinstance(values, str | bytes | bytearray):
        raise NoScoresError(f"the plugin gave a {type(answer).__name__}, not a list of numbers")
    return [_read_score(position, value) for position, value in enumerate(values)]


def _read_score(position: int, value: object) -> float:
    # True and False are numbers to Python; as scores they are a mistake.
    if isinstance(value, bool) or not isinstance(value, Real):
        raise NoScoresError(f"the plugin's score {position} is a {type(value).__name__}, not a number")
    try:
        return float(value)
    except OverflowError as error:
        raise NoScoresError(f"the plugin's score {position} is larger than a score can be") from error
