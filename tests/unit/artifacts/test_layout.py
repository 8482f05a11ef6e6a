"""Which graph is taken from the layouts that exporters leave behind."""

from __future__ import annotations

import pytest

from rerankd.artifacts.layout import Layout, Wish, find_layout
from rerankd.core.errors import ModelFailedError

COMMON = ("tokenizer.json", "config.json", "README.md")
SENTENCE_TRANSFORMERS = tuple(
    f"onnx/model{suffix}.onnx"
    for suffix in ("", "_O1", "_O2", "_O3", "_O4", "_qint8_arm64", "_qint8_avx512_vnni", "_quint8_avx2")
)
ONNX_COMMUNITY = tuple(
    f"onnx/model{suffix}" for suffix in (".onnx", ".onnx_data", "_fp16.onnx", "_int8.onnx", "_q4.onnx")
)


def layout(paths: tuple[str, ...], precision: str = "auto", *, strict: bool = False, **files: str) -> Layout:
    preferred = {name: (path,) for name, path in files.items()}
    wish = Wish(precision=precision, strict=strict)
    return find_layout("acme/m", {*COMMON, *paths}, wish, preferred)


@pytest.mark.parametrize(
    ("paths", "precision", "graph", "found"),
    [
        (("onnx/model.onnx", "model.onnx"), "auto", "onnx/model.onnx", "fp32"),
        (("model.onnx",), "auto", "model.onnx", "fp32"),
        (("model_optimized.onnx",), "fp32", "model_optimized.onnx", "fp32"),
        (SENTENCE_TRANSFORMERS, "auto", "onnx/model.onnx", "fp32"),
        (SENTENCE_TRANSFORMERS, "fp16", "onnx/model_O4.onnx", "fp16"),
        (SENTENCE_TRANSFORMERS[1:], "auto", "onnx/model_O3.onnx", "fp32"),
        (ONNX_COMMUNITY, "fp16", "onnx/model_fp16.onnx", "fp16"),
        (ONNX_COMMUNITY, "int8", "onnx/model_int8.onnx", "int8"),
        (ONNX_COMMUNITY[2:], "auto", "onnx/model_fp16.onnx", "fp16"),
        (("onnx/model_quantized.onnx",), "auto", "onnx/model_quantized.onnx", "int8"),
        (("onnx/model_bf16.onnx", "onnx/model_uint8.onnx"), "auto", "onnx/model_bf16.onnx", "bf16"),
        (("onnx/model_quantized.onnx",), "fp32", "onnx/model_quantized.onnx", "int8"),
        (ONNX_COMMUNITY, "onnx/model_q4.onnx", "onnx/model_q4.onnx", "fp32"),
        (SENTENCE_TRANSFORMERS, "onnx/model_O1.onnx", "onnx/model_O1.onnx", "fp32"),
    ],
)
def test_the_graph_of_a_precision(paths: tuple[str, ...], precision: str, graph: str, found: str) -> None:
    got = layout(paths, precision)
    assert (got.graph, got.precision) == (graph, found)


def test_int8_suits_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    got = layout(SENTENCE_TRANSFORMERS, "int8")
    assert got.graph in ("onnx/model_quint8_avx2.onnx", "onnx/model_qint8_arm64.onnx")


def test_a_preset_knows_better_than_a_name() -> None:
    got = layout(("model.onnx",), int8="model.onnx")
    assert (got.graph, got.precision) == ("model.onnx", "int8")
    got = layout(SENTENCE_TRANSFORMERS, "int8", int8="onnx/model_qint8_avx512_vnni.onnx")
    assert got.graph == "onnx/model_qint8_avx512_vnni.onnx"
    got = layout(SENTENCE_TRANSFORMERS, "int8", int8="onnx/gone.onnx")
    assert got.graph != "onnx/gone.onnx"


def test_likely_data_are_those_of_the_graph() -> None:
    paths = ("onnx/model.onnx", "onnx/model.onnx_data", "onnx/model.onnx_data_1", "onnx/model_fp16.onnx_data")
    assert layout(paths).likely_data == ("onnx/model.onnx_data", "onnx/model.onnx_data_1")
    assert layout(("model.onnx", "model.onnx.data")).likely_data == ("model.onnx.data",)


def test_the_tokenizer_of_the_root_comes_before_the_exporters() -> None:
    got = layout(("onnx/model.onnx", "onnx/tokenizer.json", "onnx/tokenizer_config.json"))
    assert (got.tokenizer, got.config) == ("tokenizer.json", "config.json")
    assert got.tokenizer_config == "onnx/tokenizer_config.json"
    assert got.folder == "onnx/"


@pytest.mark.parametrize(
    ("paths", "precision", "strict", "message"),
    [
        ((), "auto", False, r"looked for onnx/model\.onnx, .*it has none"),
        (("onnx/encoder.onnx",), "auto", False, r"it has onnx/encoder\.onnx"),
        (("model.onnx",), "int8", True, r"no usable int8 ONNX file"),
        (SENTENCE_TRANSFORMERS, "bf16", False, r"no usable bf16 ONNX file"),
        (("model.onnx",), "other.onnx", False, r"looked for other\.onnx; it has model\.onnx"),
        (tuple(f"m{i:02}.onnx" for i in range(20)), "auto", False, r"m11\.onnx and 8 more"),
    ],
)
def test_what_was_looked_for_is_told(
    paths: tuple[str, ...], precision: str, strict: bool, message: str
) -> None:
    with pytest.raises(ModelFailedError, match=message):
        layout(paths, precision, strict=strict)


def test_a_tokenizer_is_needed() -> None:
    with pytest.raises(ModelFailedError, match=r"no tokenizer\.json"):
        find_layout("acme/m", {"model.onnx"}, Wish(), {})
