"""What the trainer calls after each step: tells what happened, and stops it. Imported by the worker alone."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Any

import torch.distributed
from transformers import EarlyStoppingCallback, TrainerCallback

from rerankd.training.runs.failures import DivergedError
from rerankd.training.runs.progress import SECONDS_LEFT, STEPS
from rerankd.training.runs.records import SECONDS
from rerankd.training.runs.stopping import Stop
from rerankd.training.runs.telling import Teller
from rerankd.training.types import RunEventType

_PROGRESS_SECONDS = 1.0
"""Least time between two events of progress."""

_LOGGED = ("loss", "learning_rate", "grad_norm")


class PatientStopping(EarlyStoppingCallback):
    """Early stopping that does not count an evaluation which was broken off."""

    def on_evaluate(  # type: ignore[override]
        self, args: Any, state: Any, control: Any, metrics: Any, **options: Any
    ) -> None:
        if math.isfinite(metrics.get(f"eval_{args.metric_for_best_model}", math.nan)):
            super().on_evaluate(args, state, control, metrics, **options)  # type: ignore[no-untyped-call]


class RunCallback(TrainerCallback):
    """Tells the run's events, asks for checkpoints, and ends the run when it is to stop."""

    def __init__(
        self, teller: Teller, stop: Stop, *, checkpoint_steps: int, pairs_per_step: float, seconds: float
    ) -> None:
        """`seconds`: what the run was trained for before it was interrupted."""
        self._teller = teller
        self._stop = stop
        self._checkpoint_steps = checkpoint_steps
        self._pairs_per_step = pairs_per_step
        self._before = seconds
        self._began = self._last_log = self._last_progress = time.monotonic()
        self._first_step = self._last_step = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        self._began = self._last_log = time.monotonic()
        self._first_step = self._last_step = state.global_step
        self._progress(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        if self._stop.agreed():
            control.should_training_stop = control.should_save = True
            control.should_evaluate = False
        else:
            if self._checkpoint_steps and state.global_step % self._checkpoint_steps == 0:
                control.should_save = True
            if state.global_step >= state.max_steps:
                control.should_save = True
                control.should_evaluate = args.eval_strategy != "no"
        if time.monotonic() - self._last_progress >= _PROGRESS_SECONDS:
            self._progress(state)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **options: Any) -> None:
        if not logs or "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise DivergedError(f"the loss is not finite at step {state.global_step}")
        now = time.monotonic()
        steps = max(1, state.global_step - self._last_step)
        step_seconds = (now - self._last_log) / steps
        self._last_log, self._last_step = now, state.global_step
        metrics = {name: float(logs[name]) for name in _LOGGED if name in logs}
        metrics["step_seconds"] = step_seconds
        metrics["pairs_per_second"] = self._pairs_per_step / step_seconds if step_seconds > 0 else 0.0
        self._tell(state, metrics)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **options: Any) -> None:
        found = {name.removeprefix("eval_"): value for name, value in (metrics or {}).items() if "@" in name}
        if all(math.isfinite(value) for value in found.values()):
            self._tell(state, found)
        # Time of an evaluation is not that of steps.
        self._last_log, self._last_step = time.monotonic(), state.global_step
        if self._stop.agreed():
            control.should_training_stop = control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        # Each process writes files of its own into the one folder.
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.barrier()
        if state.is_world_process_zero:
            _sync(Path(args.output_dir) / f"checkpoint-{state.global_step}")
            self._teller.log(f"checkpoint at step {state.global_step}", step=state.global_step)

    def _tell(self, state: Any, metrics: dict[str, float]) -> None:
        seconds = self._before + time.monotonic() - self._began
        self._teller.tell(
            RunEventType.METRICS,
            step=state.global_step,
            epoch=state.epoch or 0.0,
            percent=_percent(state),
            metrics={**metrics, SECONDS: round(seconds, 3)},
        )

    def _progress(self, state: Any) -> None:
        self._last_progress = time.monotonic()
        done = state.global_step - self._first_step
        metrics = {STEPS: float(state.max_steps)}
        if done:
            left = (state.max_steps - state.global_step) / done * (self._last_progress - self._began)
            metrics[SECONDS_LEFT] = round(left, 1)
        self._teller.tell(
            RunEventType.PROGRESS,
            step=state.global_step,
            epoch=state.epoch or 0.0,
            percent=_percent(state),
            metrics=metrics,
        )


def _percent(state: Any) -> float:
    return 100.0 * float(state.global_step) / max(1, int(state.max_steps))


def _sync(directory: Path) -> None:
    """A checkpoint that is told of survives a power failure too."""
    for path in [*directory.rglob("*"), directory]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
