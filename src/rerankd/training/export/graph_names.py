"""Puts names back that torch's exporter drops: of parameters that happen to hold the same values."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto


def restore_shared_names(model: ModelProto) -> None:
    """Gives each parameter its own tensor again.

    The exporter stores one of several equal ones and makes the others copies of it, by Identity. Rewrites
    want to see that a bias is stored, and a model is read back by its parameters' names.
    """
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in stored:
            copy = graph.initializer.add()
            copy.CopyFrom(stored[node.input[0]])
            copy.name = node.output[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
