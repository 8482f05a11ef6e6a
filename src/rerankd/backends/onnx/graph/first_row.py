"""Computes only the first row of the sequence after the last attention has seen all of it.

A head that reads the hidden state of the first token alone needs no other row of the last layer: not
its queries, its attention, its feed-forward block. Starting at the operator that picks the row, the pick
is moved against the flow of data through everything that treats rows one by one. It stops where a tensor
is wanted whole, which is where keys and values come from. Scores are the same but for rounding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from rerankd.backends.onnx.graph.ranks import shape_entries
from rerankd.backends.onnx.graph.row_rules import RowInputs, row_inputs
from rerankd.backends.onnx.graph.view import GraphView, NotApplicableError

NAME = "first row of the last layer"
_OLDEST_OPSET = 11  # Slice and ScatterElements as they are inserted here.


def apply(view: GraphView) -> frozenset[str]:
    """Rewrites the graph; gives the tensors that now have one row.

    Raises:
        NotApplicableError: The head does not read the first row alone, or the graph is too old.
    """
    if view.opset < _OLDEST_OPSET:
        raise NotApplicableError(
            f"the graph is of opset {view.opset}; {_OLDEST_OPSET} is the first that will do"
        )
    plan = _Plan(view)
    if not plan.picks:
        raise NotApplicableError("no operator picks the first row of the hidden states")
    if not any(view.nodes[number].op_type in ("MatMul", "FusedMatMul") for number in plan.narrow):
        raise NotApplicableError("the rows before the pick are wanted elsewhere too")
    _Surgery(view, plan).operate()
    return frozenset(name for number in plan.narrow for name in view.nodes[number].output)


class _Plan:
    """Which nodes can work on one row, found from the results backwards."""

    def __init__(self, view: GraphView) -> None:
        self._view = view
        self._whole = set(view.pinned)
        self._axes: dict[str, set[int]] = defaultdict(set)
        self.picks: set[int] = set()
        self.narrow: dict[int, RowInputs] = {}
        """Node to the inputs of which it needs one row, with the axis of the rows."""
        self.axis: dict[str, int] = {}
        """Tensor that has one row to the axis of the rows, counted from the last."""
        for number in reversed(range(len(view.nodes))):
            self._visit(number)

    def _visit(self, number: int) -> None:
        node = self._view.nodes[number]
        if node.op_type == "Shape":
            return  # Asks for no values; what it says is put right where its tensor gets narrow.
        if _picks_first_row(self._view, number):
            self.picks.add(number)
            self._axes[node.input[0]].add(-2)
            return
        axis = self._wanted_axis(node.output)
        rows = None if axis is None else row_inputs(self._view, node, axis)
        if axis is None or rows is None:
            self._whole.update(node.input)
            return
        self.narrow[number] = rows
        self.axis.update(dict.fromkeys(node.output, axis))
        for position, name in enumerate(node.input):
            if position in rows:
                self._axes[name].add(rows[position])
            else:
                self._whole.add(name)

    def _wanted_axis(self, outputs: Sequence[str]) -> int | None:
        """The axis of which one row is wanted; None where more is, or nothing."""
        wanted = {axis for name in outputs for axis in self._axes[name]}
        if len(wanted) != 1 or any(name in self._whole for name in outputs):
            return None
        return wanted.pop()


def _picks_first_row(view: GraphView, number: int) -> bool:
    node = view.nodes[number]
    if not node.input or view.ranks.get(node.input[0]) != 3:
        return False
    if node.op_type == "Gather":
        axis = next((item.i for item in node.attribute if item.name == "axis"), 0)
        return axis in (1, -2) and view.integers(node.input[1]) == [0]
    if node.op_type == "Slice" and len(node.input) >= 4:
        start, end, axes = (view.integers(name) for name in node.input[1:4])
        steps = view.integers(node.input[4]) if len(node.input) > 4 else [1]
        return (start, end, steps) == ([0], [1], [1]) and axes in ([1], [-2])
    return False


class _Surgery:
    """Makes the planned nodes narrow, in place."""

    def __init__(self, view: GraphView, plan: _Plan) -> None:
        self._view = view
        self._plan = plan
        self._cuts: dict[tuple[str, int], str] = {}
        self._zero = view.store("first_row/zero", np.array([0], dtype=np.int64))
        self._one = view.store("first_row/one", np.array([1], dtype=np.int64))

    def operate(self) -> None:
        view = self._view
        for number, rows in sorted(self._plan.narrow.items()):
            node = view.nodes[number]
            # Reshape first: it wants the original input to tell the axes.
            if node.op_type == "Reshape":
                self._narrow_shape(number)
            for position, axis in rows.items():
                name = node.input[position]
                if name not in self._plan.axis and self._has_rows(name, axis):
                    node.input[position] = self._cut(number, name, axis)
        for number, node in enumerate(view.nodes):
            if node.op_type == "Shape" and node.input[0] in self._plan.axis:
                self._widen_answer(number)
        view.replace_nodes()

    def _has_rows(self, name: str, axis: int) -> bool:
        """Whether a tensor has that axis with more than one row, as far as it is known."""
        tensor = self._view.constant(name)
        if tensor is not None:
            return len(tensor.dims) >= -axis and tensor.dims[axis] != 1
        return self._view.ranks.get(name, -axis) >= -axis

    def _cut(self, number: int, name: str, axis: int) -> str:
        """The first row of a tensor that is made whole; an axis of one row stays as it is."""
        if (name, axis) not in self._cuts:
            axes = self._view.store(f"{name}/axis", np.array([axis], dtype=np.int64))
            output = self._view.fresh(f"{name}/first_row")
            self._cuts[name, axis] = self._view.insert(
                number, "Slice", [name, self._zero, self._one, axes], output
            )
        return self._cuts[name, axis]

    def _narrow_shape(self, number: int) -> None:
        """A target shape with 1 where the rows were."""
        view, node = self._view, self._view.nodes[number]
        entries = shape_entries(view, node.input[1])
        rank = view.ranks[node.output[0]]
        place = rank + self._plan.axis[node.output[0]]
        known = view.integers(node.input[1])
        if known is not None and entries is not None:
            known[place] = 1
            node.input[1] = view.store(f"{node.output[0]}/shape", np.array(known, dtype=np.int64))
        else:
            node.input[1] = self._with_entry(number, node.input[1], place, self._one)

    def _widen_answer(self, number: int) -> None:
        """Shape says what it said: the rest of the graph may compute with the length of the sequence."""
        view, node = self._view, self._view.nodes[number]
        if any(item.name in ("start", "end") and item.i != 0 for item in node.attribute):
            raise NotApplicableError("a part of the shape of a row is asked for")
        place = view.ranks[node.input[0]] + self._plan.axis[node.input[0]]
        answer, narrow = node.output[0], view.fresh(f"{node.output[0]}/narrow")
        node.output[0] = narrow
        after = number + 1
        ids = view.insert(after, "Shape", ["input_ids"], view.fresh(f"{answer}/ids"))
        length = view.insert(after, "Gather", [ids, self._one], view.fresh(f"{answer}/length"), axis=0)
        self._with_entry(after, narrow, place, length, output=answer)

    def _with_entry(self, number: int, shape: str, place: int, value: str, output: str = "") -> str:
        view = self._view
        index = view.store(f"{shape}/place", np.array([place], dtype=np.int64))
        name = output or view.fresh(f"{shape}/row_{place}")
        return view.insert(number, "ScatterElements", [shape, index, value], name, axis=0)
