"""Fields of a call: by our names or tribrid's, each once, none left over."""

from __future__ import annotations

from typing import Any

import pytest

from rerankd.config.training import RunConfig
from rerankd.core.errors import InvalidRequestError
from rerankd.http_api.learning.answers import plain
from rerankd.http_api.learning.arguments import Arguments
from rerankd.training.v1alpha import settings_pb2
from rerankd.training.v1alpha import training_service_pb2 as pb


def test_names_of_tribrid_are_taken() -> None:
    arguments = Arguments({"repo_id": "docs", "lr": 1e-4, "epochs": 3, "primary_metric": "mrr"})
    assert arguments.text("corpus_id") == "docs"
    config = arguments.settings(RunConfig())
    assert (config.learning_rate, config.epochs, config.primary_metric) == (1e-4, 3, "mrr")


def test_null_is_the_same_as_leaving_a_field_out() -> None:
    arguments = Arguments({"corpus_id": None, "repo_id": "docs"})
    assert arguments.text("corpus_id") == "docs"
    arguments.finish()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"learning_rate": 1e-4, "lr": 1e-4}, "lr"),
        ({"epocs": 2}, "epocs"),
        ({"lr": 5}, "lr"),
        ({"epochs": "2"}, "epochs"),
        ({"epochs": True}, "epochs"),
    ],
)
def test_errors_name_the_field_as_it_was_sent(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Arguments(values).settings(RunConfig())
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("take", "values"),
    [
        (lambda a: a.text("x"), {}),
        (lambda a: a.text("x"), {"x": ["a"]}),
        (lambda a: a.count("x", 1, 10), {"x": 11}),
        (lambda a: a.count("x", 1, 10), {"x": -1}),
        (lambda a: a.count("x", 1, 10), {"x": True}),
        (lambda a: a.flag("x"), {"x": "yes"}),
        (lambda a: a.texts("x"), {"x": [1]}),
        (lambda a: a.finish(), {"x": 1}),
    ],
)
def test_what_is_of_another_kind_is_refused(take: Any, values: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        take(Arguments(values))


def test_messages_are_plain_json() -> None:
    run = pb.TrainingRun(id="r", progress=0.5, primary_metric=settings_pb2.METRIC_NDCG, primary_k=10)
    run.summary.best = float("nan")
    run.summary.time_to_best_duration.FromMilliseconds(1500)
    run.create_time.FromSeconds(0)
    told: Any = plain(run)
    assert (told["primary_metric"], told["primary_k"], told["state"]) == ("ndcg", 10, "")
    assert told["summary"] == {
        "best": None,
        "final": 0.0,
        "best_step": 0,
        "time_to_best_seconds": 1.5,
        "stability": 0.0,
    }
    assert told["create_time"] == "1970-01-01T00:00:00Z"
    assert "end_time" not in told
