"""One logit for each pair, whatever the head gives."""

from __future__ import annotations

import numpy as np
import pytest

from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx.head import Head, read_head
from rerankd.core.errors import ModelFailedError


def softmax(values: np.ndarray) -> np.ndarray:
    exponents = np.exp(values - values.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def test_one_value_is_the_logit() -> None:
    head = read_head((2, 1), 2, None)
    assert head.logits(np.array([[1.5], [-2]], dtype=np.float16)).tolist() == [1.5, -2]
    assert read_head((2,), 2, None).logits(np.array([3, 4], dtype=np.float32)).tolist() == [3, 4]


def test_two_classes_are_their_difference() -> None:
    head = read_head((2, 2), 2, None)
    assert head == Head(classes=2, positive_class=1)
    assert head.logits(np.array([[1, 3], [2, -1]], dtype=np.float32)).tolist() == [2, -3]
    assert read_head((2, 2), 2, 0).logits(np.array([[1, 3]], dtype=np.float32)).tolist() == [-2]


@pytest.mark.parametrize(("classes", "positive"), [(2, 0), (2, 1), (3, 1), (5, 4)])
def test_the_sigmoid_is_the_probability_of_the_positive_class(classes: int, positive: int) -> None:
    values = np.random.default_rng(0).normal(size=(50, classes)).astype(np.float32) * 4
    logits = read_head((50, classes), 50, positive).logits(values)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(sigmoid(logits), softmax(values)[:, positive], rtol=1e-5)


def test_values_that_are_not_finite_stay_what_they_are() -> None:
    values = np.array([[np.nan, 1], [np.inf, 1], [1, np.inf]], dtype=np.float32)
    logits = Head(classes=2, positive_class=1).logits(values)
    assert np.isnan(logits[0])
    assert logits[1] == -np.inf
    assert logits[2] == np.inf


@pytest.mark.parametrize("shape", [(2, 3), (2, 384), (2, 16, 8), (3, 1), (1, 1), (), (2, 0)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelFailedError):
        read_head(shape, 2, None)


def test_a_label_beyond_the_classes_is_ignored() -> None:
    assert read_head((2, 2), 2, 7) == Head(classes=2, positive_class=1)


@pytest.mark.parametrize(("labels", "sign"), [(["no", "yes"], 1), (["yes", "no"], -1)])
def test_label_names_choose_the_class(load_model, tmp_path, labels: list[str], sign: int) -> None:
    from support.onnx_models import build_model, model_files

    from rerankd.backends.onnx import OnnxSettings, load

    directory = build_model(tmp_path / "model", head="two_classes")
    plain = load(model_files(directory), OnnxSettings(threads=1), lambda *_: None)
    named = load(
        model_files(directory, id2label=dict(enumerate(labels))), OnnxSettings(threads=1), lambda *_: None
    )
    (pairs,) = plain.encode_documents(plain.encode_query("a"), ["plants"], EncodeOptions())
    np.testing.assert_allclose(named.score(pairs, 0), sign * plain.score(pairs, 0), rtol=1e-6)
