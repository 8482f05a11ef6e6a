"""What the runtime is told about its providers, and that a provider which does nothing is no provider."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest
from support.onnx_models import build_model, model_files

from rerankd.backends.onnx import CudaGraphs, OnnxSettings, Precision, Provider, load, session
from rerankd.backends.onnx.device import opening
from rerankd.backends.onnx.device.buckets import Buckets
from rerankd.backends.onnx.device.providers import (
    ModelShape,
    ProviderList,
    buckets_of,
    engine_folder,
    profile,
    providers,
    runs_nothing,
)
from rerankd.backends.onnx.devices import EXECUTION_PROVIDERS
from rerankd.core.errors import ModelFailedError

INPUTS = ("input_ids", "attention_mask")
NAMES = [EXECUTION_PROVIDERS[each] for each in (Provider.TENSORRT, Provider.CUDA, Provider.CPU)]


def model(arithmetic: str = "fp32", *known_as: str) -> ModelShape:
    return ModelShape(inputs=INPUTS, max_tokens=512, arithmetic=lambda: arithmetic, known_as=known_as)


def options(wanted: ProviderList, name: str) -> dict[str, str]:
    return next(each[1] for each in wanted if each[0] == name)


def test_each_provider_stands_before_what_it_falls_back_to() -> None:
    settings = OnnxSettings()
    assert providers(Provider.CPU, settings, None) == [NAMES[2]]
    assert [
        each if isinstance(each, str) else each[0] for each in providers(Provider.CUDA, settings, None)
    ] == (NAMES[1:])
    wanted = providers(Provider.TENSORRT, settings, model())
    assert [each if isinstance(each, str) else each[0] for each in wanted] == NAMES


@pytest.mark.parametrize("graphs", [False, True])
def test_cuda_is_exact_and_captures_when_told(graphs: bool) -> None:
    told = options(providers(Provider.CUDA, OnnxSettings(device_id=3), None, graphs=graphs), NAMES[1])
    assert told == {"device_id": "3", "use_tf32": "0"} | ({"enable_cuda_graph": "1"} if graphs else {})


@pytest.mark.parametrize(
    ("arithmetic", "allowed"),
    [("fp32", set()), ("fp16", {"trt_fp16_enable"}), ("bf16", {"trt_bf16_enable"}), ("int8", set())],
)
def test_tensorrt_may_round_as_the_graph_does(arithmetic: str, allowed: set[str]) -> None:
    told = options(providers(Provider.TENSORRT, OnnxSettings(), model(arithmetic)), NAMES[0])
    assert {
        name for name in told if name in ("trt_fp16_enable", "trt_bf16_enable", "trt_int8_enable")
    } == allowed


def test_engines_are_planned_for_the_buckets() -> None:
    told = options(providers(Provider.TENSORRT, OnnxSettings(), model()), NAMES[0])
    assert told["trt_profile_min_shapes"] == "input_ids:1x16,attention_mask:1x16"
    assert told["trt_profile_opt_shapes"] == "input_ids:128x128,attention_mask:128x128"
    assert told["trt_profile_max_shapes"] == "input_ids:128x512,attention_mask:128x512"


@pytest.mark.parametrize(
    ("max_tokens", "budget"), [(512, 16_384), (512, 512), (8192, 16_384), (40, 1000), (512, 100)]
)
def test_every_batch_is_inside_the_profile(max_tokens: int, budget: int) -> None:
    settings = OnnxSettings(batch_tokens=budget)
    buckets = buckets_of(Provider.TENSORRT, settings, max_tokens)
    told = {kind: text.removeprefix("x:").split("x") for kind, text in profile(buckets, ["x"]).items()}
    least, usual, most = ([int(part) for part in told[kind]] for kind in ("min", "opt", "max"))
    for tokens in range(1, max_tokens + 1):
        width = buckets.width(tokens)
        for rows in {1, buckets.rows_of(width)}:
            assert least[0] <= rows <= most[0]
            assert least[1] <= width <= most[1]
    assert least[0] <= usual[0] <= most[0]
    assert least[1] <= usual[1] <= most[1]


def test_only_tensorrt_bounds_the_rows() -> None:
    assert buckets_of(Provider.CUDA, OnnxSettings(), 512) == Buckets(max_tokens=512, budget=16_384)
    assert buckets_of(Provider.TENSORRT, OnnxSettings(), 512).most_rows == 128


def test_engines_of_two_models_lie_apart(tmp_path: Path) -> None:
    def folder(settings: OnnxSettings, shape: ModelShape) -> str:
        return options(providers(Provider.TENSORRT, settings, shape), NAMES[0])["trt_engine_cache_path"]

    kept = OnnxSettings(cache_dir=tmp_path)
    folders = {
        folder(kept, model("fp32", "a", "b")),
        folder(kept, model("fp32", "ab", "")),
        folder(kept, model("fp16", "a", "b")),
    }
    assert len(folders) == 3
    assert all(Path(each).parent == tmp_path / "tensorrt" for each in folders)
    assert folder(kept, model("fp32", "a", "b")) == str(engine_folder(tmp_path, ("a", "b", "fp32")))
    assert "trt_engine_cache_enable" not in options(
        providers(Provider.TENSORRT, OnnxSettings(), model()), NAMES[0]
    )


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(tmp_path_factory.mktemp("models") / "model")


@pytest.mark.parametrize(("recorded", "expected"), [(True, True), (False, False)])
def test_a_provider_without_work_is_noticed_where_the_runtime_tells(
    directory: Path, recorded: bool, expected: bool
) -> None:
    chosen = onnxruntime.SessionOptions()
    if recorded:
        chosen.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    opened = onnxruntime.InferenceSession(
        str(model_files(directory).graph), chosen, providers=["CPUExecutionProvider"]
    )
    assert runs_nothing(opened, Provider.TENSORRT) is expected
    assert not runs_nothing(opened, Provider.CPU)


@pytest.fixture
def cpu_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[Provider], None]:
    """The CPU provider stands for another one, from the choice of it to the session's own word."""

    def stand_in(provider: Provider) -> None:
        named = {**EXECUTION_PROVIDERS, provider: EXECUTION_PROVIDERS[Provider.CPU]}
        monkeypatch.setattr(session, "obstacle", lambda *_: None)
        monkeypatch.setattr(session, "EXECUTION_PROVIDERS", named)
        monkeypatch.setattr(opening, "PLACES", dict.fromkeys(Provider, "cpu"))
        monkeypatch.setattr(session, "providers", lambda *_, **__: [NAMES[2]])

    return stand_in


def test_tensorrt_that_takes_no_operator_is_refused(
    directory: Path, cpu_as: Callable[[Provider], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu_as(Provider.TENSORRT)
    found = onnxruntime.InferenceSession.get_providers
    monkeypatch.setattr(onnxruntime.InferenceSession, "get_providers", lambda self: [*found(self), NAMES[1]])
    with pytest.raises(ModelFailedError, match="TensorRT takes none of this model's operators") as caught:
        load(model_files(directory), OnnxSettings(provider=Provider.TENSORRT), lambda *_: None)
    assert caught.value.metadata == {"asked": "tensorrt", "got": NAMES[1]}


def test_graphs_that_the_runtime_refuses_are_said_and_done_without(
    directory: Path, cpu_as: Callable[[Provider], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu_as(Provider.CUDA)
    opened = session._session
    asked: list[bool] = []

    def refusing(*arguments: object):
        asked.append(graphs[-1])
        if graphs[-1]:
            raise ModelFailedError("all compute nodes have to be on the GPU")
        return opened(*arguments)

    graphs: list[bool] = []

    def told(*_: object, graphs: bool = False, _seen: list[bool] = graphs) -> list[str]:
        _seen.append(graphs)
        return [NAMES[2]]

    monkeypatch.setattr(session, "_session", refusing)
    monkeypatch.setattr(session, "providers", told)
    settings = OnnxSettings(provider=Provider.CUDA, cuda_graphs=CudaGraphs.AUTO, threads=1)
    found = session.open_sessions(lambda _: model_files(directory).graph, settings)
    assert (found.graphs, found.provider, asked) == (False, Provider.CUDA, [True, False])
    assert found.note == "without CUDA graphs: all compute nodes have to be on the GPU"


@pytest.mark.parametrize("graphs", CudaGraphs)
def test_graphs_are_asked_for_where_they_are_wanted(
    directory: Path, cpu_as: Callable[[Provider], None], graphs: CudaGraphs
) -> None:
    cpu_as(Provider.CUDA)
    settings = OnnxSettings(provider=Provider.CUDA, cuda_graphs=graphs, threads=1)
    found = session.open_sessions(lambda _: model_files(directory).graph, settings)
    assert found.graphs is (graphs is CudaGraphs.AUTO)


@pytest.mark.parametrize(
    ("precision", "provider", "advice"),
    [
        (Precision.FP16, Provider.CPU, "needs a GPU"),
        (Precision.BF16, Provider.CPU, "needs a GPU and TensorRT"),
        (Precision.BF16, Provider.CUDA, "onnx.provider to tensorrt"),
    ],
)
def test_a_precision_that_a_provider_lacks_is_refused(
    directory: Path,
    cpu_as: Callable[[Provider], None],
    precision: Precision,
    provider: Provider,
    advice: str,
) -> None:
    cpu_as(provider)
    with pytest.raises(ModelFailedError, match=advice) as caught:
        load(model_files(directory), OnnxSettings(precision=precision, provider=provider), lambda *_: None)
    assert caught.value.message.startswith(f"precision {precision.value} was asked for, which needs")


def test_half_floats_are_served_where_a_device_has_them(
    directory: Path, tmp_path: Path, cpu_as: Callable[[Provider], None]
) -> None:
    """As on a GPU, with the CPU's kernels: converted, kept, compared with the stored graph, and said."""
    cpu_as(Provider.CUDA)
    settings = OnnxSettings(provider=Provider.CUDA, precision=Precision.FP16, cache_dir=tmp_path, threads=1)
    for _ in range(2):
        backend = load(model_files(directory), settings, lambda *_: None)
        assert backend.description.precision == "fp16"
        assert (backend.description.device, backend.description.lanes) == ("cuda:0", opening.DEVICE_LANES)
        backend.close()
    assert len(list(tmp_path.glob("*.graph"))) == 1


@pytest.mark.parametrize("stored", ["fp32", "fp16"])
def test_bf16_is_what_tensorrt_is_told(
    tmp_path: Path, cpu_as: Callable[[Provider], None], stored: str
) -> None:
    cpu_as(Provider.TENSORRT)
    directory = build_model(tmp_path / "model", precision=stored)
    settings = OnnxSettings(provider=Provider.TENSORRT, precision=Precision.BF16, threads=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "runs_nothing", lambda *_: False)
        backend = load(model_files(directory), settings, lambda *_: None)
    assert backend.description.precision == "bf16, fp32 weights"
    backend.close()
