"""From open sessions to what the lanes of a model run."""

from __future__ import annotations

from dataclasses import dataclass

from rerankd.backends.onnx.device.binding import Place
from rerankd.backends.onnx.device.graph_choice import choose_graphs
from rerankd.backends.onnx.device.providers import buckets_of
from rerankd.backends.onnx.device.runner import DeviceRunner, Runner, SessionRunner
from rerankd.backends.onnx.pairs import BatchAssembler
from rerankd.backends.onnx.settings import OnnxSettings, Provider
from rerankd.backends.onnx.tuned_sessions import TunedSessions

PLACES = {Provider.CUDA: "cuda", Provider.TENSORRT: "cuda"}
"""Where the buffers of accelerators lie; other providers run sessions as they are."""

DEVICE_LANES = 2
"""One batch runs while the next is put together, which takes Python longer than a copy takes the bus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runners:
    """What runs a model's micro-batches."""

    lanes: tuple[Runner, ...]
    """One for each lane; on an accelerator all of them are the same."""
    batch_tokens: int
    """Most padded tokens that the queue should hand to a lane at once."""
    note: str = ""
    """What was measured, for whoever reads the load's progress."""

    def close(self) -> None:
        """Frees them."""
        for runner in dict.fromkeys(self.lanes):
            runner.close()


def open_runners(
    tuned: TunedSessions, settings: OnnxSettings, *, assembler: BatchAssembler, output: str, max_tokens: int
) -> Runners:
    """The runners of a model's sessions.

    Args:
        tuned: The sessions, and the micro-batch that suits them on a CPU.
        settings: How to run the model.
        assembler: Pads its batches.
        output: Name of the graph's output.
        max_tokens: Longest pair.
    """
    opened = tuned.sessions
    kind = PLACES.get(opened.provider)
    if kind is None:
        lanes = tuple(SessionRunner(session, output, assembler) for session in opened.sessions)
        return Runners(lanes=lanes, batch_tokens=tuned.batch_tokens)
    buckets = buckets_of(opened.provider, settings, max_tokens)
    place = Place(kind, settings.device_id)
    runner = DeviceRunner(opened.sessions[0], output, assembler, buckets=buckets, place=place)
    note = choose_graphs(runner, assembler) if opened.graphs else ""
    return Runners(lanes=(runner,) * DEVICE_LANES, batch_tokens=buckets.queue_budget, note=note)
