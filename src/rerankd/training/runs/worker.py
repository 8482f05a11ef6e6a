"""The process of one training run: `python -m rerankd.training.runs.worker RUN_DIRECTORY`.

Started by `RunManager`, which hands it the corpus' lock and a listening socket. SIGTERM cancels the run after
its step, SIGINT does the same for a server that goes down; both leave a checkpoint.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import traceback
from pathlib import Path

from rerankd.training.runs.failures import reason_of
from rerankd.training.runs.journal import FILE as EVENTS
from rerankd.training.runs.journal import Journal
from rerankd.training.runs.recording import Recorder
from rerankd.training.runs.request import RunRequest
from rerankd.training.runs.stopping import Stop, StoppedError
from rerankd.training.runs.telling import Teller
from rerankd.training.runs.tracking import Tracking
from rerankd.training.runs.wakes import Waker
from rerankd.training.types import RunEventType, RunStatus

_STORE_SECONDS = 120.0
"""Time that the store of runs has for what is left when the training has ended."""

_INTERRUPTED = "the server went down while the run was under way; resume the run to go on"


def main(arguments: list[str] | None = None) -> int:
    """Runs to the end; the exit code is 0 unless the run failed."""
    options = _options(arguments)
    stop = Stop()
    stop.listen()
    directory: Path = options.directory
    request = RunRequest.read(directory)
    os.nice(request.config.nice)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # What this process starts must not keep the lock when this process has died.
    os.set_inheritable(options.lock, False)
    waker = Waker(socket.socket(fileno=options.wakes))
    journal = Journal(directory / EVENTS)
    teller = Teller(journal, waker)
    teller.state(RunStatus.RUNNING)
    recorder = Recorder(
        Tracking(request.layout, request.tracking_uri),
        corpus_id=request.corpus_id,
        run_id=request.id,
        params={**request.config.model_dump(mode="json"), **request.dataset, "base": request.base.revision},
        warn=teller.log,
    )
    teller.also_to(recorder)
    status = _status_of(request, directory, teller, stop)
    artifacts = [
        (directory / EVENTS, ""),
        (directory / "request.json", ""),
        (directory / "export" / "parity.json", "export"),
        (directory / "export" / "fp32" / "MODEL_CARD.md", "export"),
    ]
    if not recorder.finish(status, artifacts, timeout=_STORE_SECONDS):
        teller.log("the store of runs did not take everything; events.jsonl of the run has it")
    teller.state(status)
    return int(status is RunStatus.FAILED)


def _status_of(request: RunRequest, directory: Path, teller: Teller, stop: Stop) -> RunStatus:
    """Trains and exports; tells why, where that fails."""
    try:
        with stop.at_once():
            # torch and transformers take seconds.
            from rerankd.training.runs.work import work

        work(request, directory, teller, stop)
    except StoppedError:
        if stop.wanted is signal.SIGINT:
            teller.tell(RunEventType.ERROR, message=_INTERRUPTED)
            return RunStatus.FAILED
        return RunStatus.CANCELLED
    except Exception as error:
        traceback.print_exc()
        teller.tell(RunEventType.ERROR, message=reason_of(error, request.config))
        return RunStatus.FAILED
    return RunStatus.COMPLETED


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="rerankd.training.runs.worker")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--lock", type=int, required=True, help="descriptor of the corpus' lock")
    parser.add_argument("--wakes", type=int, required=True, help="descriptor of the listening socket")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
