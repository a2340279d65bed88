"""Builds an ONNX graph node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from chatbot.errors import OnnxError

OPSET = 17
IR_VERSION = 8
"""What onnxruntime 1.14 and all later ones read."""


class Nodes:
    """The nodes and constants of a graph; a tensor is known by its name."""

    def __init__(self, prefix: str = "") -> None:
        """Begins a graph; one inside another needs a prefix for its names."""
        self.prefix = prefix
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, value: Any) -> str:
        """Returns the name of an array that never changes."""
        name = f"{self.prefix}constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Adds a node with one output, and returns the output's name."""
        return self.add_many(kind, inputs, 1, **attributes)[0]

    def add_many(
        self, kind: str, inputs: Sequence[str], count: int, **attributes: Any
    ) -> list[str]:
        """Adds a node, and returns its outputs' names."""
        names = [f"{self.prefix}{kind}_{len(self._nodes)}_{place}" for place in range(count)]
        self._nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    def join(self, names: Sequence[str], axis: int = -1) -> str:
        """Adds a concatenation where there is more than one tensor."""
        return names[0] if len(names) == 1 else self.add("Concat", names, axis=axis)

    def split(self, name: str, sizes: Sequence[int]) -> list[str]:
        """Splits a tensor along its last axis."""
        lengths = self.constant(np.array(sizes, np.int64))
        return self.add_many("Split", [name, lengths], len(sizes), axis=-1)

    def reshape(self, name: str, shape: Sequence[int]) -> str:
        """Adds a change of shape; 0 keeps a dimension, and -1 takes what is left."""
        return self.add("Reshape", [name, self.constant(np.array(shape, np.int64))])

    def unsqueeze(self, name: str, axis: int) -> str:
        """Adds a dimension of size 1."""
        return self.add("Unsqueeze", [name, self.constant(np.array([axis]))])

    def cast(self, name: str, dtype: Any) -> str:
        """Adds a change of type."""
        return self.add("Cast", [name], to=_find_type(dtype))

    def finish(self, name: str, inputs: Sequence[Any], outputs: dict[str, Any]) -> Any:
        """Makes the graph.

        Args:
            name: Of the graph.
            inputs: From `describe`.
            outputs: {name of a tensor: from `describe`}, whose name the output gets.
        """
        for tensor, described in outputs.items():
            self._nodes.append(helper.make_node("Identity", [tensor], [described.name]))
        return helper.make_graph(self._nodes, name, inputs, list(outputs.values()), self._constants)


def describe(name: str, dtype: Any, shape: Sequence[int | str]) -> Any:
    """Describes an input or output; a dimension is a number, or a letter for any number."""
    return helper.make_tensor_value_info(name, _find_type(dtype), shape)


def write_model(graph: Any) -> bytes:
    """Makes the bytes of an ONNX file from a graph.

    Raises:
        OnnxError: They are more than protobuf takes.
    """
    versions = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=IR_VERSION)
    content = bytes(model.SerializeToString())
    if len(content) > onnx.checker.MAXIMUM_PROTOBUF:
        raise OnnxError("the network is larger than the 2 GB of an ONNX file")
    onnx.checker.check_model(content)
    return content


def _find_type(dtype: Any) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
