"""The first batches of a freshly opened model: what its head gives, and the shapes that matter."""

from __future__ import annotations

import time

from rerankd.backends.base import Backend
from rerankd.backends.onnx.device.runner import Runner
from rerankd.backends.onnx.failures import batch_failed
from rerankd.backends.onnx.head import Head, read_head
from rerankd.backends.onnx.pairs import BatchAssembler, stand_in

_CPU_SHAPES_SECONDS = 0.25
_GPU_SHAPES_SECONDS = 5.0
"""Most time that representative shapes may take. A GPU chooses kernels and grows its memory on the
first batch of a size; a CPU only touches memory, which is not worth holding back the first request."""


def probe_head(runner: Runner, assembler: BatchAssembler, positive_class: int | None) -> Head:
    """Runs two short pairs: what comes out tells more than what the graph declares.

    Raises:
        BackendFailedError: The runtime raised.
        ModelFailedError: It is not the output of a cross-encoder.
    """
    rows = 2
    try:
        output = runner.run([stand_in(assembler, 16)] * rows)
    except Exception as error:  # The runtime has no common base class below Exception.
        raise batch_failed(rows, error) from error
    return read_head(output.shape, rows, positive_class)


def run_shapes(backend: Backend, assembler: BatchAssembler) -> int:
    """Runs the shapes of a lone request, of a usual batch and of the largest one; gives how many ran."""
    longest = backend.description.max_tokens
    budget = backend.description.batch_tokens
    shapes = [(1, min(16, longest)), (4, min(128, longest)), (max(1, budget // longest), longest)]
    gpu = backend.description.device != "cpu"
    end = time.monotonic() + (_GPU_SHAPES_SECONDS if gpu else _CPU_SHAPES_SECONDS)
    seconds_per_token = 0.0
    for done, (rows, tokens) in enumerate(shapes):
        if time.monotonic() + seconds_per_token * rows * tokens * backend.description.lanes > end:
            return done
        start = time.monotonic()
        for lane in range(backend.description.lanes):
            backend.score([stand_in(assembler, tokens)] * rows, lane)
        seconds_per_token = (time.monotonic() - start) / (rows * tokens * backend.description.lanes)
    return len(shapes)
