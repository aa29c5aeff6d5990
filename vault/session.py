"""`Vault` and `Session`: each method binds tenant, principal and purpose, and calls one flow.

Importing this module loads no driver, no model and no number library; opening a vault does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from vault.errors import InvalidInputError, UnavailableError
from vault.types import (
    AddResult,
    Content,
    DeleteResult,
    Memory,
    Metadata,
    Page,
    Principal,
    Revision,
    Scope,
    SearchHit,
)

if TYPE_CHECKING:
    from vault.admin import Admin
    from vault.exports import Exports
    from vault.flows.bulk import BulkResult
    from vault.flows.context import Caller, Stages
    from vault.index.rerank import Reranker
    from vault.rights import Holds, Requests
    from vault.subjects import Subjects

PathLike = str | os.PathLike[str]
Filters = Mapping[str, Any]


class Vault:
    """One vault folder, open. Many processes may open the same folder; one object serves many threads.

    Open it after a fork, not before: a handle from before a fork refuses to work, and its cached keys are wiped.
    """

    def __init__(self, stages: Stages, folder: Path) -> None:
        self._stages: Stages | None = stages
        self._pid = os.getpid()
        self.folder = folder

    @classmethod
    def init(
        cls,
        path: PathLike,
        *,
        key_folder: PathLike | None = None,
        passphrase: str | None = None,
        keystore_backup: PathLike | None = None,
        explicit_tenants: bool = False,
        pkcs11_module: PathLike | None = None,
        pkcs11_token: str | None = None,
        pkcs11_pin: str | None = None,
    ) -> Vault:
        """Make a vault folder and its key, and open it.

        `key_folder` lies outside the vault folder (default: the user's data folder); losing it loses everything.
        `passphrase` is a reference, `env:NAME` or `file:PATH`. `keystore_backup` is a folder, or "none". With the
        three `pkcs11` arguments the key is made on a token instead: the module's absolute path, the token's label (or
        `serial:` and its number), and its PIN, a reference as well.
        Raises ConfigError when something is there already, InvalidInputError for a malformed argument.
        """
        from vault import compose
        from vault.flows import validate

        folder = Path(validate.path("path", path))
        if pkcs11_module is not None:
            pkcs11_module = validate.path("pkcs11_module", pkcs11_module)
        token = {"module": pkcs11_module, "token": pkcs11_token, "pin": pkcs11_pin}
        config = compose.default_config(
            folder,
            explicit_tenants=validate.flag("explicit_tenants", explicit_tenants),
            passphrase=passphrase,
            key_folder=validate.path("key_folder", key_folder) if key_folder is not None else None,
            backup=validate.path("keystore_backup", keystore_backup) if keystore_backup is not None else None,
            pkcs11={name: value for name, value in token.items() if value is not None},
        )
        compose.create(folder, config)
        return cls.open(folder)

    @classmethod
    def open(cls, path: PathLike, *, reranker: Reranker | None = None) -> Vault:
        """Open a vault folder; fails closed with ConfigError, KeyProviderError or IntegrityViolationError.

        A `reranker` reads each question as it was asked beside the best redacted texts, in this process.
        """
        from vault import compose
        from vault.flows import validate
        from vault.flows.context import SYSTEM_TENANT
        from vault.flows.tenants import note_pack

        folder = Path(validate.path("path", path)).absolute()
        validate.reranker(reranker)
        stages = compose.build(folder)
        stages.reranker = reranker
        vault = cls(stages, folder)
        try:
            with stages.observer.call("vault.open", SYSTEM_TENANT):
                note_pack(vault._opened())
        except BaseException:
            vault.close()
            raise
        return vault

    @classmethod
    def restore(
        cls,
        path: PathLike,
        backup: PathLike,
        principal: Principal,
        *,
        kind: str,
        purpose: str = "operations",
        tenant: str | None = None,
        execute: bool = False,
        accept_loss: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, Any]:
        """Put a backup of the `data` (of one `tenant`, or all) or of the `keystore` back into a vault's folder.

        The vault need not open as it is; its configuration and its key must be there. Without `execute` nothing is
        changed, and the answer says what would happen. Nothing erased comes back. A key or a part of the log that
        nobody has refuses it, unless `accept_loss`. Raises IntegrityViolationError, KeyProviderError, HeldError,
        DeniedError or StorageError; a restore that was cut off is run again.
        """
        from vault import recovery
        from vault.flows import validate

        return recovery.restore(
            Path(validate.path("path", path)).absolute(),
            Path(validate.path("backup", backup)).absolute(),
            principal,
            kind=kind,
            purpose=purpose,
            tenant=tenant,
            execute=validate.flag("execute", execute),
            accept_loss=validate.flag("accept_loss", accept_loss),
            progress=progress,
        )

    def session(self, principal: Principal, *, purpose: str, user_id: str | None = None) -> Session:
        """Bind a caller to its tenant for one purpose; with `user_id`, to one user of that tenant as well.

        The first session of a new tenant creates it, unless the configuration says `tenants.create = "explicit"`
        (then NotFoundError). Raises PurposeDeniedError for a purpose outside the pack's vocabulary.
        """
        from vault.flows import tenants, validate
        from vault.flows.context import Caller

        checked = tenants.check_principal(principal)
        bound = validate.identifier("user_id", user_id)
        stages = self._opened()
        tenants.check_purpose(stages, purpose)
        tenants.enter(stages, checked)
        return Session(self, Caller(checked, purpose, bound))

    def admin(self, principal: Principal, *, purpose: str = "operations") -> Admin:
        """Upkeep for operators and auditors: tenants, keys, log, index, expiry; each act is decided and logged."""
        from vault.admin import Admin
        from vault.flows import tenants

        checked = tenants.check_principal(principal)
        tenants.check_purpose(self._opened(), purpose)
        return Admin(self._opened, checked, purpose, self.folder)

    def only_tenant(self) -> str | None:
        """The name of the one tenant, where there is exactly one: what the command line acts in when none is named."""
        from vault.flows import tenants

        return tenants.only(self._opened())

    def _opened(self) -> Stages:
        if self._stages is None:
            raise UnavailableError("vault.closed", "this vault is closed")
        self._stages.lease.check_process()
        return self._stages

    def close(self) -> None:
        """Sign what is new in each log, close every file and wipe every key; idempotent.

        Raises StorageError when a log could not be signed; everything is closed nevertheless. In a child made by fork
        there is nothing to close: its copy of the keys was wiped when it began.
        """
        stages, self._stages = self._stages, None
        if stages is None or os.getpid() != self._pid:
            return
        try:
            stages.usage.close()
            with stages.lease.shared():
                stages.keystore.refresh()
                stages.stores.close()
        finally:
            stages.stores.abandon()
            stages.keystore.close()
            stages.index.clear()
            if stages.outside is not None:
                stages.outside.close()
            stages.cache.wipe()
            stages.provider.close()
            stages.close_embedders()
            stages.lease.close()
            stages.observer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Vault {'open' if self._stages is not None else 'closed'}>"

    def __reduce__(self) -> str:
        raise TypeError("a vault cannot be pickled")


class Session:
    """What one caller may do in one tenant for one purpose. Every method is decided by the pack and logged."""

    def __init__(self, vault: Vault, caller: Caller) -> None:
        self._vault = vault
        self._caller = caller

    def __repr__(self) -> str:
        return "<Session>"

    def __reduce__(self) -> str:
        raise TypeError("a session cannot be pickled")

    def _stages(self) -> Stages:
        return self._vault._opened()  # noqa: SLF001 - a session is part of its vault

    def _scope(self, user_id: object, agent_id: object, app_id: object, run_id: object) -> Scope:
        """The checked scope ids of a call; a session bound to one user means that user where none is named."""
        from vault.flows import validate

        user_id = self._caller.user_id if user_id is None else user_id
        return validate.scope(user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id)

    @property
    def requests(self) -> Requests:
        """Rights requests: the only way to erase."""
        from vault.rights import Requests

        return Requests(self._stages, self._caller, self._vault.folder)

    @property
    def holds(self) -> Holds:
        """Legal holds: while one is in force nothing about the person is removed."""
        from vault.rights import Holds

        return Holds(self._stages, self._caller)

    @property
    def subjects(self) -> Subjects:
        """Who people are, and where they are mentioned in the memories of others."""
        from vault.subjects import Subjects

        return Subjects(self._stages, self._caller)

    @property
    def exports(self) -> Exports:
        """What is held about a person, handed out: to the person, or to who takes over."""
        from vault.exports import Exports

        return Exports(self._stages, self._caller, self._vault.folder)

    def add(
        self,
        content: Content,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        metadata: Metadata | None = None,
        expires_at: datetime | None = None,
        idempotency_key: str | None = None,
        infer: bool = False,
    ) -> AddResult:
        """Store a text, a message, or each message of a list; at least one scope id is required.

        Everything is redacted and encrypted before it is stored; all messages of one call are stored, or none.
        With `idempotency_key` a repeated call within 24 hours answers what the first one stored. Raises
        InvalidInputError, ConflictError, DeniedError, RejectedError, DetectorError or StorageError.
        """
        from vault.flows import write

        if infer is not False:
            raise InvalidInputError(
                "infer.unsupported", "infer must be False: fact extraction is not part of this release"
            )
        scope = self._scope(user_id, agent_id, app_id, run_id)
        return write.add(
            self._stages(),
            self._caller,
            content,
            scope=scope,
            metadata=metadata,
            expires_at=expires_at,
            idempotency_key=idempotency_key,
        )

    def add_many(
        self,
        items: Iterable[Mapping[str, Any]],
        *,
        batch: int = 256,
        on_error: str = "raise",
        progress: Callable[[int], None] | None = None,
    ) -> BulkResult:
        """Store many: each item is a mapping with `content` and the other arguments of `add`.

        Each batch is one transaction. `on_error="collect"` reports refused items by position and code instead of
        raising; `progress` is called with the number of items done so far. Give items an `idempotency_key` to resume.
        A long write detects and embeds in as many processes as there are cores (`limits.workers`).
        """
        from vault import workers
        from vault.flows import bulk

        stages = self._stages()
        return bulk.add_many(
            stages,
            self._caller,
            items,
            batch=batch,
            on_error=on_error,
            progress=progress,
            workers=lambda: workers.of(self._vault.folder, stages),
        )

    def search(
        self,
        query: str,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        filters: Filters | None = None,
        limit: int = 10,
        threshold: float = 0.0,
        recency: float | None = None,
        distinct: bool = True,
        explain: bool = False,
        reveal: str | None = None,
    ) -> list[SearchHit]:
        """The memories of one scope that answer a question, best first; scores in [0, 1].

        `filters` is a tree over metadata and times, ANDed with the scope. `recency` is a half-life in days: a memory
        last changed so long ago keeps half of its score. Memories that say the same take one place, unless `distinct`
        is False. `reveal` is a reason: values come back in clear for the classes the pack lets this role see.
        """
        from vault.flows import read

        scope = self._scope(user_id, agent_id, app_id, run_id)
        return read.search(
            self._stages(),
            self._caller,
            query,
            scope=scope,
            filters=filters,
            limit=limit,
            threshold=threshold,
            recency=recency,
            distinct=distinct,
            explain=explain,
            reveal=reveal,
        )

    def get(self, memory_id: str, *, reveal: str | None = None) -> Memory:
        """One memory; NotFoundError for absent, expired, erased and foreign ids alike."""
        from vault.flows import read

        return read.get(self._stages(), self._caller, memory_id, reveal=reveal)

    def list(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        filters: Filters | None = None,
        limit: int = 100,
        order: str = "created_at",
        cursor: str | None = None,
        reveal: str | None = None,
    ) -> Page:
        """One page of a scope's memories; `order` is created_at or updated_at, with `-` for newest first."""
        from vault.flows import listing

        scope = self._scope(user_id, agent_id, app_id, run_id)
        return listing.list_page(
            self._stages(),
            self._caller,
            scope=scope,
            filters=filters,
            limit=limit,
            order=order,
            cursor=cursor,
            reveal=reveal,
        )

    def update(
        self,
        memory_id: str,
        text: str | None = None,
        *,
        metadata: Metadata | None = None,
        reason: str | None = None,
    ) -> Memory:
        """Store a new version; `metadata`, where given, replaces the old one. ConflictError if it changed meanwhile."""
        from vault.flows import change

        return change.update(self._stages(), self._caller, memory_id, text, metadata=metadata, reason=reason)

    def delete(self, memory_id: str, *, reason: str | None = None) -> DeleteResult:
        """Remove one memory: text, vector and the values of its history; times and actors stay."""
        from vault.flows import change

        return DeleteResult(change.delete(self._stages(), self._caller, memory_id, reason=reason))

    def delete_all(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> DeleteResult:
        """Remove every memory of one subject that carries all the given scope ids; an empty scope is refused."""
        from vault.flows import change, validate

        scope = validate.scope(user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id)
        return DeleteResult(change.delete_all(self._stages(), self._caller, scope))

    def history(self, memory_id: str) -> Sequence[Revision]:
        """Every version of a memory, oldest first; after a delete, times and actors without values."""
        from vault.flows import history

        return history.history(self._stages(), self._caller, memory_id)

    def reveal(self, memory_id: str, *, reason: str) -> Memory:
        """One memory with the values the pack lets this role see; the reason is kept in the log."""
        from vault.flows import reveal

        return reveal.reveal(self._stages(), self._caller, memory_id, reason=reason)
