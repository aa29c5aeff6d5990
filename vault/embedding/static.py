"""The bundled embedder: a static one, distilled from MiniLM, with numpy as its only dependency.

A text's vector is the mean of its pieces' rows, scaled to length 1: what model2vec computes from the same
files. They lie in the package; each is checked against the manifest's SHA-256 in the read that loads it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vault.embedding.interface import plain_words
from vault.embedding.wordpiece import WordPiece
from vault.errors import EmbedderError

MODEL_FOLDER: Final = Path(__file__).parent / "model"

_WEIGHTS_FILE: Final = "model.safetensors"
_TOKENIZER_FILE: Final = "tokenizer.json"
_FILES: Final = (_WEIGHTS_FILE, _TOKENIZER_FILE, "config.json")
_MAX_HEADER_BYTES: Final = 1 << 20
# Rows gathered at once: bounds the memory of a very long text to 4 MB.
_BLOCK: Final = 4096
_DTYPES: Final[Mapping[str, np.dtype[Any]]] = {"I8": np.dtype("i1"), "F32": np.dtype("<f4")}


@dataclass(frozen=True, slots=True)
class _Model:
    rows: npt.NDArray[np.int8]  # (vocabulary, dimension)
    scales: npt.NDArray[np.float32]  # (vocabulary,)
    pieces: WordPiece


class StaticEmbedder:
    """Embeds offline with the files in `folder`; loads them once, at the first `embed` or `load`, and those of the
    package once in a process.

    Raises EmbedderError if a file is missing, is not what the manifest says, or cannot be read.
    """

    def __init__(self, folder: Path = MODEL_FOLDER) -> None:
        self._folder = folder
        self._manifest = _read_manifest(folder)
        self._lock = threading.Lock()
        self._model: _Model | None = None

    @property
    def name(self) -> str:
        """The model's name, from the manifest."""
        return str(self._manifest["name"])

    @property
    def version(self) -> str:
        """Bound to the files' hashes."""
        return str(self._manifest["version"])

    @property
    def dimension(self) -> int:
        """The length of each vector."""
        return int(self._manifest["dimension"])

    @property
    def address(self) -> None:
        """No text leaves this process."""

    def load(self) -> None:
        """Read and check the model files now, so that the first `embed` is fast."""
        self._loaded()

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Rows (n, dimension): length 1, or zero for a text without known words. Raises EmbedderError."""
        model = self._loaded()
        out = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            ids = model.pieces.ids(plain_words(text))
            if ids:
                _embed_ids(model, ids, out[row])
        return out

    def _loaded(self) -> _Model:
        model = self._model
        if model is None:
            with self._lock:
                if self._model is None:
                    shipped = self._folder == MODEL_FOLDER
                    self._model = _shipped() if shipped else _load(self._folder, self._manifest)
                model = self._model
        return model


def _embed_ids(model: _Model, ids: list[int], out: npt.NDArray[np.float32]) -> None:
    """Write the normalised sum of the rows `ids` into `out` (the mean differs by a factor that cancels)."""
    for start in range(0, len(ids), _BLOCK):
        block = np.array(ids[start : start + _BLOCK])
        out += model.scales[block] @ model.rows[block].astype(np.float32)
    length = float(np.dot(out, out)) ** 0.5
    if length > 0.0:
        out /= length


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        fields = {key: manifest[key] for key in ("name", "version", "dimension")}
        hashes = {name: str(manifest["files"][name]["sha256"]) for name in _FILES}
    except (OSError, ValueError, KeyError, TypeError):
        raise EmbedderError("embedder.manifest", "the embedder's manifest is missing or malformed") from None
    return {**fields, "hashes": hashes}


@cache
def _shipped() -> _Model:
    return _load(MODEL_FOLDER, _read_manifest(MODEL_FOLDER))


def _load(folder: Path, manifest: Mapping[str, Any]) -> _Model:
    """Read every file once, check its hash, and build the model from the bytes that were checked."""
    data: dict[str, bytes] = {}
    for name in _FILES:
        try:
            data[name] = (folder / name).read_bytes()
        except OSError:
            raise EmbedderError("embedder.missing", f"the embedder's {name} cannot be read") from None
        if hashlib.sha256(data[name]).hexdigest() != manifest["hashes"][name]:
            raise EmbedderError("embedder.integrity", f"the embedder's {name} is not the one in its manifest")
    try:
        tensors = _tensors(data[_WEIGHTS_FILE])
        rows, scales = tensors["embeddings"], tensors["weights"]
        vocabulary = json.loads(data[_TOKENIZER_FILE])["model"]["vocab"]
        count = len(vocabulary)
        shapes = rows.shape == (count, manifest["dimension"]) and scales.shape == (count,)
        matches = shapes and isinstance(vocabulary, dict)
    except (ValueError, KeyError, TypeError, IndexError):
        matches = False
    if not matches:
        raise EmbedderError("embedder.format", "the embedder's files do not belong together")
    return _Model(rows=rows, scales=scales, pieces=WordPiece(vocabulary))


def _tensors(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a safetensors file: u64le header length, JSON header, raw little-endian data."""
    size = int.from_bytes(data[:8], "little")
    if size > _MAX_HEADER_BYTES:
        raise ValueError("header too long")
    header = json.loads(data[8 : 8 + size])
    if not isinstance(header, dict):
        raise TypeError("header is not an object")
    tensors: dict[str, npt.NDArray[Any]] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = (8 + size + int(offset) for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[start:end], dtype=_DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors
