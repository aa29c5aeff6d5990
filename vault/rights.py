"""`Requests` and `Holds`: rights requests and legal holds. Outside the core's names; reached from a `Session`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from vault.flows.context import Caller, Stages
    from vault.flows.erasing.asked import ErasureResult, RequestInfo
    from vault.flows.erasing.roll import Rolled
    from vault.flows.holds import Hold


class Request:
    """One rights request; every method reads its state anew, so that any process may go on with it."""

    def __init__(self, opened: Callable[[], Stages], caller: Caller, folder: Path, request_id: str) -> None:
        self._opened = opened
        self._caller = caller
        self._folder = folder
        self.id = request_id

    def __repr__(self) -> str:
        return f"<Request {self.id}>"

    def info(self) -> RequestInfo:
        """The request as it stands; NotFoundError where there is none with this id in the tenant."""
        from vault.flows.erasing import requests

        return requests.info(self._opened(), self._caller, self.id)

    def preview(self) -> RequestInfo:
        """What would go, counted, frozen and hashed; `withheld` is what a hold keeps. HeldError, NotFoundError."""
        from vault.flows.erasing import requests

        return requests.preview(self._opened(), self._caller, self.id)

    def approve(self, digest: str) -> RequestInfo:
        """Agree to exactly this preview, as another principal than the one who asked; it expires as the pack says."""
        from vault.flows.erasing import requests

        return requests.approve(self._opened(), self._caller, self.id, digest)

    def run(self, *, roll: bool | None = None) -> ErasureResult:
        """Erase what was previewed: unreadable in every process when this returns; resumes after a crash.

        `roll` makes it unreadable in backups too, now (True) or not (False); by default as the pack says. Raises
        DeniedError `approval.missing` without the approvals the pack asks for, ConflictError where the world changed
        since the preview, HeldError under a legal hold, StorageError while another process keeps removed bytes from
        being wiped.
        """
        from vault.flows.erasing import requests

        return requests.run(self._opened(), self._folder, self._caller, self.id, now=roll)

    def certificate(self) -> bytes:
        """The signed certificate as far as the erasure is by now; IntegrityViolationError where anything is left."""
        from vault.flows.erasing import requests

        return requests.certificate(self._opened(), self._folder, self._caller, self.id)

    def cancel(self) -> RequestInfo:
        """Give the request up before it runs."""
        from vault.flows.erasing import requests

        return requests.cancel(self._opened(), self._caller, self.id)


class Requests:
    """Rights requests of the session's tenant: opened, previewed, approved, run, certified."""

    def __init__(self, opened: Callable[[], Stages], caller: Caller, folder: Path) -> None:
        self._opened = opened
        self._caller = caller
        self._folder = folder

    def __repr__(self) -> str:
        return "<Requests>"

    def open(
        self,
        *,
        type: str = "erasure",  # noqa: A002 - the word for it, only given by name
        ground: str,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        memory_ids: Sequence[str] | None = None,
        tenant: bool = False,
        expired: bool = False,
    ) -> Request:
        """Ask to erase a person (`user_id`), memories, what carries scope ids, a tenant, or what expired.

        `ground` is one of the pack's, such as `gdpr.17.1.b`. Raises InvalidInputError unless one scope is given.
        """
        from vault.flows.erasing import asked, requests

        scope = asked.asked(
            {"user_id": user_id, "agent_id": agent_id, "app_id": app_id, "run_id": run_id},
            memory_ids=memory_ids,
            tenant=tenant,
            expired=expired,
        )
        made = requests.open_(self._opened(), self._caller, type, scope, ground)
        return Request(self._opened, self._caller, self._folder, made.id)

    def get(self, request_id: str) -> Request:
        """A request by its id; it is looked for when it is used. InvalidInputError for what cannot be an id."""
        from vault.flows.holds import identifier

        identifier("request_id", request_id)
        return Request(self._opened, self._caller, self._folder, request_id)

    def list(self) -> list[RequestInfo]:
        """Every request of the tenant, oldest first."""
        from vault.flows.erasing import requests

        return requests.every(self._opened(), self._caller)

    def roll(self, *, force: bool = False) -> Rolled | None:
        """Make what was erased unreadable in backups, once it waited as long as the pack allows; None if nothing."""
        from vault.flows.erasing import requests

        return requests.roll_due(self._opened(), self._folder, self._caller, force=force)


class Holds:
    """Legal holds of the session's tenant: they win over every way of removing something."""

    def __init__(self, opened: Callable[[], Stages], caller: Caller) -> None:
        self._opened = opened
        self._caller = caller

    def __repr__(self) -> str:
        return "<Holds>"

    def place(
        self,
        *,
        matter: str,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        tenant: bool = False,
        reason: str | None = None,
        review: date | None = None,
    ) -> Hold:
        """Hold everything about a person (or scope), or the whole tenant; a person may have no memories yet."""
        from vault.errors import InvalidInputError
        from vault.flows import holds, validate

        named: dict[str, Any] = {"user_id": user_id, "agent_id": agent_id, "app_id": app_id, "run_id": run_id}
        whole = validate.flag("tenant", tenant)
        if whole and any(value is not None for value in named.values()):
            raise InvalidInputError("scope.one", "name one scope: ids or tenant")
        scope = None if whole else validate.scope(**named)
        return holds.place(self._opened(), self._caller, scope, matter=matter, reason=reason, review=review)

    def release(self, hold_id: str, *, reason: str | None = None) -> Hold:
        """End a hold; NotFoundError where none with this id is in force."""
        from vault.flows import holds

        return holds.release(self._opened(), self._caller, hold_id, reason=reason)

    def list(self, *, released: bool = False) -> list[Hold]:
        """The holds in force, oldest first; with `released` those that ended too."""
        from vault.flows import holds

        return holds.every(self._opened(), self._caller, released=released)
