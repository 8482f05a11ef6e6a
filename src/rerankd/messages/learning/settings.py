"""Settings of single calls: messages whose fields are named as those of the configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from rerankd.config.changes import changed
from rerankd.config.types import Section
from rerankd.core.errors import InvalidRequestError

SectionT = TypeVar("SectionT", bound=Section)
MessageT = TypeVar("MessageT", bound=Message)

_NOTHING = "none"
"""Word that stands for an empty list, which a message cannot tell from one that is not set."""


def settings_from(message: Message, section: SectionT, path: str = "settings") -> SectionT:
    """A section with what the message sets in place of what it has.

    Raises:
        InvalidRequestError: A value is out of its bounds; the field is `settings.<name>`.
    """
    return changed(section, changes_of(message, path), lambda name: f"{path}.{name}")


def changes_of(message: Message, path: str = "settings") -> dict[str, object]:
    """Field to value, of what a message sets.

    Raises:
        InvalidRequestError: An enum has a value that is not known here.
    """
    changes: dict[str, object] = {}
    for field, value in message.ListFields():
        words = _words(field, path)
        if field.is_repeated:
            told = [words[item] for item in value] if words else list(value)
            changes[field.name] = tuple(item for item in told if item != _NOTHING)
        else:
            changes[field.name] = words[value] if words else value
    return changes


def fill(message: MessageT, values: Mapping[str, object]) -> MessageT:
    """The message with the values of a section, those that it has a field for."""
    for field in message.DESCRIPTOR.fields:
        value: Any = values.get(field.name)
        if value is None:
            continue
        if field.is_repeated:
            items = [number_of(field.enum_type, item) for item in value] if field.enum_type else value
            getattr(message, field.name).extend(items)
        else:
            setattr(message, field.name, number_of(field.enum_type, value) if field.enum_type else value)
    return message


def number_of(kind: Any, word: object) -> int:
    """The number of the value that the configuration spells like this; 0 for a word without one."""
    value = kind.values_by_name.get(f"{_prefix(kind)}{str(word).upper()}")
    return 0 if value is None else value.number


def word_of(kind: EnumDescriptor, number: int) -> str:
    """The word of a value; empty for UNSPECIFIED and for numbers that are not known here."""
    value = kind.values_by_number.get(number)
    return value.name.removeprefix(_prefix(kind)).lower() if value is not None and number else ""


class _Words(dict[int, str]):
    """Numbers to words; another number is the caller's mistake."""

    def __init__(self, kind: EnumDescriptor, field: str) -> None:
        super().__init__({value.number: word_of(kind, value.number) for value in kind.values if value.number})
        self._field = field

    def __missing__(self, number: int) -> str:
        raise InvalidRequestError(
            f"{self._field} is {number}; this server knows "
            + ", ".join(f"{word.upper()} ({known})" for known, word in self.items()),
            field=self._field,
        )


def _words(field: FieldDescriptor, path: str) -> _Words | None:
    return _Words(field.enum_type, f"{path}.{field.name}") if field.enum_type is not None else None


def _prefix(kind: EnumDescriptor) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.name).upper() + "_"
