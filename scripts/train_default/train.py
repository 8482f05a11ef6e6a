"""Trains the trunk on the groups: the trainer of sentence-transformers, ListNet towards soft targets."""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from sentence_transformers.cross_encoder.losses import ListNetLoss
from torch.utils.data import BatchSampler
from transformers import TrainerCallback

from rerankd.training.mining.groups import read_groups
from rerankd.training.modeling import SegmentGatedModel
from rerankd.training.modeling.matching import TermMatching
from rerankd.training.types import TrainingGroup

LABEL_SHARE = 0.5
"""Of the target; the rest is the teachers'."""
TEMPERATURE = 1.5
"""Divides the sum of the teachers' standard scores."""
FEATURE_WEIGHTS = (5.0, 3.0, 3.0, 2.5, 5.0)
"""Where the weights of the features start: a listwise fit of the untrained trunk on 260 groups, rounded."""
DOCUMENTS = 8
QUERIES_PER_STEP = 8
MAX_LENGTH = 128
"""Tokens of a pair in training; passages have at most 110 words."""
MOST_PER_SOURCE = 1600
SEED = 13


class LengthBuckets(BatchSampler):
    """Batches of queries with documents of like length, so that little is padding; in random order."""

    SPAN = 48
    """Batches that are sorted together."""

    def __init__(self, dataset: Dataset, batch_size: int, **options: Any) -> None:
        chance = random.Random(options.get("seed", SEED))
        lengths = [sum(min(700, len(text)) for text in row["documents"]) for row in dataset]
        order = list(range(len(lengths)))
        chance.shuffle(order)
        self._batches: list[list[int]] = []
        for start in range(0, len(order), batch_size * self.SPAN):
            span = sorted(order[start : start + batch_size * self.SPAN], key=lengths.__getitem__)
            self._batches += [span[first : first + batch_size] for first in range(0, len(span), batch_size)]
        chance.shuffle(self._batches)
        self.batch_size, self.drop_last, self.sampler = batch_size, False, order

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)

    def set_epoch(self, epoch: int) -> None:
        """The trainer tells; one order serves for all."""


class StopAt(TrainerCallback):
    """Ends a run before its schedule does."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step >= self._step:
            control.should_save = control.should_training_stop = True


def rows(groups: Sequence[TrainingGroup]) -> Iterator[dict[str, Any]]:
    """Examples of ListNet: it takes the softmax of its labels, so these are logarithms of the target."""
    chance = random.Random(SEED)
    for group in groups:
        answer = next(number for number, document in enumerate(group.documents) if document.label > 0)
        others = [number for number, document in enumerate(group.documents) if not document.label]
        anywhere = others.pop()
        chance.shuffle(others)
        chosen = [answer, *others[: DOCUMENTS - 2], anywhere]
        chance.shuffle(chosen)
        documents = [group.documents[number] for number in chosen]
        labels = np.array([document.label for document in documents])
        powers = np.exp(np.array([sum(document.teachers.values()) for document in documents]) / TEMPERATURE)
        target = LABEL_SHARE * labels / labels.sum() + (1 - LABEL_SHARE) * powers / powers.sum()
        yield {
            "query": group.query,
            "documents": [document.text for document in documents],
            "labels": np.log(target + 1e-6).tolist(),
        }


def balanced(groups: Sequence[TrainingGroup]) -> list[TrainingGroup]:
    """Groups in random order, without the surplus of large sources."""
    shuffled = list(groups)
    random.Random(SEED).shuffle(shuffled)
    taken = Counter[str]()
    kept = []
    for group in shuffled:
        taken[group.source] += 1
        if taken[group.source] <= MOST_PER_SOURCE:
            kept.append(group)
    return kept


def prepared(trunk: Path) -> CrossEncoder:
    """The trunk with its first weights; its embeddings stay, a short training cannot better them."""
    model = CrossEncoder(
        str(trunk), max_length=MAX_LENGTH, device="cuda" if torch.cuda.is_available() else "cpu"
    )
    inner = next(module for module in model.modules() if isinstance(module, SegmentGatedModel))
    with torch.no_grad():
        inner.feature_weights.copy_(torch.tensor(FEATURE_WEIGHTS) / TermMatching.STEP)
    inner.embeddings.word.weight.requires_grad_(False)
    inner.embeddings.position.weight.requires_grad_(False)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trunk", type=Path, required=True)
    parser.add_argument("--groups", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1000, help="steps of the schedule")
    parser.add_argument("--stop-at", type=int, default=0, help="step at which it ends early; 0 = never")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")
    options = parser.parse_args()
    model = prepared(options.trunk)
    on_cpu = model.device.type == "cpu"
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(options.out),
        max_steps=options.steps,
        per_device_train_batch_size=QUERIES_PER_STEP,
        learning_rate=3e-5,
        warmup_ratio=0.08,
        lr_scheduler_type="linear",
        weight_decay=0.01,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        bf16=True,
        use_cpu=on_cpu,
        batch_sampler=LengthBuckets,
        logging_steps=20,
        save_steps=50,
        seed=SEED,
        report_to="none",
    )
    trainer = CrossEncoderTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(list(rows(balanced(list(read_groups(options.groups)))))),
        loss=ListNetLoss(model, mini_batch_size=32),
        callbacks=[StopAt(options.stop_at)] if options.stop_at else [],
    )
    trainer.train(resume_from_checkpoint=options.resume or None)
    model.save_pretrained(str(options.out / "final"))


if __name__ == "__main__":
    main()
