"""The two systems that beside_mem0.py compares, behind one small interface."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol, Self

from benchmarks.facts import Fact
from vault import Principal, Session, Vault
from vault.embedding.interface import Embedder
from vault.embedding.static import StaticEmbedder
from vault.flows.context import Stages
from vault.redaction.detect import BuiltinDetector

LIMIT: Final = 20
_EMBEDDER: Final = StaticEmbedder()


class System(Protocol):
    """Remembers facts and answers with the ids of what it remembers."""

    def add(self, fact: Fact) -> str: ...
    def search(self, fact: Fact, limit: int = LIMIT) -> list[str]: ...
    def reopened(self) -> Self:
        """Close, and open what was stored again."""
        ...

    def close(self) -> None: ...


class Memvault:
    """A vault as `Vault.init` makes it: everything protected, logged and durable."""

    names = True  # whether the names model is asked; the rules always are

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not folder.exists():
            Vault.init(folder, key_folder=folder.with_name(f"{folder.name}-keys")).close()
        self._vault = Vault.open(folder)
        if not self.names:
            self.stages().detector = BuiltinDetector(names=None)
        self._session: Session = self._vault.session(
            Principal("benchmark", "beside-mem0", ("app",)), purpose="service"
        )

    def add(self, fact: Fact) -> str:
        return self._session.add(fact.text, user_id=fact.user).memories[0].id

    def add_many(self, facts: Sequence[Fact]) -> list[str]:
        return self._session.add_many({"content": f.text, "user_id": f.user} for f in facts).ids

    def bulk(self, facts: Iterable[Fact], *, batch: int) -> None:
        """As `add_many`, without keeping anything of what is stored."""
        self._session.add_many(({"content": f.text, "user_id": f.user} for f in facts), batch=batch)

    def search(self, fact: Fact, limit: int = LIMIT) -> list[str]:
        return [hit.memory.id for hit in self._session.search(fact.question, user_id=fact.user, limit=limit)]

    def stages(self) -> Stages:
        """What the open vault is made of."""
        return self._vault._opened()

    def cool(self) -> None:
        """Forget every unsealed point and every unwrapped key."""
        stages = self.stages()
        stages.index.clear()
        stages.cache.flush()

    def reopened(self) -> Self:
        self.close()
        return type(self)(self._folder)

    def close(self) -> None:
        self._vault.close()


class SharedEmbedding:
    """One of memvault's embedders as mem0 takes one."""

    model: Embedder = _EMBEDDER

    def __init__(self, config: Any) -> None:
        self.config = config

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        return list(self.model.embed([text])[0].tolist())

    def embed_batch(self, texts: Sequence[str], memory_action: str = "add") -> list[list[float]]:
        return list(self.model.embed(texts).tolist())


class Mem0:
    """mem0 with its local Qdrant on disk, no fact extraction, no telemetry."""

    def __init__(self, folder: Path, embedder: Embedder = _EMBEDDER) -> None:
        os.environ["MEM0_TELEMETRY"] = "false"  # read once, when mem0 is imported
        os.environ["MEM0_DIR"] = str(folder.parent / "mem0")
        from mem0 import Memory
        from mem0.utils.factory import EmbedderFactory

        # Names of embedders are a closed list, so one that is on it and not installed stands for ours.
        EmbedderFactory.provider_to_class["langchain"] = f"{__name__}.{SharedEmbedding.__name__}"
        self._folder = folder
        SharedEmbedding.model = embedder
        place = {
            "collection_name": "facts",
            "path": str(folder / "qdrant"),
            "on_disk": True,
            "embedding_model_dims": embedder.dimension,
        }
        self._memory: Any = Memory.from_config(
            {
                "vector_store": {"provider": "qdrant", "config": place},
                "embedder": {"provider": "langchain", "config": {"embedding_dims": embedder.dimension}},
                "llm": {"provider": "openai", "config": {"api_key": "not-used"}},
                "history_db_path": str(folder / "history.db"),
            }
        )

    def add(self, fact: Fact) -> str:
        message = {"role": "user", "content": fact.text}
        return str(self._memory.add([message], user_id=fact.user, infer=False)["results"][0]["id"])

    def search(self, fact: Fact, limit: int = LIMIT) -> list[str]:
        found = self._memory.search(fact.question, filters={"user_id": fact.user}, top_k=limit)
        return [str(hit["id"]) for hit in found["results"]]

    def reopened(self) -> Self:
        self.close()
        return type(self)(self._folder)

    def close(self) -> None:
        self._memory.vector_store.client.close()
        self._memory.close()


def stay_offline() -> None:
    """Refuse every network connection of this process from here on."""

    def refuse(_socket: socket.socket, address: object) -> NoReturn:
        raise ConnectionRefusedError("this benchmark runs offline")

    socket.socket.connect = refuse  # type: ignore[method-assign, assignment]
    socket.socket.connect_ex = refuse  # type: ignore[method-assign, assignment]


def fresh_folder(name: str, parent: Path | None) -> Path:
    """An empty temporary folder; the caller removes it."""
    return Path(tempfile.mkdtemp(prefix=f"memvault-{name}-", dir=parent))
