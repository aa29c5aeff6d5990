"""Services that embed: OpenAI and whatever speaks like it, Azure, Ollama. They are given redacted texts only.

A token is sent as its class's word, without its id; a text without words is not sent. An answer counts only when it has
one finite vector of the configured length for each text; anything else refuses the whole call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from vault.door import Door
from vault.embedding.interface import plain_words
from vault.embedding.unit import unit_rows
from vault.errors import EmbedderError

# A float is at most 25 characters of JSON, with its comma and some white space; the rest of an answer is small.
_NUMBER_BYTES: Final = 40
_AROUND_BYTES: Final = 65_536

Key = Callable[[], str]


class RemoteEmbedder(ABC):
    """Embeds through a door. The key is read at each request and never kept."""

    provider: str

    def __init__(
        self,
        door: Door,
        model: str,
        *,
        dimension: int,
        revision: str,
        batch: int,
        ask_dimension: bool = False,
        key: Key | None = None,
    ) -> None:
        self._door = door
        self._model = model
        self._dimension = dimension
        self._revision = revision
        self._batch = batch
        self._ask_dimension = ask_dimension
        self._key = key

    @property
    def name(self) -> str:
        """The provider's name and the model's."""
        return f"{self.provider}:{self._model}"

    @property
    def version(self) -> str:
        """As configured: a service does not prove which weights it uses."""
        return self._revision

    @property
    def dimension(self) -> int:
        """The length of each vector, as configured."""
        return self._dimension

    @property
    def address(self) -> str:
        """The host that texts are sent to."""
        return self._door.host

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Rows (n, dimension): length 1, or zero for a text without words. Raises EmbedderError, EgressError."""
        out = np.zeros((len(texts), self._dimension), dtype=np.float32)
        words = {row: plain for row, text in enumerate(texts) if (plain := plain_words(text)).strip()}
        rows = list(words)
        for start in range(0, len(rows), self._batch):
            part = rows[start : start + self._batch]
            out[part] = unit_rows(self._asked([words[row] for row in part]))
        return out

    def _asked(self, texts: list[str]) -> npt.NDArray[np.float32]:
        most = len(texts) * self._dimension * _NUMBER_BYTES + _AROUND_BYTES
        answer = self._door.post(self._path(), self._document(texts), self._headers(), most_bytes=most)
        try:
            found = [_vector(one, self._dimension) for one in self._vectors(answer, len(texts))]
        except (KeyError, TypeError, ValueError, IndexError, OverflowError):
            found = []
        if len(found) != len(texts):
            raise EmbedderError("embedder.answer", "the service's answer is not one vector for each text")
        return np.stack(found)

    def _headers(self) -> dict[str, str]:
        return self._authorised(self._key()) if self._key is not None else {}

    def _authorised(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    @abstractmethod
    def _path(self) -> str: ...
    @abstractmethod
    def _document(self, texts: list[str]) -> dict[str, Any]: ...
    @abstractmethod
    def _vectors(self, answer: Any, count: int) -> list[Any]:
        """The vectors in the order of the texts, unchecked."""


class OpenAIEmbedder(RemoteEmbedder):
    """`POST /embeddings`, as OpenAI documents it and vLLM, LiteLLM, LocalAI and others answer it."""

    provider = "openai"

    def _path(self) -> str:
        return "/embeddings"

    def _document(self, texts: list[str]) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": self._model, "input": texts, "encoding_format": "float"}
        if self._ask_dimension:
            asked["dimensions"] = self._dimension
        return asked

    def _vectors(self, answer: Any, count: int) -> list[Any]:
        rows = {int(one["index"]): one["embedding"] for one in answer["data"]}
        return [rows[index] for index in range(count)] if len(answer["data"]) == count else []


class AzureEmbedder(OpenAIEmbedder):
    """The same of a deployment in Azure: its name is in the path, and the key in a header of its own."""

    provider = "azure"

    def __init__(self, door: Door, model: str, *, api_version: str, **options: Any) -> None:
        super().__init__(door, model, **options)
        self._api_version = api_version

    def _path(self) -> str:
        return f"/openai/deployments/{quote(self._model, safe='')}/embeddings?api-version={self._api_version}"

    def _authorised(self, key: str) -> dict[str, str]:
        return {"api-key": key}


class OllamaEmbedder(RemoteEmbedder):
    """`POST /api/embed`; a text that is too long for the model is refused, not cut off."""

    provider = "ollama"

    def _path(self) -> str:
        return "/api/embed"

    def _document(self, texts: list[str]) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": self._model, "input": texts, "truncate": False}
        if self._ask_dimension:
            asked["dimensions"] = self._dimension
        return asked

    def _vectors(self, answer: Any, count: int) -> list[Any]:
        vectors = answer["embeddings"]
        return list(vectors) if len(vectors) == count else []


def _vector(value: Any, dimension: int) -> npt.NDArray[np.float32]:
    if not isinstance(value, list) or any(type(number) not in (int, float) for number in value):
        raise TypeError("not a list of numbers")
    with np.errstate(over="ignore"):
        made = np.array(value, dtype=np.float64).astype(np.float32)
    if made.shape != (dimension,) or not np.isfinite(made).all():
        raise ValueError("not a finite vector of that length")
    return made
