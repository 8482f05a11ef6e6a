"""The other processes of a run on several GPUs: they train in step with the first one and tell nothing.

`torch.distributed` finds the processes by the variables that torchrun would set. The first one is the worker
itself, because it holds the corpus' lock and the socket; the others end when it does.
"""

from __future__ import annotations

import os
import signal
import socket
import traceback
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
import torch.distributed
from torch.multiprocessing.spawn import ProcessContext, start_processes

_RANK, _LOCAL_RANK, _WORLD_SIZE = "RANK", "LOCAL_RANK", "WORLD_SIZE"


def rank() -> int:
    """Number of this process in its run."""
    return int(os.environ.get(_RANK, "0"))


class Ranks:
    """The other processes; a context within which they train."""

    def __init__(self, directory: Path, processes: int, threads: int) -> None:
        """Starts nothing yet; `threads` are those of each process."""
        self._directory = directory
        self._processes = processes
        self._threads = threads
        self._others: ProcessContext | None = None

    def __enter__(self) -> Self:
        """Starts them and makes this process the first of all."""
        if self._processes > 1:
            port = _free_port()
            _join(0, self._processes, self._threads, port)
            self._others = start_processes(  # type: ignore[no-untyped-call]
                _train,
                args=(str(self._directory), self._processes, self._threads, port),
                nprocs=self._processes - 1,
                join=False,
                daemon=True,
                start_method="spawn",
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Waits for them, or ends them where this process failed."""
        if self._others is None:
            return
        if error is not None:
            for process in self._others.processes:
                process.kill()
        else:
            # It comes back whenever one of them has ended.
            while not self._others.join():
                pass
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        for name in (_RANK, _LOCAL_RANK, _WORLD_SIZE, "MASTER_ADDR", "MASTER_PORT"):
            os.environ.pop(name, None)


def _train(number: int, directory: str, processes: int, threads: int, port: int) -> None:
    """One of the others, from its start to its end."""
    # The first process decides when to stop and says so after each step.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _join(number + 1, processes, threads, port)
    from rerankd.training.runs.devices import uses_cuda
    from rerankd.training.runs.request import RunRequest
    from rerankd.training.runs.stopping import Stop, StoppedError
    from rerankd.training.runs.telling import Teller
    from rerankd.training.runs.work import fit

    request = RunRequest.read(Path(directory))
    torch.set_num_threads(threads)
    try:
        fit(
            request,
            Path(directory),
            Teller(None, None),
            Stop(),
            cuda=uses_cuda(request.config),
            processes=processes,
        )
    except StoppedError:
        pass
    except Exception:
        # All that the first process sees of it is a lost connection.
        traceback.print_exc()
        raise
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _join(number: int, processes: int, threads: int, port: int) -> None:
    os.environ.update(
        {
            _RANK: str(number),
            _LOCAL_RANK: str(number),
            _WORLD_SIZE: str(processes),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            # accelerate would give every process all cores.
            "OMP_NUM_THREADS": str(threads),
        }
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
