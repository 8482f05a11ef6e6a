"""A few new values on top of a section, checked as a whole."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rerankd.config.types import Section
from rerankd.core.errors import InvalidRequestError

_MAX_NAME_LENGTH = 100
"""Of a name that nobody knows, as messages show it."""

NameOf = Callable[[str], str]
"""How whoever asks for a change names a field, for messages."""

SectionT = TypeVar("SectionT", bound=Section)


def changed(section: SectionT, changes: Mapping[str, object], name_of: NameOf = str) -> SectionT:
    """The section with some values replaced; None stands for the default of the field.

    Types are not coerced: `"5"` and `true` are no numbers.

    Raises:
        InvalidRequestError: A field does not exist, or the result is not a valid section.
    """
    kind = type(section)
    for field in changes:
        if field not in kind.model_fields:
            raise unknown_field(field, kind.model_fields, name_of(field))
    values = section.model_dump() | {field: _value(kind, field, value) for field, value in changes.items()}
    try:
        return kind.model_validate(values, strict=True)
    except ValidationError as error:
        raise _refusal(kind, error.errors(include_url=False, include_input=False), name_of) from None


def unknown_field(
    name: str, known: Iterable[str], path: str, *, field: str | None = None
) -> InvalidRequestError:
    """What is said of a field that does not exist.

    Args:
        name: The field.
        known: Names that it could have.
        path: How its sender named it.
        field: The field of the request that holds the name; None = it is the name's own path.
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"
    shown = path[:_MAX_NAME_LENGTH]
    return InvalidRequestError(f"{shown}: no such field; {hint}", field=field or shown)


def _value(kind: type[Section], field: str, value: object) -> object:
    if value is None:
        return kind.model_fields[field].get_default(call_default_factory=True)
    return tuple(value) if isinstance(value, list) else value


def _refusal(kind: type[Section], problems: list[ErrorDetails], name_of: NameOf) -> InvalidRequestError:
    """All problems in one message; the error's field is that of the first."""
    named = [(_field(kind, problem, name_of), _sentence(problem)) for problem in problems]
    return InvalidRequestError(
        "; ".join(f"{field}: {sentence}" for field, sentence in named), field=named[0][0]
    )


def _field(kind: type[Section], problem: ErrorDetails, name_of: NameOf) -> str:
    place: Sequence[str | int] = problem["loc"]
    if not place:
        # Two fields contradict each other: the one that is named last is the one to change.
        words = re.findall(r"\w+", problem["msg"])
        place = ([word for word in words if word in kind.model_fields] or list(kind.model_fields)[:1])[-1:]
    return "".join([name_of(str(place[0])), *(f"[{part}]" for part in place[1:])])


def _sentence(problem: ErrorDetails) -> str:
    return problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
