"""How the library's trainer is fed: weights of examples, order of batches, evaluation, cut texts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from support.training_material import bert_tokenizer, write_base, write_groups

from rerankd.config.training import RunConfig
from rerankd.training.corpora import CorpusDocument, CorpusQuery, CorpusStore, Judgment
from rerankd.training.layout import Layout
from rerankd.training.runs.dev_groups import CorpusJudgments, dev_groups, pair_budget
from rerankd.training.runs.examples import build_examples
from rerankd.training.runs.groups import groups_of, split_groups

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("sentence_transformers", reason="the extra `train` is not installed")

from rerankd.training.runs.dev import DevEvaluator, DevGroup  # noqa: E402
from rerankd.training.runs.fitting import Plan  # noqa: E402
from rerankd.training.runs.losses import WeightedBinaryLoss, WeightedListNetLoss  # noqa: E402
from rerankd.training.runs.sampling import EpochBatchSampler  # noqa: E402
from rerankd.training.runs.starting_model import QueryShortener, cross_encoder  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory):
    torch.set_num_threads(1)
    made = cross_encoder(write_base(tmp_path_factory.mktemp("base") / "m"), max_length=48, device="cpu")
    return made.eval()


def logits(model, query: str, texts: list[str]) -> torch.Tensor:
    return torch.tensor(model.predict([(query, text) for text in texts], activation_fn=torch.nn.Identity()))


def test_listwise_loss_is_the_weighted_cross_entropy_to_the_target(model) -> None:
    texts = [["green light", "the river", "food"], ["plants", "what is"]]
    targets = [torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.5, 0.5])]
    weights = [2.0, 0.5]
    wanted = np.mean(
        [
            -weight * float((target * torch.log_softmax(logits(model, f"q{n}", docs), 0)).sum())
            for n, (docs, target, weight) in enumerate(zip(texts, targets, weights, strict=True))
        ]
    )
    labels = [torch.cat([t.log(), torch.tensor([w])]) for t, w in zip(targets, weights, strict=True)]

    for size in (-1, 1, 2):
        got = WeightedListNetLoss(model, mini_batch_size=size)([["q0", "q1"], texts], labels)
        assert got.item() == pytest.approx(wanted, abs=1e-5)


def test_pairwise_loss_weighs_examples_and_positives(model) -> None:
    texts, labels, weights = ["green", "river", "food"], [1.0, 0.0, 0.25], [1.0, 3.0, 0.5]
    values = logits(model, "q", texts).double()
    positive = torch.nn.functional.logsigmoid(values) * 4.0
    negative = torch.nn.functional.logsigmoid(-values)
    marks = torch.tensor(labels).double()
    wanted = -(torch.tensor(weights) * (marks * positive + (1 - marks) * negative)).mean()

    rows = [torch.tensor([label, weight]) for label, weight in zip(labels, weights, strict=True)]
    got = WeightedBinaryLoss(model, pos_weight=4.0)([["q"] * 3, texts], rows)

    assert got.item() == pytest.approx(float(wanted), abs=1e-5)


def test_the_order_of_an_epoch_is_a_function_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int, **options: object) -> list[list[int]]:
        sampler = EpochBatchSampler(
            range(11), batch_size=4, drop_last=bool(options), seed=seed, generator=None
        )
        sampler.set_epoch(epoch)
        return list(sampler)

    first = order(3, 0)
    assert sorted(number for batch in first for number in batch) == list(range(11))
    assert [len(batch) for batch in first] == [4, 4, 3]
    assert order(3, 0) == first
    assert order(3, 1) != first
    assert order(4, 0) != first
    assert [len(batch) for batch in order(3, 0, drop=True)] == [4, 4]


def test_documents_are_cut_and_queries_leave_them_room(model) -> None:
    shorten = QueryShortener(bert_tokenizer(), 48)
    assert shorten("plants food") == "plants food"
    long = shorten("plants " * 60)
    assert len(long.split()) == 48 - 3 - 16
    encoded = model.preprocess([(long, "river " * 100), ("plants", "light " * 100)])
    assert encoded["input_ids"].shape == (2, 48)
    types = encoded["token_type_ids"].sum(1).tolist()
    assert types == [17, 45]  # The document and its [SEP]; the queries are whole.


def test_the_evaluator_ranks_and_breaks_ties_against_the_group(model) -> None:
    groups = [
        DevGroup(query="q", ids=("b", "a"), texts=("green plant", "green plant"), gains={"b": 1.0}),
        DevGroup(query="q", ids=("x",), texts=("river",), gains={"x": 1.0, "missed": 1.0}),
    ]
    evaluate = DevEvaluator(groups, k=10, batch_size=2, stopping=lambda: False)

    values = evaluate(model)

    # Equal texts tie; "a" comes first by its id, so the relevant "b" is second.
    assert values["mrr@10"] == pytest.approx((0.5 + 1.0) / 2)
    assert values["recall@10"] == pytest.approx((1.0 + 0.5) / 2)
    ideal = 1 + 1 / math.log2(3)
    assert values["ndcg@10"] == pytest.approx((1 / math.log2(3) + 1 / ideal) / 2)
    stopped = DevEvaluator(groups, k=10, batch_size=2, stopping=lambda: True)(model)
    assert all(math.isnan(value) for value in stopped.values())


@pytest.mark.parametrize("loss", ["bce", "listwise", "distillation"])
def test_examples_hold_texts_targets_and_weights(tmp_path: Path, loss: str) -> None:
    path = write_groups(tmp_path, 12) / "groups.jsonl"
    config = RunConfig(loss=loss, snippet_chars=7, max_documents_per_query=3)
    split = split_groups(lambda: groups_of(path), fraction=0.25)

    made = build_examples(
        lambda: groups_of(path), split, config, shorten_query=str.upper, cache=tmp_path / loss
    )

    assert (made.groups, made.pairs, made.negatives_per_positive) == (9, 27, 4.0)
    row = made.dataset[0]
    assert row["query"] == row["query"].upper()
    if loss == "bce":
        assert len(made.dataset) == 27
        assert (row["document"], row["label"]) == ("green t"[:7], [1.0, 1.0]) or len(row["document"]) == 7
    else:
        assert len(made.dataset) == 9
        assert all(len(text) == 7 for text in row["document"])
        target = np.exp(row["label"][:-1])
        assert target.sum() == pytest.approx(1.0, abs=1e-5)
        assert (target[0] == pytest.approx(1.0)) == (loss == "listwise")
        assert row["label"][-1] == 1.0


def test_a_plan_counts_steps(tmp_path: Path) -> None:
    path = write_groups(tmp_path, 12) / "groups.jsonl"
    config = RunConfig(batch_size=2, gradient_accumulation=2, epochs=4)
    split = split_groups(lambda: groups_of(path), fraction=0.25)
    examples = build_examples(lambda: groups_of(path), split, config, shorten_query=str, cache=tmp_path / "c")

    plan = Plan.of(examples, config, 1)

    assert (plan.epoch_steps, plan.steps, plan.eval_steps, plan.log_steps) == (3, 12, 1, 1)
    assert Plan.of(examples, config, 2).epoch_steps == 1
    assert pair_budget(100) == 1000
    assert pair_budget(10**6) == 6000


def test_dev_queries_of_a_corpus_get_candidates_of_bm25_and_no_test_query(tmp_path: Path) -> None:
    store = CorpusStore(Layout(tmp_path))
    texts = [f"word{n % 7} common text {n}" for n in range(60)]
    store.create(
        "demo",
        [CorpusDocument(id=f"d{n}", text=text) for n, text in enumerate(texts)],
        [CorpusQuery(id=f"q{n}", text=f"common word{n}") for n in range(6)],
        [
            Judgment(
                split="test" if n == 5 else "dev" if n > 2 else "train",
                query_id=f"q{n}",
                document_id=f"d{n + 56 if n == 3 else n}",
                score=1,
            )
            for n in range(6)
        ],
    )
    judgments = CorpusJudgments.of("demo", Layout(tmp_path).corpus("demo"))
    assert sorted(judgments.queries("dev")) == ["common word3", "common word4"]
    assert judgments.queries("test") == ["common word5"]
    split = split_groups(
        lambda: iter(()),
        fraction=0.1,
        dev_queries=judgments.queries("dev"),
        test_queries=judgments.queries("test"),
    )

    made = dev_groups(
        judgments, lambda: iter(()), split, budget=1000, shorten_query=str, cut=lambda text: text[:10]
    )

    assert sorted(group.query for group in made) == ["common word3", "common word4"]
    for group in made:
        (relevant,) = group.gains
        assert relevant in group.ids
        assert 20 <= len(group.ids) <= 21
        assert max(map(len, group.texts)) == 10
