"""What this machine has to compute with, found without noise.

ONNX Runtime finds out that CUDA is missing by failing loudly. Asking the driver first gives the
answer as a sentence.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import warnings
from pathlib import Path

from rerankd.backends.onnx.failures import short_cause
from rerankd.backends.onnx.settings import Provider

EXECUTION_PROVIDERS = {
    Provider.CPU: "CPUExecutionProvider",
    Provider.CUDA: "CUDAExecutionProvider",
    Provider.TENSORRT: "TensorrtExecutionProvider",
}
"""The names that ONNX Runtime uses."""

_CPU_INFO = Path("/proc/cpuinfo")
_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")

_LIBRARIES = {
    Provider.CUDA: "libonnxruntime_providers_cuda.so",
    Provider.TENSORRT: "libonnxruntime_providers_tensorrt.so",
}


def available_cores() -> int:
    """Cores that this process may use: its affinity, and the quota of its container."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = _CPU_MAX.read_text().split()
        if quota != "max":
            cores = min(cores, round(int(quota) / int(period)))
    return max(1, cores)


def processor() -> str:
    """The instructions that the processor has, where the system tells."""
    with contextlib.suppress(OSError), _CPU_INFO.open() as lines:
        for line in lines:
            if line.startswith(("flags", "Features")):
                return line
    return ""


def obstacle(provider: Provider, device_id: int) -> str | None:
    """Why a GPU provider cannot run here, in a few words; None where a try is worth it."""
    import onnxruntime

    name = EXECUTION_PROVIDERS[provider]
    if name not in onnxruntime.get_available_providers():
        return f"this build of ONNX Runtime has no {name}"
    devices = _cuda_devices()
    if isinstance(devices, str):
        return devices
    if device_id >= devices:
        return f"device_id is {device_id} and the driver shows {devices} GPU(s)"
    return None


def _cuda_devices() -> int | str:
    """Number of GPUs that the driver shows, or why there is none."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "there is no NVIDIA driver (libcuda.so.1)"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value < 1:
        return "the NVIDIA driver shows no GPU"
    return count.value


def preload_cuda() -> None:
    """Loads CUDA and cuDNN from their wheels, where they are installed as such.

    `preload_dlls` prints what it misses; `why_not_initialised` says it better.
    """
    import onnxruntime

    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception):
            onnxruntime.preload_dlls()


def why_not_initialised(provider: Provider) -> str:
    """The library that a provider misses, as the linker names it.

    Only to be asked after ONNX Runtime has failed: its provider libraries take the address of their
    host when they are loaded, so one that is loaded before the runtime does it would crash later.
    """
    import onnxruntime

    folder = Path(onnxruntime.__file__).parent / "capi"
    try:
        ctypes.CDLL(str(folder / "libonnxruntime_providers_shared.so"), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(folder / _LIBRARIES[provider]))
    except OSError as error:
        return f"a library is missing: {short_cause(error)}"
    return "it did not initialise"
