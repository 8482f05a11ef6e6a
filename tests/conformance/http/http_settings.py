"""Settings of the servers that exchanges name."""

from __future__ import annotations

ADMIN_TOKEN = "a-token-of-tests"

# A model's own limits stay; what differs is what a request runs into.
SETTINGS: dict[str, dict[str, object]] = {
    "default": {},
    "admin": {"admin__token": ADMIN_TOKEN},
    "any_model": {"http__accept_any_model": True},
    "cold": {"warmup__mode": "none"},
    "faulty": {"faulty": True},
    # Its limits are in the OpenAPI document: bodies that are made after it stay small.
    "small": {
        "limits__max_documents": 8,
        "limits__max_receive_bytes": 65_536,
        "limits__max_chunk_bytes": 65_536,
        "limits__max_document_bytes": 500,
        "limits__max_query_bytes": 200,
    },
    "tight": {
        "limits__max_documents": 3,
        "limits__max_receive_bytes": 65_536,
        "limits__max_chunk_bytes": 65_536,
    },
}
