"""Which text of a document is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rerankd.core.errors import InvalidRequestError
from rerankd.core.types import Document


def scored_text(document: Document, document_fields: Sequence[str], index: int) -> str:
    """The text of `document` that the model reads.

    A document with `text` gives it whole. One with `fields` gives the values of `document_fields`
    joined by newlines in that order; without names the field `content`, else `text`, else all
    string fields in the order of their names.

    Raises:
        InvalidRequestError: None of the fields is there, or none holds text.
    """
    if document.fields is None:
        return document.text
    parts = [
        part
        for name in document_fields or _default_fields(document.fields)
        if (part := _as_text(document.fields.get(name))) is not None
    ]
    if not parts:
        wanted = ", ".join(document_fields) if document_fields else "content, text or any string field"
        raise InvalidRequestError(
            f"documents[{index}].fields has none of the fields to score: {wanted}",
            field=f"documents[{index}].fields",
            metadata={"index": str(index), "document_fields": wanted},
        )
    return "\n".join(parts)


def _default_fields(fields: Mapping[str, object]) -> Sequence[str]:
    for name in ("content", "text"):
        if isinstance(fields.get(name), str):
            return (name,)
    return sorted(name for name, value in fields.items() if isinstance(value, str))


def _as_text(value: object) -> str | None:
    """A field's value as the model should read it; None for what holds no text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        # Struct knows only doubles; a whole number should not read "3.0".
        return str(int(value)) if float(value).is_integer() else repr(value)
    if isinstance(value, Sequence):
        parts = [part for item in value if (part := _as_text(item)) is not None]
        return ", ".join(parts) if parts else None
    return None
