"""One shape of batches on a device: buffers that are allocated once, and a binding to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rerankd.backends.onnx.device.captures import NO_GRAPH
from rerankd.backends.onnx.pairs import Feed

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, OrtValue, RunOptions


@dataclass(frozen=True, slots=True)
class Place:
    """Where buffers lie, as ONNX Runtime names it."""

    kind: str
    """`cuda` or `cpu`."""
    number: int = 0


class BoundShape:
    """Runs batches of one shape. Not thread-safe: its buffers are there once."""

    def __init__(self, session: InferenceSession, output: str, place: Place, feed: Feed) -> None:
        """Allocates the inputs for batches like `feed`, and binds to them; runs nothing."""
        from onnxruntime import OrtValue

        self._session = session
        self._output = output
        self._inputs: dict[str, OrtValue] = {}
        self._binding = session.io_binding()
        for name, values in feed.items():
            buffer = OrtValue.ortvalue_from_shape_and_type(
                values.shape, values.dtype.type, place.kind, place.number
            )
            self._inputs[name] = buffer
            self._binding.bind_ortvalue_input(name, buffer)
        # Where its shape is not known yet, the runtime makes the buffer; from then on it is kept.
        self._binding.bind_output(output, place.kind, place.number)
        self._result: OrtValue | None = None

    @property
    def can_capture(self) -> bool:
        """Whether the output has its place, without which a graph could not write to it."""
        return self._result is not None

    def run(self, feed: Feed, graph_id: int = NO_GRAPH) -> npt.NDArray[np.floating]:
        """The graph's output for a batch; `graph_id` is of no effect before the first run has ended."""
        for name, values in feed.items():
            self._inputs[name].update_inplace(values)
        self._binding.synchronize_inputs()
        if self._result is None:
            self._session.run_with_iobinding(self._binding, run_options(NO_GRAPH))
            (self._result,) = self._binding.get_outputs()
            self._binding.bind_ortvalue_output(self._output, self._result)
        else:
            self._session.run_with_iobinding(self._binding, run_options(graph_id))
        self._binding.synchronize_outputs()
        # On a CPU it is the buffer itself, which the next batch writes over.
        return np.array(self._result.numpy())


def run_options(graph_id: int) -> RunOptions:
    """Options of one run; providers that know no graphs ignore them."""
    from onnxruntime import RunOptions

    options = RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(graph_id))
    return options
