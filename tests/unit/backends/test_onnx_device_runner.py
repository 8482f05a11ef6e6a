"""Fixed buffers, rounded shapes and the device's thread, on the CPU provider: the same scores."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from support.encoder_graphs import STYLES, build_encoder
from support.onnx_models import build_model, model_files

from rerankd.backends.base import Backend, EncodeOptions, padded_tokens
from rerankd.backends.onnx import OnnxBackend, OnnxSettings, Provider, load
from rerankd.backends.onnx.device import agreement, opening
from rerankd.backends.onnx.device.binding import BoundShape, Place
from rerankd.backends.onnx.device.buckets import Buckets, Shape
from rerankd.backends.onnx.device.captures import COMMON, MOST_GRAPHS, NO_GRAPH, Captures
from rerankd.backends.onnx.device.gate import Gate
from rerankd.backends.onnx.device.graph_choice import Timing, choose_graphs, tried_shapes, up_to_tokens
from rerankd.backends.onnx.device.runner import DeviceRunner
from rerankd.backends.onnx.pairs import BatchAssembler, Feed, WholePair
from rerankd.backends.onnx.session import open_sessions
from rerankd.backends.testing import BackendAcceptance
from rerankd.core.errors import BackendFailedError, ModelFailedError
from rerankd.core.types import WarmupStage

MODELS = {
    "bert": {},
    "position-ids": {"architecture": "roberta", "position_ids": True},
    "int32": {"int32_inputs": True},
    "flat": {"head": "flat"},
    "two-classes": {"head": "two_classes"},
    "no-type-ids": {"token_type_ids": False},
}
ASSEMBLER = BatchAssembler(
    inputs={"input_ids": np.int64, "attention_mask": np.int64, "token_type_ids": np.int64}, pad_token_id=0
)
LENGTHS = [3, 40, 17, 40, 5, 100, 64, 1, 9]


@pytest.fixture
def as_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPUs count as accelerators."""
    monkeypatch.setitem(opening.PLACES, Provider.CPU, "cpu")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory):
    directory = build_encoder(tmp_path_factory.mktemp("models") / "model", STYLES["bert, TorchScript"])
    settings = OnnxSettings(threads=1, provider=Provider.CPU)
    return open_sessions(lambda _: model_files(directory).graph, settings).sessions[0]


@pytest.fixture
def runner(session) -> Iterator[DeviceRunner]:
    made = DeviceRunner(
        session, "logits", ASSEMBLER, buckets=Buckets(max_tokens=512, budget=256), place=Place("cpu")
    )
    yield made
    made.close()


def pairs_of(lengths: Sequence[int], seed: int = 0) -> list[WholePair]:
    random = np.random.default_rng(seed)
    return [
        WholePair(
            ids=random.integers(1, 40, tokens).astype(np.int32),
            types=np.zeros(tokens, dtype=np.int32),
            dropped_tokens=0,
            start_char=0,
            end_char=0,
        )
        for tokens in lengths
    ]


def plain(session, feed: Feed) -> np.ndarray:
    (output,) = session.run(["logits"], feed)
    return np.asarray(output)


class TestOnDevice(BackendAcceptance):
    """The acceptance suite of the port, with rounded shapes and shared buffers."""

    @pytest.fixture(autouse=True, params=MODELS)
    def _use(self, request: pytest.FixtureRequest, tmp_path: Path, as_a_device: None) -> None:
        self._directory = build_model(tmp_path / "model", **MODELS[request.param])

    def make_backend(self) -> Backend:
        return load(model_files(self._directory), OnnxSettings(threads=1, batch_tokens=256), lambda *_: None)


def test_bound_buffers_give_the_very_same_bits(session) -> None:
    feeds = [ASSEMBLER.assemble(pairs_of([40, 7, 33], seed), 4, 48) for seed in range(3)]
    bound = BoundShape(session, "logits", Place("cpu"), feeds[0])
    for _ in range(2):
        for feed in feeds:
            np.testing.assert_array_equal(bound.run(feed), plain(session, feed))


def test_a_result_stays_when_the_next_batch_runs(session) -> None:
    first, second = (ASSEMBLER.assemble(pairs_of([16], seed)) for seed in range(2))
    bound = BoundShape(session, "logits", Place("cpu"), first)
    kept = bound.run(first)
    before = kept.copy()
    assert not np.array_equal(bound.run(second), before)
    np.testing.assert_array_equal(kept, before)


def test_buffers_are_allocated_once_for_each_shape(runner: DeviceRunner) -> None:
    for seed in range(3):
        runner.run(pairs_of(LENGTHS, seed))
    assert set(runner._bound) == {part.shape for part in runner.buckets.parts(LENGTHS)}
    addresses = {
        shape: [value.data_ptr() for value in bound._inputs.values()]
        for shape, bound in runner._bound.items()
    }
    runner.run(pairs_of(LENGTHS, seed=4))
    for shape, bound in runner._bound.items():
        assert [value.data_ptr() for value in bound._inputs.values()] == addresses[shape]


def test_rounded_batches_score_as_each_pair_alone(runner: DeviceRunner, session) -> None:
    pairs = pairs_of(LENGTHS)
    alone = np.concatenate([plain(session, ASSEMBLER.assemble([pair])) for pair in pairs])
    np.testing.assert_allclose(runner.run(pairs), alone, rtol=1e-5, atol=1e-5)


def test_rows_without_a_pair_are_numbers(session) -> None:
    feed = ASSEMBLER.assemble(pairs_of([5]), 4, 16)
    assert feed["attention_mask"].sum(axis=1).tolist() == [5, 1, 1, 1]
    assert np.isfinite(plain(session, feed)).all()


def test_many_lanes_share_one_thread_and_get_their_own(runner: DeviceRunner, session) -> None:
    threads: set[int] = set()
    score = runner._score

    def watched(shape: Shape, feed: Feed) -> np.ndarray:
        threads.add(threading.get_ident())
        return score(shape, feed)

    runner._score = watched  # type: ignore[method-assign]
    together = threading.Barrier(4)
    results: dict[int, np.ndarray] = {}

    def lane(seed: int) -> None:
        together.wait()
        results[seed] = np.concatenate([runner.run(pairs_of(LENGTHS, seed)) for _ in range(5)])

    lanes = [threading.Thread(target=lane, args=(seed,)) for seed in range(4)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    assert len(threads) == 1
    for seed, got in results.items():
        alone = runner.run(pairs_of(LENGTHS, seed))
        np.testing.assert_array_equal(got, np.concatenate([alone] * 5))


def test_a_loaded_model_tells_what_it_is_and_what_padding_costs(tmp_path: Path, as_a_device: None) -> None:
    events: dict[WarmupStage, str] = {}
    backend = load(
        model_files(build_model(tmp_path / "model")),
        OnnxSettings(threads=1, batch_tokens=1000),
        lambda stage, _, text: events.update({stage: text}),
    )
    assert (backend.description.lanes, backend.description.batch_tokens) == (opening.DEVICE_LANES, 800)
    assert events[WarmupStage.GOLDEN].endswith(f"{agreement.SAMPLES} pairs as on the CPU")
    pairs = pairs_of([20, 20, 20, 20, 20])
    assert padded_tokens(backend, pairs) == 6 * 32
    backend.close()


def test_without_rounding_padding_is_the_area(tmp_path: Path) -> None:
    backend = load(model_files(build_model(tmp_path / "model")), OnnxSettings(threads=1), lambda *_: None)
    assert padded_tokens(backend, pairs_of([20, 10, 5])) == 60


def test_what_the_runtime_raises_fails_the_batch_and_not_the_runner(
    tmp_path: Path, as_a_device: None
) -> None:
    backend = load(model_files(build_model(tmp_path / "model")), OnnxSettings(threads=1), lambda *_: None)
    beyond = pairs_of([16])
    beyond[0].ids[:] = 1 << 30
    with pytest.raises(BackendFailedError, match="failed on a batch of 1 pairs"):
        backend.score(beyond, 0)
    assert np.isfinite(backend.score(pairs_of([16]), 1)).all()
    backend.close()


def test_a_closed_runner_holds_no_session(runner: DeviceRunner) -> None:
    runner.run(pairs_of([5]))
    assert runner._session is not None
    runner._thread.submit(runner._forget).result()
    assert (runner._session, runner._bound) == (None, {})
    with pytest.raises(RuntimeError, match="closed"):
        runner.run(pairs_of([5]))


def test_a_gpu_that_scores_wrongly_is_not_served(
    tmp_path: Path, as_a_device: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = DeviceRunner.run
    monkeypatch.setattr(DeviceRunner, "run", lambda self, pairs: run(self, pairs) + np.float32(0.01))
    with pytest.raises(ModelFailedError, match=r"the GPU gives .* and the CPU .* onnx\.provider to cpu"):
        load(model_files(build_model(tmp_path / "model")), OnnxSettings(threads=1), lambda *_: None)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("device")]


# CUDA graphs: the CPU provider ignores ids, so that what is tested is the bookkeeping.


def test_common_shapes_get_a_graph_and_keep_it() -> None:
    captures = Captures(up_to_tokens=1000)
    common, large = Shape(4, 32), Shape(64, 32)
    ids = [captures.graph_id(common) for _ in range(COMMON + 2)]
    assert ids == [NO_GRAPH] * (COMMON - 1) + [1] * 3
    assert {captures.graph_id(large) for _ in range(COMMON + 2)} == {NO_GRAPH}
    assert captures.shapes == {common}


def test_no_two_shapes_share_a_graph_and_there_is_an_end_to_it() -> None:
    captures = Captures(up_to_tokens=10_000)
    shapes = [Shape(rows, 16) for rows in range(1, MOST_GRAPHS + 10)]
    for _ in range(COMMON):
        ids = [captures.graph_id(shape) for shape in shapes]
    assert sorted(ids) == [NO_GRAPH] * 9 + list(range(1, MOST_GRAPHS + 1))


def test_nothing_is_captured_unless_it_gains() -> None:
    captures = Captures()
    assert {captures.graph_id(Shape(1, 16)) for _ in range(COMMON + 2)} == {NO_GRAPH}


@pytest.mark.parametrize(
    ("timings", "limit"),
    [
        ([], 0),
        ([Timing(96, 1.0, 0.5), Timing(960, 1.0, 0.9), Timing(9600, 1.0, 1.0)], 960),
        ([Timing(96, 1.0, 1.0), Timing(960, 1.0, 0.5)], 0),
        ([Timing(9600, 1.0, 0.9), Timing(96, 1.0, 0.5)], 9600),
        ([Timing(96, 1.0, 0.99)], 0),
    ],
)
def test_graphs_run_up_to_where_they_stop_to_gain(timings: list[Timing], limit: int) -> None:
    assert up_to_tokens(timings) == limit


def test_the_choice_is_measured_on_the_runner(runner: DeviceRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock on which a graph takes half of the time, up to two rows."""
    now = 0.0
    run_shape = DeviceRunner.run_shape

    def timed(self: DeviceRunner, shape: Shape, feed: Feed, *, graph: bool) -> np.ndarray:
        nonlocal now
        now += 0.5 if graph and shape.rows == 1 else 1.0
        return run_shape(self, shape, feed, graph=graph)

    monkeypatch.setattr(DeviceRunner, "run_shape", timed)
    assert tried_shapes(runner.buckets) == [Shape(1, 96), Shape(2, 96)]
    assert choose_graphs(runner, ASSEMBLER, lambda: now) == "CUDA graphs up to 96 tokens"
    assert runner.captures.up_to_tokens == 96
    assert runner.captures.graph_id(Shape(1, 96)) == 1


def test_graphs_that_cannot_be_captured_are_left_alone(
    runner: DeviceRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(DeviceRunner, "run_shape", refuse)
    assert choose_graphs(runner, ASSEMBLER).startswith("without CUDA graphs: operation not permitted")
    assert runner.captures.up_to_tokens == 0


def test_a_capture_that_fails_costs_no_batch(
    runner: DeviceRunner, session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[int] = []
    run = BoundShape.run

    def failing(self: BoundShape, feed: Feed, graph_id: int = NO_GRAPH) -> np.ndarray:
        asked.append(graph_id)
        if graph_id != NO_GRAPH:
            raise RuntimeError("capture is void")
        return run(self, feed)

    monkeypatch.setattr(BoundShape, "run", failing)
    runner.captures.up_to_tokens = 256
    pairs = pairs_of([16, 16])
    wanted = plain(session, ASSEMBLER.assemble(pairs, 2, 16))
    for _ in range(COMMON + 2):
        np.testing.assert_array_equal(runner.run(pairs), wanted)
    assert asked == [NO_GRAPH] * (COMMON - 1) + [1, NO_GRAPH] + [NO_GRAPH] * 2
    assert "none is used any more" in caplog.text


def test_a_capture_is_alone_and_a_replay_is_not(
    runner: DeviceRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[str] = []

    class Watched(Gate):
        def alone(self, patience_seconds: float = 0.0):
            entered.append("alone")
            return super().alone(patience_seconds)

        def beside_others(self):
            entered.append("beside")
            return super().beside_others()

    monkeypatch.setattr("rerankd.backends.onnx.device.runner.GATE", Watched())
    runner.captures.up_to_tokens = 256
    for _ in range(COMMON + 2):
        runner.run(pairs_of([16, 16]))
    assert entered == ["beside"] * (COMMON - 1) + ["alone"] + ["beside"] * 2


def test_a_capture_is_put_off_while_others_use_the_device(
    runner: DeviceRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr("rerankd.backends.onnx.device.runner.GATE", gate)
    runner.captures.up_to_tokens = 256
    with gate.beside_others():
        first = [runner.run(pairs_of([16, 16])) for _ in range(COMMON + 2)]
        assert runner._captured == set()
    np.testing.assert_array_equal(runner.run(pairs_of([16, 16])), first[0])
    assert runner._captured == {1}


def test_a_measurement_among_others_is_given_up(
    runner: DeviceRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr("rerankd.backends.onnx.device.runner.GATE", gate)
    monkeypatch.setattr("rerankd.backends.onnx.device.runner._PATIENCE_SECONDS", 0.001)
    with gate.beside_others():
        assert choose_graphs(runner, ASSEMBLER) == "without CUDA graphs: other models keep the GPU busy"
    assert runner.captures.up_to_tokens == 0


def test_who_comes_during_a_capture_waits_for_its_end() -> None:
    gate = Gate()
    entered = threading.Event()

    def come() -> None:
        with gate.beside_others():
            entered.set()

    with gate.alone() as granted:
        assert granted
        with gate.alone() as twice:
            assert not twice
        thread = threading.Thread(target=come)
        thread.start()
        assert not entered.is_set()
    assert entered.wait(20)
    thread.join()
    with gate.alone() as granted:
        assert granted


def test_many_go_side_by_side() -> None:
    gate = Gate()
    together = threading.Barrier(3, timeout=20)

    def run() -> None:
        with gate.beside_others():
            together.wait()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not together.broken


def test_runs_with_a_graph_id_score_the_same(runner: DeviceRunner, session) -> None:
    runner.captures.up_to_tokens = 256
    pairs = pairs_of([16, 16])
    wanted = plain(session, ASSEMBLER.assemble(pairs, 2, 16))
    for _ in range(COMMON + 2):
        np.testing.assert_array_equal(runner.run(pairs), wanted)
    assert runner.captures.shapes == {Shape(2, 16)}


def test_a_model_is_served_with_graphs_where_they_were_measured(
    tmp_path: Path, as_a_device: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_graphs(runner: DeviceRunner, _: BatchAssembler) -> str:
        runner.captures.up_to_tokens = 512
        return "CUDA graphs up to 512 tokens"

    opened = open_sessions

    monkeypatch.setattr(opening, "choose_graphs", with_graphs)
    monkeypatch.setattr(
        "rerankd.backends.onnx.tuned_sessions.open_sessions",
        lambda *arguments: _capturing(opened(*arguments)),
    )
    events: dict[WarmupStage, str] = {}
    backend: OnnxBackend = load(
        model_files(build_model(tmp_path / "model")),
        OnnxSettings(threads=1),
        lambda stage, _, text: events.update({stage: text}),
    )
    assert "CUDA graphs up to 512 tokens" in events[WarmupStage.SESSION]
    pairs = backend.encode_documents(backend.encode_query("plants"), ["food", "river"], EncodeOptions())
    flat = [pair for windows in pairs for pair in windows]
    first = backend.score(flat, 0)
    for lane in (1, 0, 1, 0, 1):
        np.testing.assert_array_equal(backend.score(flat, lane), first)
    backend.close()


def _capturing(opened):
    from dataclasses import replace

    return replace(opened, graphs=True)
