"""From a torch model to directories that serve: same scores, smaller files, proof beside them."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.tiny_tokenizers import TOKENIZERS
from support.training_material import SIZES, bert_tokenizer, tiny_bert

from rerankd.artifacts.directory import DirectoryModel
from rerankd.backends.base import EncodeOptions
from rerankd.backends.onnx import OnnxBackend, OnnxSettings, Precision, Provider, load
from rerankd.core.errors import ModelFailedError
from rerankd.training.export import DevQuery, ExportReport, ModelFacts, exporting

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("sentence_transformers", reason="the extra `train` is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

_WORDS = [
    "the",
    "of",
    "and",
    "plant",
    "plants",
    "food",
    "light",
    "river",
    "how",
    "what",
    "is",
    "are",
    "green",
    "xyz",
    "q12",
]


def dev_queries(count: int = 6) -> list[DevQuery]:
    dice = random.Random(1)

    def text(words: int) -> str:
        return " ".join(dice.choices(_WORDS, k=words))

    return [
        DevQuery(
            query=text(dice.randint(1, 9)),
            texts=tuple(text(words) for words in (0, 1, 5, 30, 90, 400)),
            labels=(0.0, 0.0, 1.0, 0.0, 0.5, 0.0),
        )
        for _ in range(count)
    ]


def run_export(model: object, tokenizer: object, target: Path, **options: object) -> ExportReport:
    facts = ModelFacts(id="learning/demo", base="tiny", notes={"Training": "48 groups"})
    return exporting.export(
        model, tokenizer, target, **{"facts": facts, "dev": dev_queries(), "threads": 1, **options}
    )


def opened(directory: Path, precision: Precision = Precision.AUTO, max_tokens: int = 0) -> OnnxBackend:
    settings = OnnxSettings(provider=Provider.CPU, threads=1, precision=precision, max_tokens=max_tokens)
    return load(DirectoryModel(id="learned", directory=directory).load(), settings, lambda *_: None)


def served_logits(backend: OnnxBackend, query: str, texts: tuple[str, ...]) -> np.ndarray:
    windows = backend.encode_documents(backend.encode_query(query), texts, EncodeOptions())
    return backend.score([pair for pairs in windows for pair in pairs], 0)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, Path, ExportReport]:
    torch.set_num_threads(1)
    model, target = tiny_bert(), tmp_path_factory.mktemp("bert") / "export"
    target.mkdir()
    (target / "old").write_text("what an earlier export left")
    return model, target, run_export(model, bert_tokenizer(), target)


def test_the_served_model_scores_as_torch_does(bert: tuple[object, Path, ExportReport]) -> None:
    model, target, _ = bert
    tokenizer, backend = TOKENIZERS["bert"](), opened(target / "fp32")
    tokenizer.enable_truncation(512, strategy="only_second")
    for query in dev_queries(3):
        together = served_logits(backend, query.query, query.texts)
        for text, got in zip(query.texts, together.tolist(), strict=True):
            encoded = tokenizer.encode(query.query, text)
            with torch.inference_mode():
                wanted = model(
                    input_ids=torch.tensor([encoded.ids]),
                    attention_mask=torch.tensor([encoded.attention_mask]),
                    token_type_ids=torch.tensor([encoded.type_ids]),
                ).logits.item()
            assert got == pytest.approx(wanted, abs=1e-4)
    backend.close()


def test_the_report_tells_what_was_measured(bert: tuple[object, Path, ExportReport]) -> None:
    _, target, report = bert
    assert (report.fp32.pairs, report.fp32.queries, report.skipped_queries) == (36, 6, 0)
    assert report.fp32.max_logit_change < 1e-4
    assert report.fp32.kendall_tau == pytest.approx(1.0)
    assert report.fp32.ndcg_change == pytest.approx(0.0)
    assert 0 < report.int8_weights.rms_logit_change <= report.int8_weights.max_logit_change < 0.2
    assert report.int8 is not None
    assert report.int8.rms_logit_change > report.fp32.rms_logit_change
    assert report.rewrites == (
        "moved biases of keys and values",
        "first row of the last layer",
        "absorbed projections of the last layer",
        "attention in one operator",
        "int8 products",
    )
    assert json.loads((target / "parity.json").read_text()) == report.as_record()
    assert not (target / "old").exists()
    fp32, int8 = report.models
    assert (fp32.directory, int8.directory) == (target / "fp32", target / "int8")
    graphs = [(target / "fp32" / "model.onnx"), (target / "int8" / "model_int8.onnx")]
    assert graphs[1].stat().st_size < 0.6 * graphs[0].stat().st_size


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_directory_is_complete(bert: tuple[object, Path, ExportReport], precision: str) -> None:
    _, target, report = bert
    directory = target / precision
    model = next(made for made in report.models if made.precision == precision)
    assert DirectoryModel(id="learned", directory=directory).load().revision == model.revision
    sums = (directory / "SHA256SUMS").read_text().split()[1::2]
    assert sorted(sums) == sorted(path.name for path in directory.iterdir() if path.name != "SHA256SUMS")
    card = (directory / "MODEL_CARD.md").read_text()
    assert "| Fine-tuned from | tiny |" in card
    assert "48 groups" in card
    assert f"{report.int8_weights.max_logit_change:.3g}" in card
    config = json.loads((directory / "config.json").read_text())
    assert (config["model_type"], "_name_or_path" in config) == ("bert", False)
    for number in (Precision.AUTO, Precision.INT8):
        opened(directory, number).close()


def test_golden_pairs_hold_at_a_lower_limit_and_catch_a_wrong_weight(
    bert: tuple[object, Path, ExportReport], tmp_path: Path
) -> None:
    _, target, _ = bert
    opened(target / "fp32", max_tokens=64).close()
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in (target / "fp32").iterdir():
        if path.name not in ("SHA256SUMS", "golden_pairs.json"):
            (broken / path.name).write_bytes(path.read_bytes())
    golden = json.loads((target / "fp32" / "golden_pairs.json").read_text())
    golden["pairs"][0]["logit"] += 0.01
    (broken / "golden_pairs.json").write_text(json.dumps(golden))

    with pytest.raises(ModelFailedError, match="golden pair 0"):
        opened(broken)


def test_our_own_architecture_is_read_back_from_its_export(tmp_path: Path) -> None:
    from rerankd.training.modeling import SegmentGatedConfig, SegmentGatedModel, load_base

    torch.manual_seed(4)
    config = SegmentGatedConfig(
        vocab_size=TOKENIZERS["bert"]().get_vocab_size(),
        special_token_ids=[0, 1, 2, 3, 4],
        # Two in which the segments are apart, and one in which they meet.
        **{**SIZES, "num_hidden_layers": 3},
    )
    model = SegmentGatedModel(config).eval()

    report = run_export(model, bert_tokenizer(), tmp_path / "export")

    assert report.fp32.max_logit_change < 1e-4
    assert "int8 products" in report.rewrites
    again, _ = load_base(tmp_path / "export" / "fp32")
    for name, values in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], values, rtol=0, atol=0)
    # The stored int8 weights are within half a level of the trained ones.
    stored = tmp_path / "stored"
    stored.mkdir()
    for source, name in (("model_int8.onnx", "model.onnx"), ("config.json",) * 2, ("tokenizer.json",) * 2):
        (stored / name).write_bytes((tmp_path / "export" / "int8" / source).read_bytes())
    rounded, _ = load_base(stored)
    matrix = model.state_dict()["layers.0.query.weight"]
    step = matrix.abs().max(dim=0).values / 127
    change = (rounded.state_dict()["layers.0.query.weight"] - matrix).abs()
    assert bool((change <= 0.5001 * step).all())


def test_a_model_without_token_types_is_exported_without_them(tmp_path: Path) -> None:
    import onnx
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForSequenceClassification

    torch.manual_seed(2)
    library = TOKENIZERS["roberta"]()
    config = RobertaConfig(
        vocab_size=library.get_vocab_size(),
        num_labels=1,
        type_vocab_size=1,
        max_position_embeddings=514,
        initializer_range=0.2,
        pad_token_id=1,
        **SIZES,
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=library,
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        model_input_names=["input_ids", "attention_mask"],
    )

    report = run_export(
        RobertaForSequenceClassification(config).eval(), tokenizer, tmp_path / "export", max_tokens=128
    )

    graph = onnx.load(tmp_path / "export" / "fp32" / "model.onnx").graph
    assert [value.name for value in graph.input] == ["input_ids", "attention_mask"]
    assert [dim.dim_param or dim.dim_value for dim in graph.output[0].type.tensor_type.shape.dim] == [
        "batch",
        1,
    ]
    assert report.fp32.max_logit_change < 1e-4


def test_a_graph_that_scores_otherwise_is_not_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from onnx import numpy_helper

    target = tmp_path / "export"
    target.mkdir()
    (target / "old").write_text("served until now")
    honest = exporting.traced

    def off(*arguments: object):
        graph = honest(*arguments)
        for tensor in graph.graph.initializer:
            if tensor.name.endswith("classifier.bias"):
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + 0.01, tensor.name))
        return graph

    monkeypatch.setattr(exporting, "traced", off)
    with pytest.raises(ModelFailedError, match=r"changes a logit by 0\.01; 0\.0001 is allowed"):
        run_export(tiny_bert(), bert_tokenizer(), target)
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
    assert (target / "old").exists()


def test_queries_that_leave_no_room_are_counted(tmp_path: Path) -> None:
    queries = [*dev_queries(1), replace(dev_queries(1)[0], query="plants " * 40)]

    report = run_export(tiny_bert(), bert_tokenizer(), tmp_path / "export", dev=queries, max_tokens=48)

    assert (report.skipped_queries, report.fp32.queries) == (1, 1)
