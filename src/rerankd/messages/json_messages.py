"""Messages as protobuf JSON, with errors that tell the field and never its value."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from rerankd.core.errors import InvalidRequestError

MessageT = TypeVar("MessageT", bound=Message)

_FIELD = re.compile(r"Failed to parse (\w{1,64}) field")
_UNKNOWN = re.compile(r'no field named "(\w{1,64})"')


def message_from(value: dict[str, object], message: MessageT, path: str = "") -> MessageT:
    """The message that an object is; `path` is where it stands in the request.

    Raises:
        InvalidRequestError: A field is unknown or of another type.
    """
    try:
        return json_format.ParseDict(value, message)
    except json_format.ParseError as error:
        raise _refusal(str(error), path) from None
    except (RecursionError, OverflowError, UnicodeError):
        raise InvalidRequestError(f"{path or 'the body'} cannot be read", field=path or None) from None


def object_from(message: Message) -> dict[str, Any]:
    """A message with every field that always has a value; readers need not know the defaults."""
    return json_format.MessageToDict(message, always_print_fields_with_no_presence=True)


def _refusal(said: str, path: str) -> InvalidRequestError:
    # What protobuf says holds the value itself. Of it only the names of our own fields are told.
    field = ".".join(name for name in (path, *_FIELD.findall(said)) if name)
    unknown = _UNKNOWN.search(said)
    if unknown is not None:
        field = f"{field}.{unknown[1]}" if field else unknown[1]
        return InvalidRequestError(f"{field} is no field of this request", field=field)
    return InvalidRequestError(f"{field or 'the body'} has a value of a wrong type", field=field or None)
