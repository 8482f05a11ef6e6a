"""How an operator wants local models to run."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path


class Provider(enum.Enum):
    """What executes the graph."""

    AUTO = "auto"
    """CUDA where it initialises, else the CPU. TensorRT is never chosen by itself: its engines take
    minutes to build."""
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


class Precision(enum.Enum):
    """What a model computes in, whatever its file stores.

    bf16 is TensorRT's alone: ONNX Runtime has no such kernels for x86 and not all of them for CUDA, and
    OpenVINO's build, which has them, cannot be installed beside the one that this package uses.
    """

    AUTO = "auto"
    """As the graph is stored; half floats become fp32 on a CPU."""
    FP32 = "fp32"
    """Single floats everywhere."""
    FP16 = "fp16"
    """Half floats, on a GPU only. A model whose scores they would change stays in fp32; Status tells."""
    BF16 = "bf16"
    """Floats of 8 bits, with the range of fp32, where TensorRT finds them faster."""
    INT8 = "int8"
    """Products in 8-bit integers, on a CPU only: about twice as fast, scores off by some hundredths.
    A score still does not depend on its neighbours. A model that would lose more than that stays in
    float; Status tells."""


class CudaGraphs(enum.Enum):
    """Whether common shapes of batches run as captured CUDA graphs."""

    OFF = "off"
    AUTO = "auto"
    """Up to the size where a measurement at load says that they are faster."""


class TokenizerLibrary(enum.Enum):
    """What makes the tokens of documents. The ids are the same."""

    AUTO = "auto"
    """WordPiece by nanotoken, where the extra `wordpiece` is installed and the tokenizer is one for it."""
    TOKENIZERS = "tokenizers"
    WORDPIECE = "wordpiece"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxSettings:
    """Settings of one local model; every 0 means "choose for me"."""

    provider: Provider = Provider.AUTO
    """A provider asked for by name that does not come up fails the load; AUTO never fails for it."""
    device_id: int = 0
    """Which GPU, counted from 0; the CPU ignores it."""
    precision: Precision = Precision.AUTO
    cuda_graphs: CudaGraphs = CudaGraphs.OFF
    """For the CUDA provider; others ignore it."""
    cache_dir: Path | None = None
    """Where rewritten graphs and TensorRT's engines are kept; None = they are made anew at every load."""
    threads: int = 0
    """Threads that compute, over all lanes; 0 = the cores that this process may use."""
    lanes: int = 1
    """Micro-batches that run side by side, each with an equal share of the threads. Lanes of one thread share
    a session, others hold a copy of the weights each. 0 = on a CPU what a measurement says."""
    batch_tokens: int = 0
    """Padded tokens of one micro-batch; 0 = 16,384 on a GPU, on a CPU what is measured with `lanes`, or
    512 where nothing is."""
    max_tokens: int = 0
    """Longest pair, special tokens included; 0, or anything above what the model reads, = the
    model's own limit."""
    tokenizer: TokenizerLibrary = TokenizerLibrary.AUTO
    """One that is asked for by name and cannot be fails the load; AUTO never fails for it."""
    token_cache_bytes: int = 0
    """Bound of the documents' token ids that are kept for other queries; 0 = none are."""

    def __post_init__(self) -> None:
        """Refuses what no machine can do.

        Raises:
            ValueError: A number is negative, or there is no lane.
        """
        for name in ("device_id", "threads", "lanes", "batch_tokens", "max_tokens", "token_cache_bytes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")
