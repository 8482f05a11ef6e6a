"""Scores of the bundled model computed by hand: no code of the server's backend is used here.

Each pair runs alone, without padding, from ids that the tokenizer library gives for the pair itself.
The weights are turned into floats with numpy, and the session optimizes nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from tokenizers import Tokenizer

import rerankd

BUNDLED = Path(rerankd.__file__).parent / "artifacts" / "bundled" / "mini-en"
MAX_TOKENS = 512


class Reference:
    def __init__(self, directory: Path = BUNDLED) -> None:
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS, strategy="only_second")
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = onnxruntime.InferenceSession(
            float_graph(directory / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def logit(self, query: str, document: str) -> float:
        encoding = self.tokenizer.encode(query, document)
        return self.logit_of(encoding.ids, encoding.type_ids)

    def logit_of(self, ids: list[int], types: list[int]) -> float:
        feed = {
            "input_ids": np.array([ids], dtype=np.int64),
            "attention_mask": np.ones((1, len(ids)), dtype=np.int64),
            "token_type_ids": np.array([types], dtype=np.int64),
        }
        (output,) = self._session.run(["logits"], feed)
        return float(output[0, 0])


def float_graph(path: Path) -> bytes:
    """The graph with its int8 weights multiplied out."""
    model = onnx.load(path)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in [node for node in model.graph.node if node.op_type == "DequantizeLinear"]:
        values, scale = (stored.pop(name) for name in node.input)
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
        if scale.ndim:
            scale = scale.reshape([-1 if number == axis else 1 for number in range(values.ndim)])
        stored[node.output[0]] = values.astype(np.float32) * scale
        model.graph.node.remove(node)
    del model.graph.initializer[:]
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in stored.items())
    return model.SerializeToString()
