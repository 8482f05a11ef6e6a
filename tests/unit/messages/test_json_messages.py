from __future__ import annotations

from typing import Any

import pytest

from rerankd.core.errors import InvalidRequestError
from rerankd.messages.json_messages import message_from, object_from
from rerankd.v1 import rerank_service_pb2 as pb


def test_a_message_comes_back_with_all_that_has_a_value() -> None:
    told = object_from(message_from({"model": {"id": "m"}, "results": [{"logit": 0.5}]}, pb.RerankResponse()))
    assert told["model"] == {"id": "m", "revision": "", "backend": ""}
    assert told["results"] == [
        {"logit": 0.5, "index": 0, "id": "", "score": 0.0, "rank": 0, "droppedTokens": 0, "scored": False}
    ]
    assert (told["outcome"], told["outcomeReason"]) == ("OUTCOME_UNSPECIFIED", "")


@pytest.mark.parametrize(
    ("value", "path", "field", "said"),
    [
        ({"topN": "secret"}, "", "topN", "topN has a value of a wrong type"),
        ({"topN": 2**40}, "options", "options.topN", "options.topN has a value of a wrong type"),
        (
            {"secret" * 3: 1},
            "options",
            "options.secretsecretsecret",
            "options.secretsecretsecret is no field",
        ),
        ({"secret word": 1}, "options", "options", "options has a value of a wrong type"),
        ({"documentFields": [None]}, "", "documentFields", "documentFields has a value of a wrong type"),
    ],
)
def test_what_is_wrong_is_named_and_not_shown(value: Any, path: str, field: str, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said) as caught:
        message_from(value, pb.RerankOptions(), path)
    assert caught.value.field == field


def test_deep_messages_are_refused() -> None:
    value: dict[str, object] = {}
    for _ in range(5000):
        value = {"fields": value}
    with pytest.raises(InvalidRequestError, match=r"documents\[0\]"):
        message_from(value, pb.Document(), "documents[0]")
