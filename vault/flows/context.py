"""What one call may use: the stages, the caller, the tenant's keys and store, the decision, and the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from vault.audit.log import Event
from vault.config import VaultConfig
from vault.copies import data_folder
from vault.embedding.interface import Embedder
from vault.errors import (
    AuditWriteError,
    DeniedError,
    HeldError,
    IntegrityViolationError,
    InvalidInputError,
    NotFoundError,
    StorageError,
    UnavailableError,
    VectorIndexError,
)
from vault.flows import state
from vault.flows.stores import OpenStore, Stores
from vault.index.interface import OutsideIndex, VectorIndex
from vault.index.rerank import Reranker
from vault.keys import cases
from vault.keys.identity import primary
from vault.keys.interface import KeyProvider
from vault.keys.keyring import KeyCache, SubjectKeys, TenantKeys
from vault.keys.keystore import Keystore
from vault.locks import Lease
from vault.observe.calls import Observer, counted, stage
from vault.observe.catalogue import Measured
from vault.observe.usage import OFF, Usage
from vault.observe.words import Stage
from vault.policy.decide import Decision, Policy, Request
from vault.records.interface import ELSEWHERE, INDEX, RecordStore
from vault.redaction.interface import Detector
from vault.types import Principal, Scope

SYSTEM_TENANT: Final = "memvault:system"
# What a tenant that was erased as a whole answers as if it were absent; its log, its keys' life-cycle, its backups and
# the proof of the erasure stay.
_OF_PEOPLE: Final = ("memory.", "index.", "retention.", "subject.", "hold.place")
_OF_ERASURE: Final = "subject.erase"


@dataclass(slots=True, eq=False)
class Stages:
    """Everything `compose` built for one open vault."""

    config: VaultConfig
    policy: Policy
    detector: Detector
    embedder: Callable[[], Embedder]  # as configured when the vault was opened
    embedder_named: Callable[[str], Embedder]  # by its identity; as configured now
    close_embedders: Callable[[], None]
    index: VectorIndex
    provider: KeyProvider
    keystore: Keystore
    cache: KeyCache
    stores: Stores
    lease: Lease
    outside: OutsideIndex | None = None  # where the configuration names an index that is kept elsewhere
    after: Callable[[OpenStore], None] = field(default=lambda _store: None)  # carries the outbox out
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    reranker: Reranker | None = None
    usage: Usage = OFF  # what telemetry counted, where that is on
    observer: Observer = field(
        default_factory=Observer
    )  # is told of calls; nobody where nothing is configured
    folder: Path = Path()

    def tenant(self, name: str) -> TenantKeys:
        """The tenant's keys; raises NotFoundError where it does not exist."""
        keys = self.keystore.tenant(name)
        if keys is None and name == SYSTEM_TENANT:
            raise IntegrityViolationError(
                "keystore.damaged", "the keystore lacks an entry every keystore has"
            )
        if keys is None:
            raise NotFoundError("tenant.unknown", "there is no such tenant")
        return keys


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls and why; `user_id` confines the session to one user."""

    principal: Principal
    purpose: str
    user_id: str | None = None


@dataclass(slots=True, eq=False)
class Call:
    """One decided operation of one caller inside one tenant."""

    stages: Stages
    caller: Caller
    tenant: TenantKeys
    store: OpenStore
    action: str
    decision: Decision

    @property
    def records(self) -> RecordStore:
        return self.store.records

    @property
    def index(self) -> VectorIndex:
        """The index that the tenant is searched in; raises VectorIndexError where the configuration lacks it."""
        if self.records.setting(INDEX) != ELSEWHERE:
            return self.stages.index
        return self.outside()

    def outside(self) -> OutsideIndex:
        """The index kept elsewhere; raises VectorIndexError where the configuration does not say where (any more)."""
        if self.stages.outside is None:
            raise VectorIndexError(
                "index.unconfigured", "the configuration does not say where the index is: give [index.qdrant]"
            )
        return self.stages.outside

    def event(
        self,
        *,
        result: str = "ok",
        count: int = 0,
        object_id: str = "",
        action: str | None = None,
        **detail: Any,
    ) -> Event:
        """The log event of this call; `detail` is sealed under the subject (or the tenant)."""
        if count and result == "ok" and action in (None, self.action):
            counted(count)
        return Event(
            action=action or self.action,
            purpose=self.caller.purpose,
            actor=self.caller.principal.id,
            result=result,
            count=count,
            object_id=object_id,
            detail={
                "roles": list(self.caller.principal.roles),
                **{k: v for k, v in detail.items() if v is not None},
            },
        )

    def log_read(self, event: Event, subject: SubjectKeys | None = None, s: int | None = None) -> None:
        """Commit the entry of a read before its answer leaves; what cannot be logged is not answered."""
        self.log_reads([(event, subject, s)])

    def log_reads(self, entries: Iterable[tuple[Event, SubjectKeys | None, int | None]]) -> None:
        """`log_read` for a read about several people: all of the entries are committed, or none."""
        try:
            with stage(Stage.COMMIT), self.records.transaction(durable=False):
                for event, subject, s in entries:
                    self.store.log.append(event, subject, s)
        except StorageError as error:
            raise AuditWriteError(
                "audit.unwritable",
                f"the log entry could not be written, so nothing is answered ({error.code})",
            ) from None

    def confine(self, scope: Scope) -> Scope:
        """A session bound to one user asks about that user only; another id is answered as absent."""
        bound = self.caller.user_id
        if bound is None or scope.user_id == bound:
            return scope
        if scope.user_id is None:
            return Scope(bound, scope.agent_id, scope.app_id, scope.run_id)
        if self.first_id(scope.user_id) == self.first_id(bound):
            return scope
        raise InvalidInputError("scope.bound", "this session is bound to another user_id")

    def may_see(self, kind: str, identity: str) -> bool:
        """Whether a by-id call of a bound session may touch a memory of this subject."""
        bound = self.caller.user_id
        return bound is None or (kind == "user" and identity == self.first_id(bound))

    def first_id(self, user_id: str) -> str:
        """The first id of the person that an alias names; any other id as it is."""
        return primary(self.stages.keystore, self.tenant, "user", user_id)


@contextmanager
def calling(stages: Stages, caller: Caller, action: str) -> Iterator[Call]:
    """Decide, and hand out what the call may use. A denial is logged before it is raised."""
    with stages.observer.call(action, caller.principal.tenant), stages.lease.shared():
        stages.keystore.refresh()
        stages.observer.prepare()
        tenant = stages.tenant(caller.principal.tenant)
        if action.startswith(_OF_PEOPLE) and action != _OF_ERASURE:
            _refuse_closed(stages, tenant)
        with stages.stores.use(tenant) as store:
            store.log.pack = stages.policy.digest[:16]
            request = Request(action=action, purpose=caller.purpose, roles=caller.principal.roles)
            with stage(Stage.DECIDE):
                decision = stages.policy.decide(request)
            call = Call(stages, caller, tenant, store, action, decision)
            if not decision.permit:
                call.log_read(call.event(result="denied"))
                raise _denied(stages.policy, request, decision)
            try:
                yield call
            except HeldError:  # every path that a hold refuses is on record, whichever it is
                call.log_read(call.event(result="refused"))
                raise
            outside = stage(Stage.INDEX) if stages.outside is not None else nullcontext()
            with suppress(UnavailableError), outside:  # what was not carried out waits in the outbox
                stages.after(store)
            if stages.observer.due(tenant.name):
                with suppress(UnavailableError):  # the call is done, whatever there is to say of upkeep
                    stages.observer.say(measured(stages, store))


def measured(stages: Stages, store: OpenStore) -> Measured:
    """How the upkeep of a tenant stands."""
    return state.measured(
        stages.keystore,
        store,
        backups=data_folder(stages.config, stages.folder),
        tenant=stages.observer.pseudonym(store.tenant.name),
        now=stages.now(),
    )


def _refuse_closed(stages: Stages, tenant: TenantKeys) -> None:
    if cases.closed(stages.keystore, tenant.tid):
        raise NotFoundError("tenant.unknown", "there is no such tenant")


def _denied(policy: Policy, request: Request, decision: Decision) -> DeniedError:
    try:
        policy.require(request)
    except DeniedError as error:
        return error
    return DeniedError("policy.denied", f"the policy pack does not permit this action ({decision.rule})")


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def moment(value: int) -> datetime:
    return datetime.fromtimestamp(value / 1000, UTC)
