"""Settings of single calls: the messages and the sections of the configuration say the same."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from rerankd.config.training import EvaluationConfig, MiningConfig, RunConfig
from rerankd.core.errors import InvalidRequestError
from rerankd.messages.learning.settings import changes_of, fill, settings_from, word_of
from rerankd.training.v1alpha import settings_pb2 as pb

PAIRS: list[tuple[Any, Any]] = [
    (pb.MiningSettings, MiningConfig),
    (pb.RunSettings, RunConfig),
    (pb.EvaluationSettings, EvaluationConfig),
]
OPERATORS_OWN = {"min_triplets"}
"""Of the sections, what no call changes."""


@pytest.mark.parametrize(("message", "section"), PAIRS, ids=lambda kind: kind.__name__)
def test_each_field_is_a_setting_and_the_other_way_round(message: Any, section: Any) -> None:
    assert {field.name for field in message.DESCRIPTOR.fields} == set(section.model_fields) - OPERATORS_OWN


@pytest.mark.parametrize(("message", "section"), PAIRS, ids=lambda kind: kind.__name__)
def test_words_of_enums_are_those_of_the_configuration(message: Any, section: Any) -> None:
    for field in message.DESCRIPTOR.fields:
        if field.enum_type is None:
            continue
        words = {word_of(field.enum_type, value.number) for value in field.enum_type.values if value.number}
        kind = section.model_fields[field.name].annotation
        literal = get_args(kind)[0] if field.is_repeated else kind
        assert words - {"none"} == set(get_args(literal)), field.name


@pytest.mark.parametrize(("message", "section"), PAIRS, ids=lambda kind: kind.__name__)
def test_what_is_written_into_a_message_is_read_from_it(message: Any, section: Any) -> None:
    told = fill(message(), section().model_dump())
    assert settings_from(told, section()) == section()
    assert set(changes_of(told)) == set(section.model_fields) - OPERATORS_OWN


def test_zero_is_a_value_and_unset_is_none() -> None:
    changed = settings_from(pb.RunSettings(early_stopping_patience=0, nice=0), RunConfig(nice=5))
    assert (changed.early_stopping_patience, changed.nice) == (0, 0)
    assert settings_from(pb.RunSettings(), RunConfig(nice=5)).nice == 5


def test_an_empty_list_has_a_word() -> None:
    told = pb.MiningSettings(hard_negatives=[pb.NEGATIVE_SOURCE_NONE])
    assert settings_from(told, MiningConfig()).hard_negatives == ()


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (pb.RunSettings(epochs=0), "settings.epochs"),
        (pb.RunSettings(learning_rate=1.0), "settings.learning_rate"),
        (pb.RunSettings(learning_rate=float("nan")), "settings.learning_rate"),
        (pb.RunSettings(loss=99), "settings.loss"),  # type: ignore[arg-type]
    ],
)
def test_what_is_out_of_bounds_is_named(message: Any, field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        settings_from(message, RunConfig())
    assert caught.value.field == field
