"""From the configuration to embedders: the one in force when the vault was opened, and others by their identity.

A store names the embedder of its vectors. While a `reembed` goes from one model to the next, and after it in processes
that were opened before, that may be another than the one a process was opened with: then the configuration is read
again. What it does not have is an error, never another model in its place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vault import references
from vault.config import EmbedderChoice, EmbedderConfig, RemoteConfig, VaultConfig
from vault.embedding.interface import Embedder, identity
from vault.embedding.static import StaticEmbedder
from vault.errors import ConfigError


class Embedders:
    """Raises ConfigError where the configured embedder's library, model or service cannot be had."""

    def __init__(self, folder: Path, config: EmbedderConfig) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._made: dict[EmbedderChoice, Embedder] = {}
        self._close: list[Callable[[], None]] = []
        self._config = config
        self.configured = self._get(_choices(config)[0])

    def named(self, wanted: str) -> Embedder:
        """The embedder of that identity, as the configuration has it now; raises ConfigError where it has none."""
        for config in (self._config, None):
            read = config or VaultConfig.load(self._folder).embedder
            for choice in _choices(read):
                found = self._get(choice)
                if identity(found) == wanted:
                    self._config = read
                    return found
        raise ConfigError(
            "embedder.changed",
            "the memories were embedded by another model than the configured one: run memvault reembed --execute,"
            " or configure the old one again",
        )

    def close(self) -> None:
        """Close the connections to services."""
        for close in self._close:
            close()

    def _get(self, choice: EmbedderChoice) -> Embedder:
        with self._lock:
            if choice not in self._made:
                self._made[choice] = self._make(choice)
            return self._made[choice]

    def _make(self, choice: EmbedderChoice) -> Embedder:
        place = self._folder / Path(choice.folder).expanduser() if choice.folder is not None else None
        match choice.provider:
            case "static":
                return StaticEmbedder()
            case "minilm":
                from vault.embedding.minilm import MiniLmEmbedder

                return MiniLmEmbedder(place)
            case "sentence-transformers":
                from vault.embedding.libraries import SentenceTransformersEmbedder

                return SentenceTransformersEmbedder(place or self._folder)
            case "fastembed":
                from vault.embedding.libraries import FastembedEmbedder

                return FastembedEmbedder(place or self._folder, choice.model or "")
            case "openai" | "azure" | "ollama":
                return self._service(choice, choice.remote)

    def _service(self, choice: EmbedderChoice, remote: RemoteConfig | None) -> Embedder:
        try:
            from vault.door import Door
            from vault.embedding.remote import AzureEmbedder, OllamaEmbedder, OpenAIEmbedder
        except ImportError:
            raise ConfigError(
                "embedder.extra",
                "an embedder that is a service needs an extra: pip install 'memvault[remote]'",
            ) from None
        if remote is None or choice.model is None:
            raise ConfigError("embedder.incomplete", "embedder.model and [embedder.remote] are needed")
        door = Door(
            remote.url,
            ca=self._folder / Path(remote.ca).expanduser() if remote.ca is not None else None,
            proxy=remote.proxy,
            loopback=remote.loopback,
            timeout_s=remote.timeout_s,
        )
        self._close.append(door.close)
        options: dict[str, Any] = {
            "dimension": remote.dimension,
            "revision": remote.revision,
            "batch": remote.batch,
            "ask_dimension": remote.ask_dimension,
            "key": self._key(remote.key) if remote.key is not None else None,
        }
        if choice.provider == "azure":
            return AzureEmbedder(door, choice.model, api_version=remote.api_version, **options)
        kind = OpenAIEmbedder if choice.provider == "openai" else OllamaEmbedder
        return kind(door, choice.model, **options)

    def _key(self, reference: str) -> Callable[[], str]:
        key = references.source(references.EMBEDDER_KEY, reference, self._folder)

        def read() -> str:
            try:
                text = key().decode("ascii")
            except UnicodeDecodeError:
                text = ""
            if not text.isprintable() or not text.strip():
                raise ConfigError("embedder.key_form", "the API key is not one line of printable ASCII")
            return text

        return read


def _choices(config: EmbedderConfig) -> list[EmbedderChoice]:
    own = EmbedderChoice.model_validate({name: getattr(config, name) for name in EmbedderChoice.model_fields})
    return [own, *([config.previous] if config.previous is not None else [])]
