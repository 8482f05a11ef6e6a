"""Fields of a JSON body, read with their type; null is the same as absent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rerankd.core.errors import InvalidRequestError, TooManyDocumentsError
from rerankd.core.limits import Limits
from rerankd.core.types import Document
from rerankd.http_api.bodies import check_depth
from rerankd.http_api.failures import NoDocumentsError
from rerankd.http_api.json_text import JsonObject

_MOST = 2**31 - 1
_MOST_WARNINGS = 10


class Fields:
    """A JSON object under the path by which messages name it."""

    def __init__(self, body: Mapping[str, object], path: str = "") -> None:
        self._body = body
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self._body.get(name) is not None

    def path(self, name: str) -> str:
        """How messages name a field."""
        return f"{self._path}.{name}" if self._path else name

    def value(self, name: str) -> object:
        """What was sent, whatever it is; None where nothing was."""
        return self._body.get(name)

    def text(self, name: str, default: str | None = None) -> str:
        """A string; without a default it is required."""
        value = self._body.get(name)
        if value is None:
            if default is None:
                raise InvalidRequestError(
                    f"{self.path(name)} is missing; send a string", field=self.path(name)
                )
            return default
        if not isinstance(value, str):
            raise self.wrong(name, "a string")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """A boolean."""
        value = self._body.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def count(self, name: str) -> int:
        """A whole number of 0 or more; 0 where it is absent."""
        value = self._body.get(name)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise self.wrong(name, "a whole number")
        if value < 0:
            raise self.wrong(name, "0 (no limit) or more")
        return int(min(value, _MOST))

    def number(self, name: str) -> float:
        """Any number; 0 where it is absent."""
        value = self._body.get(name)
        if value is None:
            return 0.0
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(name, "a number")
        return float(value)

    def names(self, name: str) -> tuple[str, ...]:
        """A list of strings; empty where it is absent."""
        value = self._body.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.wrong(name, "a list of strings")
        return tuple(value)

    def inner(self, name: str) -> Fields | None:
        """An object, None where it is absent."""
        value = self._body.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(name, "an object")
        return Fields(value, self.path(name))

    def documents(self, name: str, limits: Limits) -> Sequence[object]:
        """The list of what is to be ranked, no longer than the server takes.

        Raises:
            NoDocumentsError: It is empty.
            TooManyDocumentsError: It is above the limit; nothing of it was looked at.
        """
        value = self._body.get(name)
        if value is None:
            raise InvalidRequestError(f"{name} is missing; send a list", field=name)
        if not isinstance(value, list):
            raise self.wrong(name, "a list")
        if not value:
            raise NoDocumentsError(f"{name} is empty; send at least one", field=name)
        if len(value) > limits.max_documents:
            raise TooManyDocumentsError(
                f"{len(value)} {name}; one request takes at most {limits.max_documents}: "
                "use /api/v1/rerank/stream for more",
                field=name,
                metadata={"documents": str(len(value)), "limit": str(limits.max_documents)},
            )
        return value

    def texts(self, name: str, limits: Limits) -> list[Document]:
        """Documents that are strings."""
        found = self.documents(name, limits)
        return [Document(text=_string(value, f"{name}[{i}]")) for i, value in enumerate(found)]

    def without_effect(self, known: Collection[str]) -> tuple[str, ...]:
        """A warning for each field that was sent and means nothing here."""
        names = [name for name, value in self._body.items() if value is not None and name not in known]
        return tuple(f"field {self.path(name[:64])!r} has no effect here" for name in names[:_MOST_WARNINGS])

    def wrong(self, name: str, wanted: str) -> InvalidRequestError:
        """What is said of a field that is not what it should be; never what it is."""
        return InvalidRequestError(f"{self.path(name)} must be {wanted}", field=self.path(name))


def text_or_object(value: object, field: str, text_fields: Sequence[str]) -> Document:
    """A document that is a string, or an object of which `text_fields` are scored."""
    if not isinstance(value, dict):
        return Document(text=_string(value, field, "a string or an object with text"))
    if all(value.get(name) is None for name in text_fields):
        raise InvalidRequestError(
            f"{field} has none of the fields to rank by: {', '.join(text_fields)}", field=field
        )
    if text_fields == ("text",):
        _string(value.get("text"), f"{field}.text")
    check_depth(value, field)
    return Document(fields=value)


def document_as_sent(document: Document, *, bare: bool = False) -> JsonObject | str:
    """A document as an object, or as the string that it was where `bare` readers want one."""
    if document.fields is not None:
        return dict(document.fields)
    return document.text if bare else {"text": document.text}


def _string(value: object, field: str, wanted: str = "a string") -> str:
    if not isinstance(value, str):
        raise InvalidRequestError(f"{field} must be {wanted}", field=field)
    return value
