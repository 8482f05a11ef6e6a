"""Providers are what was asked for, or the load says why not; nothing is printed on the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.onnx_models import build_model, model_files

from rerankd.backends.onnx import OnnxSettings, Provider, devices, load, session
from rerankd.core.errors import ModelFailedError

NO_GPU = devices.obstacle(Provider.CUDA, 0) is not None
without_gpu = pytest.mark.skipif(not NO_GPU, reason="this machine has a GPU")


def load_with(directory: Path, **settings: object):
    return load(model_files(directory), OnnxSettings(**{"threads": 1, **settings}), lambda *_: None)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(tmp_path_factory.mktemp("models") / "model")


@without_gpu
@pytest.mark.parametrize("provider", [Provider.CUDA, Provider.TENSORRT])
def test_a_provider_asked_for_by_name_must_come_up(directory: Path, provider: Provider) -> None:
    with pytest.raises(ModelFailedError) as caught:
        load_with(directory, provider=provider)
    assert caught.value.metadata == {"asked": provider.value, "got": "CPUExecutionProvider"}
    for word in (provider.value, "CPUExecutionProvider", "install"):
        assert word in caught.value.message


@without_gpu
def test_auto_takes_the_cpu_where_there_is_no_gpu(directory: Path) -> None:
    description = load_with(directory, provider=Provider.AUTO).description
    assert (description.device, description.provider) == ("cpu", "CPUExecutionProvider")
    assert description.batch_tokens == session.CPU_BATCH_TOKENS


@without_gpu
@pytest.mark.parametrize("provider", ["auto", "cuda", "cpu"])
def test_nothing_is_printed(directory: Path, provider: str) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from rerankd.backends.onnx import OnnxSettings, Provider, load\n"
        "from rerankd.core.errors import ModelFailedError\n"
        "from support.onnx_models import model_files\n"
        "try:\n"
        "    settings = OnnxSettings(provider=Provider(sys.argv[2]))\n"
        "    load(model_files(Path(sys.argv[1])), settings, lambda *_: None)\n"
        "except ModelFailedError:\n"
        "    assert sys.argv[2] == 'cuda'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(directory), provider],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_importing_the_package_loads_no_runtime() -> None:
    program = (
        "import sys, rerankd.backends.onnx\n"
        "print([name for name in ('onnx', 'onnxruntime', 'tokenizers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_loading_does_not_import_the_onnx_package(directory: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from rerankd.artifacts.files import ModelFiles\n"
        "from rerankd.backends.onnx import OnnxSettings, load\n"
        "root = Path(sys.argv[1])\n"
        "files = ModelFiles(id='a', revision='b', graph=root / 'onnx' / 'model.onnx',\n"
        "                   tokenizer=root / 'tokenizer.json', config={'pad_token_id': 0})\n"
        "load(files, OnnxSettings(), lambda *_: None)\n"
        "print('onnx' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(directory)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@without_gpu
@pytest.mark.parametrize("provider", [Provider.CUDA, Provider.TENSORRT])
def test_a_provider_that_does_not_initialise_is_noticed(
    directory: Path,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """As on a machine whose driver shows a GPU and that lacks the libraries."""
    monkeypatch.setattr(session, "obstacle", lambda *_: None)
    with pytest.raises(ModelFailedError) as caught:
        load_with(directory, provider=provider)
    assert caught.value.metadata["asked"] == provider.value
    assert "install" in caught.value.message
    assert "/" not in caught.value.message
    assert capfd.readouterr() == ("", "")


@without_gpu
def test_auto_says_why_it_left_a_gpu_alone(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "obstacle", lambda *_: None)
    details: list[str] = []
    loaded = load(model_files(directory), OnnxSettings(threads=1), lambda *event: details.append(event[2]))
    assert loaded.description.provider == "CPUExecutionProvider"
    assert any(detail.startswith("CPUExecutionProvider (provider cuda was asked for") for detail in details)


@pytest.mark.parametrize(
    ("threads", "lanes", "expected"), [(4, 1, 4), (4, 2, 2), (1, 2, 1), (0, 1, devices.available_cores())]
)
def test_lanes_share_the_threads(directory: Path, threads: int, lanes: int, expected: int) -> None:
    opened = session.open_sessions(
        lambda _: model_files(directory).graph,
        OnnxSettings(threads=threads, lanes=lanes, provider=Provider.CPU),
    )
    assert len(opened.sessions) == lanes
    assert opened.threads == expected
    # Two calls into a session of one thread do not meet; into one of several they would wait for each other.
    assert len({id(one) for one in opened.sessions}) == (1 if expected == 1 else lanes)


def test_settings_reach_the_description(directory: Path) -> None:
    description = load_with(directory, lanes=2, batch_tokens=2048, max_tokens=64).description
    assert (description.lanes, description.batch_tokens, description.max_tokens) == (2, 2048, 64)
    assert load_with(directory, max_tokens=100_000).description.max_tokens == 512


@pytest.mark.parametrize(
    "setting",
    [{"threads": -1}, {"lanes": -1}, {"batch_tokens": -1}, {"max_tokens": -1}, {"device_id": -1}],
)
def test_silly_settings_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        OnnxSettings(**setting)


@pytest.mark.parametrize(
    ("content", "cores", "expected"),
    [("max 100000", 8, 8), ("200000 100000", 8, 2), ("50000 100000", 8, 1), ("junk", 8, 8), (None, 8, 8)],
)
def test_cores_are_those_of_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, cores: int, expected: int
) -> None:
    quota = tmp_path / "cpu.max"
    if content is not None:
        quota.write_text(content)
    monkeypatch.setattr(devices, "_CPU_MAX", quota)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(cores), raising=False)
    assert devices.available_cores() == expected
