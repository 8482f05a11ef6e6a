"""The training itself: sentence-transformers' trainer, set up by the run's settings. The worker's alone."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentence_transformers.cross_encoder import (
    CrossEncoder,
    CrossEncoderTrainer,
    CrossEncoderTrainingArguments,
)
from torch import nn

from rerankd.config.training import RunConfig
from rerankd.training.runs.callbacks import PatientStopping, RunCallback
from rerankd.training.runs.checkpoints import last_checkpoint
from rerankd.training.runs.dev import DevEvaluator, DevGroup
from rerankd.training.runs.examples import Examples
from rerankd.training.runs.losses import WeightedBinaryLoss, WeightedListNetLoss
from rerankd.training.runs.sampling import EpochBatchSampler
from rerankd.training.runs.stopping import Stop
from rerankd.training.runs.telling import Teller

_EVALUATIONS_AN_EPOCH = 5
_LOGS_A_RUN = 200
"""About so many points has a curve; more cost time and say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many steps there are, and what happens at which."""

    epoch_steps: int
    steps: int
    eval_steps: int
    checkpoint_steps: int
    log_steps: int
    pairs_per_step: float

    @classmethod
    def of(cls, examples: Examples, config: RunConfig, processes: int) -> Plan:
        """The plan of a run on so many processes."""
        per_batch = config.batch_size * processes
        rows = len(examples.dataset)
        batches = max(1, rows // per_batch if processes > 1 else math.ceil(rows / per_batch))
        epoch_steps = math.ceil(batches / config.gradient_accumulation)
        steps = epoch_steps * config.epochs
        return cls(
            epoch_steps=epoch_steps,
            steps=steps,
            eval_steps=config.eval_steps or max(1, epoch_steps // _EVALUATIONS_AN_EPOCH),
            checkpoint_steps=config.checkpoint_steps,
            log_steps=max(1, steps // _LOGS_A_RUN),
            pairs_per_step=examples.pairs / epoch_steps,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """Everything that one call of the trainer needs."""

    model: CrossEncoder
    examples: Examples
    dev: Sequence[DevGroup]
    config: RunConfig
    plan: Plan
    checkpoints: Path
    cuda: bool
    bf16: bool
    processes: int
    seconds: float
    """What the run was trained for before."""

    def run(self, teller: Teller, stop: Stop) -> None:
        """Trains from the last checkpoint, or from the start; the model has the best weights afterwards."""
        trainer = self._trainer(teller, stop)
        resumed = last_checkpoint(self.checkpoints)
        if resumed is not None:
            teller.log(f"going on from {resumed.name}")
        with warnings.catch_warnings():
            # The optimizer of a checkpoint knows its schedule; the trainer restores both in this order.
            warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step", module="torch")
            trainer.train(resume_from_checkpoint=None if resumed is None else str(resumed))

    def _trainer(self, teller: Teller, stop: Stop) -> CrossEncoderTrainer:
        config = self.config
        # Every checkpoint would come with a card of its own.
        self.model.save_pretrained = functools.partial(  # type: ignore[method-assign]
            self.model.save_pretrained, create_model_card=False
        )
        callbacks: list[Any] = [
            RunCallback(
                teller,
                stop,
                checkpoint_steps=self.plan.checkpoint_steps,
                pairs_per_step=self.plan.pairs_per_step,
                seconds=self.seconds,
            )
        ]
        if self.dev and config.early_stopping_patience:
            callbacks.append(PatientStopping(config.early_stopping_patience))
        evaluator = None
        if self.dev:
            evaluator = DevEvaluator(
                self.dev,
                k=config.primary_k,
                batch_size=128 if self.cuda else 32,
                stopping=lambda: stop.wanted is not None,
            )
        return _Trainer(
            model=self.model,
            args=self._arguments(),
            train_dataset=self.examples.dataset,
            loss=self._loss(),
            evaluator=evaluator,
            callbacks=callbacks,
        )

    def _arguments(self) -> CrossEncoderTrainingArguments:
        config, plan = self.config, self.plan
        when = "steps" if self.dev else "no"
        return CrossEncoderTrainingArguments(
            output_dir=str(self.checkpoints),
            num_train_epochs=config.epochs,
            per_device_train_batch_size=config.batch_size,
            gradient_accumulation_steps=config.gradient_accumulation,
            learning_rate=config.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=math.ceil(config.warmup_ratio * plan.steps),
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
            seed=config.seed,
            use_cpu=not self.cuda,
            bf16=self.bf16,
            batch_sampler=EpochBatchSampler,
            eval_strategy=when,
            eval_steps=plan.eval_steps,
            save_strategy="steps",
            save_steps=plan.eval_steps,
            save_total_limit=2,
            load_best_model_at_end=bool(self.dev),
            metric_for_best_model=f"{config.primary_metric}@{config.primary_k}" if self.dev else None,
            greater_is_better=True,
            restore_callback_states_from_checkpoint=True,
            logging_strategy="steps",
            logging_steps=plan.log_steps,
            # A loss that is no number ends the run, with the reason.
            logging_nan_inf_filter=False,
            # It would look for the tensors of an output where sentence-transformers does not put them.
            ddp_find_unused_parameters=False,
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=self.cuda,
            dataloader_drop_last=self.processes > 1,
        )

    def _loss(self) -> nn.Module:
        if self.config.loss == "bce":
            return WeightedBinaryLoss(self.model, pos_weight=max(1.0, self.examples.negatives_per_positive))
        # On a GPU all pairs of a step go at once. On a CPU parts of them, so that a short one is not
        # padded to the longest of all.
        whole = self.cuda or self.processes > 1
        return WeightedListNetLoss(self.model, mini_batch_size=-1 if whole else self.config.batch_size)


class _Trainer(CrossEncoderTrainer):
    """Without the callback that gathers material for a model card: the export writes its own."""

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        return
