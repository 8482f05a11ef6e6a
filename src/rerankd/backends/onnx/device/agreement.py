"""Proof that an accelerator gives the scores that the stored graph gives on this machine's CPU.

The rewrites of a graph are proved on the CPU. What a GPU's kernels, or the arithmetic that TensorRT chooses,
make of the result shows only there.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rerankd.backends.onnx.device.runner import Output, Runner
from rerankd.backends.onnx.devices import available_cores
from rerankd.backends.onnx.failures import short_cause
from rerankd.backends.onnx.golden import TOLERANCES, Tolerance
from rerankd.backends.onnx.pairs import BatchAssembler, Pair
from rerankd.backends.onnx.session import verification_session
from rerankd.core.errors import ModelFailedError

logger = logging.getLogger(__name__)

SAMPLES = 8
"""Pairs that are enough: a kernel or an arithmetic that is wrong is wrong for nearly all."""

_EXACT = Tolerance(absolute=1e-3, relative=1e-3)
"""Kernels add up in another order and fuse what they can: of fp32 that is seen in the fifth digit."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Pairs, and what the stored graph gives for them on the CPU."""

    pairs: Sequence[Pair] = ()
    wanted: Sequence[Output] = ()

    def check(self, runner: Runner, arithmetic: str) -> int:
        """Compares with what a runner gives; gives how many pairs were compared.

        Raises:
            ModelFailedError: A result is further off than the arithmetic explains.
        """
        if not self.pairs:
            return 0
        tolerance = TOLERANCES[arithmetic] if arithmetic in ("fp16", "bf16", "int8") else _EXACT
        for number, (got, wanted) in enumerate(zip(runner.run(self.pairs), self.wanted, strict=True)):
            for value, reference in zip(np.ravel(got).tolist(), np.ravel(wanted).tolist(), strict=True):
                if not tolerance.allows(value, reference):
                    raise ModelFailedError(
                        f"the GPU gives {value:.6g} for sample pair {number} and the CPU {reference:.6g}; "
                        f"{tolerance.absolute:g} is allowed for {arithmetic}: set onnx.precision to fp32, or "
                        "onnx.provider to cpu"
                    )
        return len(self.pairs)


def on_cpu(
    graph: Path | bytes, folder: Path, output: str, assembler: BatchAssembler, pairs: Sequence[Pair]
) -> Samples:
    """The samples to compare with; none where the CPU cannot run the graph."""
    try:
        session = verification_session(graph, folder, available_cores())
        wanted = [np.asarray(session.run([output], assembler.assemble([pair]))[0]) for pair in pairs]
    except Exception as error:  # The runtime has no common base class below Exception.
        logger.warning("the GPU cannot be compared with the CPU", extra={"reason": short_cause(error)})
        return Samples()
    return Samples(pairs, wanted)
