"""What runs micro-batches: a session as it is on a CPU; fixed buffers and one thread on an accelerator."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from rerankd.backends.onnx.device.binding import BoundShape, Place
from rerankd.backends.onnx.device.buckets import Buckets, Shape
from rerankd.backends.onnx.device.captures import NO_GRAPH, Captures
from rerankd.backends.onnx.device.gate import GATE
from rerankd.backends.onnx.failures import short_cause
from rerankd.backends.onnx.pairs import BatchAssembler, Feed, Pair

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_PATIENCE_SECONDS = 2.0
"""For a moment without other models, where a measurement needs one."""

Output = npt.NDArray[np.floating]
"""What the graph gives: a row for each pair."""


class Runner(Protocol):
    """Runs the micro-batches of a lane."""

    def run(self, pairs: Sequence[Pair]) -> Output:
        """The graph's output for at least one pair, in order. What the runtime raises comes through."""

    def padded_tokens(self, lengths: Sequence[int]) -> int:
        """Tokens that a micro-batch of pairs of these lengths costs, counting padding."""

    def close(self) -> None:
        """Frees the session."""


class SessionRunner:
    """A session on a CPU: each batch is as wide as its longest pair, in arrays of its own."""

    def __init__(self, session: InferenceSession, output: str, assembler: BatchAssembler) -> None:
        """One lane's session."""
        self._session: InferenceSession | None = session
        self._output = output
        self._assembler = assembler

    def run(self, pairs: Sequence[Pair]) -> Output:
        """The graph's output, in order."""
        if self._session is None:
            raise RuntimeError("the model is closed")
        (output,) = self._session.run([self._output], self._assembler.assemble(pairs))
        return np.asarray(output)

    def padded_tokens(self, lengths: Sequence[int]) -> int:
        """The area of the batch."""
        return len(lengths) * max(lengths, default=0)

    def close(self) -> None:
        """Frees the session."""
        self._session = None


class DeviceRunner:
    """A session on an accelerator, shared by all lanes.

    One thread talks to the device: ONNX Runtime keeps captured graphs for each thread, and buffers are there
    once. Lanes hand it assembled batches and wait, first come first served; so while it runs the batch
    of one lane, the other puts the next one together.
    """

    def __init__(
        self,
        session: InferenceSession,
        output: str,
        assembler: BatchAssembler,
        *,
        buckets: Buckets,
        place: Place,
    ) -> None:
        """`captures` of a new runner captures nothing until somebody says which batches gain by it."""
        self.captures = Captures()
        self.buckets = buckets
        self._session: InferenceSession | None = session
        self._output = output
        self._assembler = assembler
        self._place = place
        self._bound: dict[Shape, BoundShape] = {}
        self._captured: set[int] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="device")

    def run(self, pairs: Sequence[Pair]) -> Output:
        """The graph's output, in order; may be called by several threads at once."""
        parts = self.buckets.parts([pair.tokens for pair in pairs])
        outputs = [
            self._thread.submit(
                self._score,
                part.shape,
                self._assembler.assemble(pairs[part.start : part.stop], part.shape.rows, part.shape.width),
            )
            for part in parts
        ]
        return np.concatenate(
            [output.result()[: part.stop - part.start] for part, output in zip(parts, outputs, strict=True)]
        )

    def run_shape(self, shape: Shape, feed: Feed, *, graph: bool) -> Output:
        """One batch of a shape as it is, as a captured graph or not: for measurements."""
        graph_id = self.captures.capture(shape) if graph else NO_GRAPH
        return self._thread.submit(self._run, shape, feed, graph_id, _PATIENCE_SECONDS).result()

    def padded_tokens(self, lengths: Sequence[int]) -> int:
        """The area of the shapes that such a micro-batch is padded to."""
        return self.buckets.padded_tokens(lengths)

    def close(self) -> None:
        """Frees the buffers and the session, after what still runs."""
        self._thread.submit(self._forget).result()
        self._thread.shutdown()

    def _forget(self) -> None:
        self._bound.clear()
        self._session = None

    def _score(self, shape: Shape, feed: Feed) -> Output:
        graph_id = self.captures.graph_id(shape)
        if graph_id == NO_GRAPH:
            return self._run(shape, feed, NO_GRAPH)
        try:
            return self._run(shape, feed, graph_id)
        except Exception as error:  # The runtime has no common base class below Exception.
            self.captures.give_up(shape, short_cause(error))
            return self._run(shape, feed, NO_GRAPH)

    def _run(self, shape: Shape, feed: Feed, graph_id: int, patience_seconds: float = 0.0) -> Output:
        """Runs a batch, capturing the graph if it is not yet and nobody else uses the device.

        Raises:
            TimeoutError: Somebody did for all of the time that was to be waited.
        """
        known = self._bound.get(shape)
        if graph_id not in self._captured and graph_id != NO_GRAPH:
            if known is not None and known.can_capture:
                with GATE.alone(patience_seconds) as granted:
                    if granted:
                        output = known.run(feed, graph_id)
                        self._captured.add(graph_id)
                        return output
                if patience_seconds:
                    raise TimeoutError("other models keep the GPU busy")
            graph_id = NO_GRAPH
        with GATE.beside_others():
            return self._bind(shape, feed).run(feed, graph_id)

    def _bind(self, shape: Shape, feed: Feed) -> BoundShape:
        bound = self._bound.get(shape)
        if bound is None:
            if self._session is None:
                raise RuntimeError("the model is closed")
            bound = BoundShape(self._session, self._output, self._place, feed)
            self._bound[shape] = bound
        return bound
