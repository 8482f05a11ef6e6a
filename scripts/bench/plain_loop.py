"""The loop that people write first: the tokenizer's own pairs in batches of a fixed number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

QUERY = "what are the treatments for high blood pressure in adults"
_FIELDS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}


def stored_session(directory: Path, threads: int = 0) -> ort.InferenceSession:
    """The graph of a model directory as it is in its file, computed in floats; 0 threads: one a core."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # Without it ORT would round activations of graphs with int8 weights.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    graph = next(path for path in (directory / "model.onnx", directory / "onnx/model.onnx") if path.exists())
    return ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


class PlainLoop:
    """Tokenize, pad, run, in arrival order: no scheduler, no transport."""

    def __init__(self, directory: Path) -> None:
        self._session = stored_session(directory)
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._tokenizer.enable_truncation(512)
        self._tokenizer.no_padding()

    def score(self, texts: Sequence[str], rows: int) -> list[float]:
        """Logits in the order of the texts."""
        encodings = self._tokenizer.encode_batch([(QUERY, text) for text in texts])
        logits: list[float] = []
        for start in range(0, len(encodings), rows):
            part = encodings[start : start + rows]
            width = max(len(encoding.ids) for encoding in part)
            feed = {
                name: np.array([getattr(one, _FIELDS[name]) + [0] * (width - len(one.ids)) for one in part])
                for name in self._inputs
            }
            logits += self._session.run(None, feed)[0].reshape(-1).tolist()
        return logits
