"""Models in a local folder through the libraries that know them: sentence-transformers, fastembed.

Both are told to read the folder and nothing else: no hub, no code that comes with a model, no pickled weights. What a
text has beyond the model's own window is cut off by these libraries; `minilm` and the shipped embedder read all of it.
"""

from __future__ import annotations

import hashlib
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vault.embedding.faults import faults
from vault.embedding.interface import plain_words
from vault.embedding.unit import unit_rows
from vault.errors import ConfigError, EmbedderError

_DIGEST_CHARS: Final = 12
# Read by the hub's client when it is imported; set here so that a library that asks it finds it switched off.
_OFFLINE: Final = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


class FolderEmbedder(ABC):
    """Loads the model at the first text. Raises ConfigError at once where the library or the folder is missing."""

    library: str
    extra: str
    address = None

    def __init__(self, folder: Path, model: str = "") -> None:
        if find_spec(self.library) is None:
            raise ConfigError(
                "embedder.extra",
                f"the embedder {self.extra} needs an extra: pip install 'memvault[{self.extra}]'",
            )
        if not (folder / "config.json").is_file():
            raise ConfigError("embedder.missing", "the embedder's folder holds no model that it can read")
        self._folder = folder
        self._model = model
        self._lock = threading.Lock()
        self._loaded: tuple[Any, str, int] | None = None

    @property
    def name(self) -> str:
        """The library's name, and the model's where it has to be told."""
        return f"{self.extra}:{self._model}" if self._model else self.extra

    @property
    def version(self) -> str:
        """A digest of the model's files."""
        return self._ready()[1]

    @property
    def dimension(self) -> int:
        """The length of each vector."""
        return self._ready()[2]

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Rows (n, dimension): length 1, or zero for a text without words. Raises EmbedderError."""
        model, _, dimension = self._ready()
        out = np.zeros((len(texts), dimension), dtype=np.float32)
        words = {row: plain for row, text in enumerate(texts) if (plain := plain_words(text)).strip()}
        if words:
            with self._lock:  # the libraries do not say that they may be used by several threads
                try:
                    rows = self._run(model, list(words.values()))
                except faults():
                    raise EmbedderError(
                        "embedder.run", "the embedder's model could not read a text"
                    ) from None
            out[list(words)] = unit_rows(rows)
        return out

    def _ready(self) -> tuple[Any, str, int]:
        with self._lock:
            if self._loaded is None:
                try:
                    version = _digest(self._folder)
                    model = self._load()
                    dimension = self._run(model, ["dimension"]).shape[1]
                except faults():
                    raise EmbedderError(
                        "embedder.format", "the embedder's files do not belong together"
                    ) from None
                self._loaded = model, version, int(dimension)
            return self._loaded

    @abstractmethod
    def _load(self) -> Any: ...
    @abstractmethod
    def _run(self, model: Any, texts: list[str]) -> npt.NDArray[np.float32]: ...


class SentenceTransformersEmbedder(FolderEmbedder):
    """A folder that `SentenceTransformer.save` wrote, with weights in safetensors."""

    library = "sentence_transformers"
    extra = "sentence-transformers"

    def _load(self) -> Any:
        for switch in _OFFLINE:
            os.environ[switch] = "1"
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(
            str(self._folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )

    def _run(self, model: Any, texts: list[str]) -> npt.NDArray[np.float32]:
        rows = model.encode(texts, convert_to_numpy=True, show_progress_bar=False)
        return np.asarray(rows, dtype=np.float32)


class FastembedEmbedder(FolderEmbedder):
    """A folder of a model that fastembed knows by name."""

    library = "fastembed"
    extra = "fastembed"

    def _load(self) -> Any:
        for switch in _OFFLINE:
            os.environ[switch] = "1"
        from fastembed import TextEmbedding

        return TextEmbedding(
            self._model,
            specific_model_path=str(self._folder),
            local_files_only=True,
            providers=["CPUExecutionProvider"],
        )

    def _run(self, model: Any, texts: list[str]) -> npt.NDArray[np.float32]:
        return np.stack(list(model.embed(texts))).astype(np.float32)


def _digest(folder: Path) -> str:
    """Of the name and content of every file, in order."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole.update(hashlib.sha256(str(path.relative_to(folder)).encode()).digest())
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:_DIGEST_CHARS]
