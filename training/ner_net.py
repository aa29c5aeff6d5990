"""The names model in torch: the arithmetic of vault/redaction/ner/network.py with gradients and dropout."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from vault.redaction.ner.tokens import ROWS, TAGS, TEXT_CASES

INT8_MAX: Final = 127


class Net(nn.Module):
    """Table rows of a token summed, two layers, then residual maxout convolutions over its neighbours."""

    def __init__(
        self, *, row: int, hidden: int, width: int, dilations: tuple[int, ...], dropout: float
    ) -> None:
        super().__init__()
        self.dilations, self.width, self.dropout = dilations, width, dropout
        self.table = nn.Parameter(torch.randn(ROWS, row) * 0.1)
        self.enter = nn.Linear(row, 2 * hidden)
        self.leave = nn.Linear(hidden, width)
        self.cases = nn.Parameter(torch.zeros(TEXT_CASES, width))
        self.blocks = nn.ModuleList(nn.Linear(3 * width, 2 * width) for _ in dilations)
        self.out = nn.Linear(width, len(TAGS))

    def forward(self, bag: tuple[Tensor, Tensor, Tensor], at: Tensor, case: Tensor, keep: Tensor) -> Tensor:
        """Logits of the tokens `at` (rows of the bag's types; padding where `keep` is 0)."""
        ids, weights, starts = bag
        summed = functional.embedding_bag(ids, self.table, starts, mode="sum", per_sample_weights=weights)
        types = self.leave(_maxout(self.enter(summed)))
        x = (types[at] + self.cases[case]) * keep
        x = functional.dropout(x, self.dropout, self.training)
        for dilation, block in zip(self.dilations, self.blocks, strict=True):
            inner = functional.pad(_normed(x), (0, 0, dilation, dilation))
            n = len(x)
            windows = torch.cat([inner[:n], inner[dilation : dilation + n], inner[2 * dilation :]], dim=1)
            best = functional.dropout(_maxout(block(windows)), self.dropout, self.training)
            x = x + best * keep
        logits: Tensor = self.out(_normed(x))
        return logits

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The weights as inference reads them: the table in int8 with a scale a row, the rest in float16."""

        def half(tensor: Tensor) -> npt.NDArray[Any]:
            return tensor.detach().numpy().astype(np.float16)

        table = self.table.detach().numpy()
        scale = (np.abs(table).max(axis=1) / INT8_MAX).astype(np.float16)
        divisor = np.where(scale == 0, 1, scale).astype(np.float32)[:, None]
        return {
            "table": np.rint(table / divisor).clip(-INT8_MAX, INT8_MAX).astype(np.int8),
            "scale": scale,
            "enter": half(self.enter.weight.T), "enter_bias": half(self.enter.bias),
            "leave": half(self.leave.weight.T), "leave_bias": half(self.leave.bias),
            "cases": half(self.cases),
            "kernels": np.stack([half(b.weight.T) for b in self.blocks]),
            "kernel_biases": np.stack([half(b.bias) for b in self.blocks]),
            "out": half(self.out.weight.T), "out_bias": half(self.out.bias),
        }  # fmt: skip


def _maxout(x: Tensor) -> Tensor:
    half = x.shape[1] // 2
    return torch.maximum(x[:, :half], x[:, half:])


def _normed(x: Tensor) -> Tensor:
    return x * torch.rsqrt((x * x).mean(dim=1, keepdim=True) + 1e-6)
