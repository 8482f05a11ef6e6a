"""Settings of one call as `KEY=VALUE`, put into the fields of a message."""

from __future__ import annotations

import difflib
import re
from typing import Any, TypeVar

import click

MessageT = TypeVar("MessageT")


def fill(message: MessageT, pairs: tuple[str, ...]) -> MessageT:
    """The message with the values of the pairs; its bounds are the service's to check.

    Raises:
        click.UsageError: A pair is not of this form, names no field, or its value is of another type.
    """
    descriptor: Any = message.DESCRIPTOR  # type: ignore[attr-defined]
    fields = descriptor.fields_by_name
    for pair in pairs:
        key, equals, text = (part.strip() for part in pair.partition("="))
        if not equals:
            raise click.UsageError(f"settings are KEY=VALUE, not {pair!r}")
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(fields)}"
            raise click.UsageError(f"{key}: no such setting; {hint}")
        try:
            _set(message, fields[key], text)
        except ValueError as error:
            raise click.UsageError(f"{key}: {error}") from error
    return message


def _set(message: Any, field: Any, text: str) -> None:
    if field.is_repeated:
        getattr(message, field.name).extend(_value(field, part.strip()) for part in text.split(","))
    else:
        setattr(message, field.name, _value(field, text))


def _value(field: Any, text: str) -> Any:
    if field.enum_type is not None:
        prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", field.enum_type.name).upper() + "_"
        words = {v.name.removeprefix(prefix).lower(): v.number for v in field.enum_type.values if v.number}
        if text not in words:
            raise ValueError(f"must be {', '.join(words)}")
        return words[text]
    if field.type == field.TYPE_STRING:
        return text
    try:
        return float(text) if field.type in (field.TYPE_DOUBLE, field.TYPE_FLOAT) else int(text)
    except ValueError:
        raise ValueError("must be a number") from None
