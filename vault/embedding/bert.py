"""A BERT encoder as an ONNX graph, made from its published weights (Devlin et al. 2018; names as Hugging Face's)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from safetensors.numpy import load

_OPSET: Final = 17  # the first with LayerNormalization
_IR_VERSION: Final = 8
_MASKED: Final = -1e9


class _Graph:
    """Nodes in order; each method answers with the name of what it computes."""

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]], eps: float) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, npt.NDArray[Any] | np.float32] = {}
        self._weights = weights
        self._eps = eps

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def constant(self, value: npt.NDArray[Any] | np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def weight(self, name: str) -> str:
        self.constants[name] = self._weights[name].astype(np.float32)
        return name

    def dense(self, x: str, name: str) -> str:
        self.constants[f"{name}.t"] = np.ascontiguousarray(
            self._weights[f"{name}.weight"].T.astype(np.float32)
        )
        return self.node("Add", self.node("MatMul", x, f"{name}.t"), self.weight(f"{name}.bias"))

    def norm(self, x: str, name: str) -> str:
        scale, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=self._eps)

    def gelu(self, x: str) -> str:
        """x · ½(1 + erf(x / √2))."""
        root, one, half = (self.constant(np.float32(value)) for value in (2**0.5, 1.0, 0.5))
        share = self.node("Add", self.node("Erf", self.node("Div", x, root)), one)
        return self.node("Mul", self.node("Mul", x, share), half)

    def embeddings(self) -> str:
        x = self.node("Gather", self.weight("embeddings.word_embeddings.weight"), "input_ids")
        kind = self.constant(self._weights["embeddings.token_type_embeddings.weight"][0].astype(np.float32))
        shape = self.node("Shape", "input_ids", start=1, end=2)
        zero = self.constant(np.array([0], dtype=np.int64))
        places = self.node("Slice", self.weight("embeddings.position_embeddings.weight"), zero, shape)
        return self.norm(self.node("Add", self.node("Add", x, kind), places), "embeddings.LayerNorm")

    def mask(self) -> str:
        """0 where a piece is, a great negative number where there is padding."""
        axes = self.constant(np.array([1, 2], dtype=np.int64))
        there = self.node("Cast", self.node("Unsqueeze", "attention_mask", axes), to=TensorProto.FLOAT)
        one, masked = self.constant(np.float32(1.0)), self.constant(np.float32(_MASKED))
        return self.node("Mul", self.node("Sub", one, there), masked)

    def layer(self, x: str, mask: str, name: str, heads: int, width: int) -> str:
        split = self.constant(np.array([0, 0, heads, width], dtype=np.int64))
        joined = self.constant(np.array([0, 0, heads * width], dtype=np.int64))
        turns = {"query": [0, 2, 1, 3], "key": [0, 2, 3, 1], "value": [0, 2, 1, 3]}
        query, key, value = (
            self.node(
                "Transpose",
                self.node("Reshape", self.dense(x, f"{name}.attention.self.{part}"), split),
                perm=turn,
            )
            for part, turn in turns.items()
        )
        scale = self.constant(np.float32(width**-0.5))
        scores = self.node("Add", self.node("Mul", self.node("MatMul", query, key), scale), mask)
        mixed = self.node("MatMul", self.node("Softmax", scores, axis=-1), value)
        mixed = self.node("Reshape", self.node("Transpose", mixed, perm=[0, 2, 1, 3]), joined)
        out = self.dense(mixed, f"{name}.attention.output.dense")
        x = self.norm(self.node("Add", x, out), f"{name}.attention.output.LayerNorm")
        inner = self.gelu(self.dense(x, f"{name}.intermediate.dense"))
        out = self.dense(inner, f"{name}.output.dense")
        return self.norm(self.node("Add", x, out), f"{name}.output.LayerNorm")


def graph_of(config: Mapping[str, Any], weights: bytes) -> bytes:
    """The serialised model: `input_ids`, `attention_mask` (n, pieces) to hidden states (n, pieces, width).

    Raises KeyError, TypeError or ValueError where the files are not those of such an encoder.
    """
    if config["model_type"] != "bert" or config["hidden_act"] != "gelu":
        raise ValueError("another architecture")
    tensors = load(weights)
    prefix = "bert." if "bert.embeddings.LayerNorm.weight" in tensors else ""
    graph = _Graph(
        {name.removeprefix(prefix): array for name, array in tensors.items()}, float(config["layer_norm_eps"])
    )
    heads, width = int(config["num_attention_heads"]), int(config["hidden_size"])
    x, mask = graph.embeddings(), graph.mask()
    for number in range(int(config["num_hidden_layers"])):
        x = graph.layer(x, mask, f"encoder.layer.{number}", heads, width // heads)
    ids = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "pieces"])
        for name in ("input_ids", "attention_mask")
    ]
    hidden = helper.make_tensor_value_info(x, TensorProto.FLOAT, ["n", "pieces", width])
    constants = [numpy_helper.from_array(np.asarray(array), name) for name, array in graph.constants.items()]
    made: ModelProto = helper.make_model(
        helper.make_graph(graph.nodes, "bert", ids, [hidden], constants),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    data: bytes = made.SerializeToString()
    return data
