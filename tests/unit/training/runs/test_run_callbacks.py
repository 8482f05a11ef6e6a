"""What the trainer's callback does at a checkpoint, where several processes write into one folder."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from rerankd.training.runs.journal import Journal, JournalReader
from rerankd.training.runs.stopping import Stop
from rerankd.training.runs.telling import Teller

distributed = pytest.importorskip("torch.distributed", reason="the extra `train` is not installed")
pytest.importorskip("transformers", reason="the extra `train` is not installed")

from rerankd.training.runs.callbacks import RunCallback  # noqa: E402

STEP = 3


def save(directory: Path, *, first: bool) -> None:
    """The trainer's call after it has written the files of one process."""
    journal = Journal(directory / "events.jsonl")
    callback = RunCallback(Teller(journal, None), Stop(), checkpoint_steps=1, pairs_per_step=1.0, seconds=0.0)
    state = SimpleNamespace(global_step=STEP, is_world_process_zero=first)
    with contextlib.closing(journal):
        callback.on_save(SimpleNamespace(output_dir=str(directory)), state, None)


def told(directory: Path) -> list[str]:
    return [event.message for event in JournalReader(directory / "events.jsonl").read()]


def test_a_checkpoint_is_told_when_all_processes_have_written_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / f"checkpoint-{STEP}"
    checkpoint.mkdir()
    told_when_they_met = []

    def meet() -> None:
        told_when_they_met.append(told(tmp_path))

    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "barrier", meet)
    save(tmp_path, first=True)

    assert told_when_they_met == [[]]
    assert told(tmp_path) == [f"checkpoint at step {STEP}"]


def test_the_other_processes_leave_the_folder_alone(tmp_path: Path) -> None:
    # What the first process writes for a moment would vanish under their hands, as here the folder itself.
    save(tmp_path, first=False)

    assert told(tmp_path) == []
