"""The architecture of the bundled model: what it computes, and that it survives the way to ONNX and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("transformers", reason="needs the extra train")

from rerankd.core.errors import ModelFailedError  # noqa: E402
from rerankd.training.modeling import SegmentGatedConfig, SegmentGatedModel, load_base  # noqa: E402
from rerankd.training.modeling.base_models import serving_config  # noqa: E402
from rerankd.training.modeling.gated_attention import SHUT, AttentionBias  # noqa: E402

CLS, SEP = 2, 3


@pytest.fixture
def model() -> SegmentGatedModel:
    torch.manual_seed(1)
    config = SegmentGatedConfig(
        vocab_size=60,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=64,
        blocked_layers=1,
        special_token_ids=[0, 1, CLS, SEP, 4],
    )
    return SegmentGatedModel(config).eval()


def pair(query: list[int], document: list[int], padded: int = 0) -> tuple[torch.Tensor, ...]:
    """Ids, mask and segments of one pair."""
    ids = [CLS, *query, SEP, *document, SEP]
    segments = [0] * (len(query) + 2) + [1] * (len(document) + 1)
    blank = [0] * max(0, padded - len(ids))
    rows = (ids + blank, [1] * len(ids) + blank, segments + blank)
    return tuple(torch.tensor([row]) for row in rows)


def features_of(model: SegmentGatedModel, query: list[int], document: list[int]) -> dict[str, float]:
    values, _, _ = model.features(*pair(query, document))
    return dict(zip(model.FEATURES, values[0].tolist(), strict=True))


def test_a_score_does_not_depend_on_padding(model: SegmentGatedModel) -> None:
    alone = model.logits(*pair([7, 8], [9, 10, 11]))
    padded = model.logits(*pair([7, 8], [9, 10, 11], padded=40))
    torch.testing.assert_close(alone, padded, atol=1e-5, rtol=0)


def test_terms_are_matched_by_weight_and_saturate(model: SegmentGatedModel) -> None:
    model.matching.idf[:] = 1.0
    model.matching.idf[7] = 3.0
    heavy = features_of(model, [7, 8], [7, 20])["terms"]
    light = features_of(model, [7, 8], [8, 20])["terms"]
    both = features_of(model, [7, 8], [7, 8])["terms"]
    assert features_of(model, [7, 8], [20, 21])["terms"] == 0
    assert heavy == pytest.approx(3 * light, rel=1e-5)
    assert both == pytest.approx(heavy + light, rel=1e-5)
    often = features_of(model, [7, 8], [7, 7, 7, 7])["terms"]
    once = features_of(model, [7, 8], [7, 20, 21, 22])["terms"]
    assert once < often < 4 * once


def test_pairs_of_terms_need_both_in_order(model: SegmentGatedModel) -> None:
    assert features_of(model, [7, 8], [20, 7, 8])["term_pairs"] > 0
    assert features_of(model, [7, 8], [8, 7, 20])["term_pairs"] == 0


def test_special_tokens_match_nothing(model: SegmentGatedModel) -> None:
    assert features_of(model, [1], [1])["terms"] == 0  # two unknown words are not the same word


def test_an_empty_query_or_document_has_a_finite_score(model: SegmentGatedModel) -> None:
    for query, document in (([], [7]), ([7], []), ([], [])):
        assert torch.isfinite(model.logits(*pair(query, document))).all()


def test_with_shut_gates_the_document_does_not_know_the_query(model: SegmentGatedModel) -> None:
    def document_mean(query: list[int]) -> torch.Tensor:
        return model.features(*pair(query, [9, 10]))[2]

    assert not torch.allclose(document_mean([7]), document_mean([8, 20]), atol=1e-6)
    with torch.no_grad():
        model.gates.fill_(SHUT)
    torch.testing.assert_close(document_mean([7]), document_mean([8, 20]), atol=1e-6, rtol=0)


def test_a_bias_is_the_same_as_two_dimensions_more() -> None:
    torch.manual_seed(3)
    query, key = torch.randn(2, 4, 6, 8), torch.randn(2, 4, 6, 8)
    sides = torch.tensor([[-1.0, -1, 1, 1, 1, 1], [-1, 1, 1, 1, -1, -1]])
    bias = AttentionBias(
        torch.tensor([0.0, -4, 2, SHUT]), sides, (torch.arange(12).reshape(2, 6) > 9).float()
    )
    wider_query, wider_key = bias.as_dimensions(query, key)
    added = torch.softmax(query @ key.transpose(-1, -2) + bias.added(), dim=-1)
    multiplied = torch.softmax(wider_query @ wider_key.transpose(-1, -2), dim=-1)
    torch.testing.assert_close(added, multiplied, atol=1e-5, rtol=0)


def test_a_checkpoint_opens_as_it_was(model: SegmentGatedModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text(json.dumps(_tokenizer()))
    opened, tokenizer = load_base(tmp_path, max_length=32)
    example = pair([7, 8], [9])
    torch.testing.assert_close(opened.eval()(*example).logits, model(*example).logits)
    assert tokenizer.model_max_length == 32


def test_what_holds_no_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(ModelFailedError, match="no weights that can be trained"):
        load_base(tmp_path)


def test_the_served_config_tells_the_sizes(model: SegmentGatedModel) -> None:
    told = serving_config(model)
    assert (told["vocab_size"], told["max_position_embeddings"], told["rerankd"]["blocked_layers"]) == (
        60,
        64,
        1,
    )


def _tokenizer() -> dict[str, object]:
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece

    vocabulary = {
        token: number for number, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    }
    made: dict[str, object] = json.loads(Tokenizer(WordPiece(vocabulary, unk_token="[UNK]")).to_str())
    return made
