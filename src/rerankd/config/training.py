"""The learning reranker: feedback, mining, fine-tuning, evaluation and promotion."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from rerankd.config.types import Count, HomePath, Positive, Section

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Metric = Literal["ndcg", "mrr", "map", "recall"]


def default_directory() -> Path:
    """Where what is learned is kept unless somebody says otherwise: it is data, not a cache."""
    base = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / "rerankd"


class FeedbackConfig(Section):
    """The log of what was shown, clicked and rated."""

    text: Literal["plain", "hashed"] = "plain"
    """plain: queries and documents are kept as they are, so that the log alone can be mined. hashed: no text
    is kept; documents are then found by their id in the corpus, and queries, of which only a keyed SHA-256
    is kept, among the queries of the corpus."""
    segment_mib: Annotated[int, Field(ge=1, le=1024)] = 16
    """Size at which a file of the log is closed and the next one begun."""
    max_mib: Annotated[int, Field(ge=1, le=1_048_576)] = 1024
    """Size of the whole log; beyond it the oldest file goes."""
    max_age_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    """Age at which a file of the log goes; 0 = never."""


class MiningConfig(Section):
    """How training groups (a query, its positives, its negatives) are made."""

    sources: Annotated[tuple[Literal["feedback", "qrels"], ...], Field(min_length=1)] = ("feedback", "qrels")
    """Where positives come from."""
    write: Literal["replace", "append"] = "replace"
    """What happens to the groups that a corpus has already."""
    max_pairs: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    """Most pairs of a positive and its query."""
    min_triplets: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Fewest triplets that a training run starts with."""
    negatives_per_positive: Annotated[int, Field(ge=1, le=64)] = 7
    """Negatives of each positive."""
    random_negatives: Annotated[int, Field(ge=0, le=64)] = 1
    """How many of them are drawn from the whole corpus. Negatives of BM25's top alone teach a model that
    shared words mean "not relevant"."""
    hard_negatives: tuple[Literal["bm25", "model"], ...] = ("bm25", "model")
    """What proposes the other negatives: BM25, the model in use, or both."""
    depth: Annotated[int, Field(ge=1, le=1000)] = 100
    """Ranks of BM25 that negatives are drawn from."""
    model_candidates: Annotated[int, Field(ge=1, le=1000)] = 32
    """Candidates of a query that the model in use scores, drawn over the whole `depth`: what mining costs."""
    margin: Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)] = 0.0
    """False-negative guard, where a model scores: a candidate whose logit is not this far below the
    positive's is no negative. Below 0: it may be that much above; -100 = off."""
    percentile: Annotated[float, Field(ge=0, le=100)] = 95.0
    """False-negative guard, where a model scores: a candidate whose logit is above this percentage of the way
    from the lowest of its query's candidates to the positive is no negative; 100 = off."""
    position_bias: Annotated[float, Field(ge=0, le=5)] = 1.0
    """A click at rank r weighs r to this power, up to `max_click_weight`: what is shown low is seen less, so
    a click there says more. 0 = all clicks weigh the same."""
    max_click_weight: Annotated[float, Field(ge=1, le=100)] = 10.0
    """Largest weight of a click."""
    min_rating: Fraction = 0.6
    """Rating from which a document is a positive, where 1 is the best: thumbs up, or four of five stars."""
    seed: Seed = 13
    """The same seed over the same data gives the same groups."""


class RunConfig(Section):
    """Hyperparameters of a training run."""

    base_model: Annotated[str, Field(min_length=1, max_length=200)] = "default"
    """What is fine-tuned: `default` (the bundled model), a Hub id that requests may use here, a local name,
    or `learning/<corpus>` to go on from the model in use."""
    loss: Literal["bce", "listwise", "distillation"] = "listwise"
    """bce: each pair by itself. listwise: the candidates of a query together. distillation: listwise, towards
    a mixture of the labels and the teachers' scores."""
    distillation_weight: Fraction = 0.6
    """Share of the teachers in the target of loss distillation."""
    teacher_temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Divides the teachers' standardised scores before the softmax."""
    epochs: Annotated[int, Field(ge=1, le=50)] = 2
    """Passes over the training groups."""
    batch_size: Annotated[int, Field(ge=1, le=256)] = 16
    """Pairs (bce) or queries (listwise, distillation) of one step on one device."""
    gradient_accumulation: Annotated[int, Field(ge=1, le=256)] = 1
    """Steps whose gradients are added before the weights move."""
    learning_rate: Annotated[float, Field(ge=1e-6, le=1e-3)] = 2e-5
    """Largest step size; it rises over the warm-up and falls linearly after it."""
    warmup_ratio: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Share of the steps in which the step size rises."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Decoupled weight decay of AdamW."""
    max_grad_norm: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Gradients are scaled down to this norm."""
    max_length: Annotated[int, Field(ge=32, le=2048)] = 256
    """Tokens of a pair; longer documents are cut."""
    snippet_chars: Annotated[int, Field(ge=0, le=1_000_000)] = 4000
    """Characters of a document that are tokenized; 0 = all."""
    max_documents_per_query: Annotated[int, Field(ge=2, le=64)] = 8
    """Candidates of a query in one step of listwise and distillation."""
    dev_fraction: Annotated[float, Field(ge=0.01, le=0.5)] = 0.1
    """Share of the queries that are kept for early stopping where the corpus has no dev split."""
    eval_steps: Count = 0
    """Steps between evaluations on the dev queries; 0 = five times an epoch."""
    early_stopping_patience: Annotated[int, Field(ge=0, le=100)] = 3
    """Evaluations without a better value after which the run ends; 0 = never early."""
    checkpoint_steps: Count = 0
    """Steps between checkpoints, from which a run that was killed goes on; 0 = at each evaluation."""
    primary_metric: Metric = "ndcg"
    """What early stopping and comparisons look at; fixed when the run starts."""
    primary_k: Annotated[int, Field(ge=1, le=200)] = 10
    """Its cut-off; fixed when the run starts."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """What the forward pass computes in; auto = bf16 where the processor has it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the run computes; auto = CUDA where it works. Several GPUs share the batches."""
    threads: Annotated[int, Field(ge=0, le=4096)] = 0
    """CPU threads; 0 = the cores that this process may use."""
    nice: Annotated[int, Field(ge=0, le=19)] = 10
    """How far the training process steps back behind the server on the same machine."""
    seed: Seed = 13
    """Of sampling, shuffling and dropout."""


class EvaluationConfig(Section):
    """How a model is judged."""

    split: Literal["test", "dev", "train"] = "test"
    """Judgments that are used."""
    candidates: Annotated[int, Field(ge=1, le=1000)] = 100
    """Documents of BM25 that are reranked."""
    cutoffs: Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], Field(min_length=1)] = (10, 100)
    """k of MRR@k, nDCG@k and Recall@k."""
    max_queries: Count = 0
    """Queries that are evaluated, drawn by the seed; 0 = all."""
    max_tokens: Annotated[int, Field(ge=32, le=8192)] = 256
    """Tokens of a pair."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Of the bootstrap intervals."""
    bootstrap_samples: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """Resamples of the queries (paired: before and after share each of them)."""
    permutations: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """Sign flips of the paired randomisation test."""
    seed: Seed = 13
    """Of the sample of queries, the bootstrap and the permutations."""


class PromotionConfig(Section):
    """When a trained model may serve."""

    epsilon: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The lower bound of the gain's interval over the model in use has to be above this."""
    min_queries: Annotated[int, Field(ge=2, le=100_000)] = 20
    """Fewest evaluated queries that can prove a gain."""
    max_int8_ndcg_loss: Annotated[float, Field(ge=0, le=1)] = 0.005
    """nDCG@10 that the int8 export may lose against fp32."""
    precision: Literal["fp32", "int8"] = "fp32"
    """Which export serves."""
    kept_revisions: Annotated[int, Field(ge=2, le=100)] = 5
    """Revisions of a model that are kept for a rollback, the one in use included."""
    shadow_fraction: Fraction = 0.0
    """Share of live requests that a candidate scores too, beside the model that answers; 0 = none."""
    shadow_requests: Positive = 200
    """Requests that a shadow looks at before it says how much the two agree."""


class TrainingConfig(Section):
    """The learning reranker: feedback in, a better model out (extra `train`)."""

    enabled: bool = False
    """Whether the learning API is served."""
    directory: HomePath = Field(
        default_factory=default_directory,
        json_schema_extra={"default_text": "$XDG_DATA_HOME/rerankd, else ~/.local/share/rerankd"},
    )
    """Where feedback, corpora, runs and trained models are kept."""
    tracking_uri: str = ""
    """MLflow server that keeps runs, metrics, artifacts and the model registry; empty = SQLite in `directory`
    (`mlflow ui --backend-store-uri sqlite:///<directory>/mlflow.db` shows it)."""
    feedback: FeedbackConfig = FeedbackConfig()
    mining: MiningConfig = MiningConfig()
    run: RunConfig = RunConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    promotion: PromotionConfig = PromotionConfig()
