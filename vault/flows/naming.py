"""Changes of a person's ids: logged first, then followed by the keystore, whatever happens in between.

The entry of a change is committed with the rows it changes, and the number of the entry beside it (`PENDING`). The
keystore follows, and the note goes. After a crash in between, whoever uses the store next lets the keystore follow
before anything else. A restored keystore follows in the same way, entry by entry.

An entry says all ids that a person has from then on, sealed under the person's own secret: it can be followed any
number of times, and nobody can read it once the person is erased.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, Protocol

from vault.audit.archive import TenantArchive
from vault.audit.jcs import strict_loads
from vault.audit.log import TenantLog
from vault.keys import identity
from vault.keys.identity import Names
from vault.keys.keyring import SubjectKeys, TenantKeys
from vault.keys.keystore import Keystore
from vault.records.interface import RecordStore

MERGE: Final = "subject.merge"
RENAME: Final = "subject.rename"
ALIAS: Final = "subject.alias"
PENDING: Final = (
    "naming"  # setting of a records file: number of an entry that the keystore has yet to follow, plus 2
)
_NOTHING: Final = 1


class Store(Protocol):
    """The part of an open store that is needed here."""

    @property
    def tenant(self) -> TenantKeys: ...
    @property
    def records(self) -> RecordStore: ...
    @property
    def log(self) -> TenantLog: ...
    @property
    def archive(self) -> TenantArchive: ...


# --- what an entry says ----------------------------------------------------------------------------------------------


def told(tenant: TenantKeys, subject: SubjectKeys, names: Names) -> dict[str, Any]:
    """The part of an entry's detail that the keystore follows."""
    return {"sid": subject.sid.hex(), "names": identity.seal_names(tenant, subject, names).hex()}


def told_merge(
    tenant: TenantKeys, source: SubjectKeys, into: SubjectKeys, names: Names, by: int
) -> dict[str, Any]:
    """The same for a merge: `names` are those of both, `by` is how much the one's row numbers grew."""
    keys = [{"kid": source.kid.hex(), "generation": generation} for generation in sorted(source.deks)]
    told_of = {"kid": into.kid.hex(), "from": source.sid.hex(), "keys": keys, "by": by}
    return {**told(tenant, into, names), **told_of}


def note(store: Store, seq: int) -> None:
    """Inside the transaction that appends entry `seq`: the keystore has yet to follow it."""
    store.records.set_setting(PENDING, seq + 2)


# --- following -------------------------------------------------------------------------------------------------------


def follow(keystore: Keystore, tenant: TenantKeys, detail: Mapping[str, Any]) -> int:
    """Give the person of an entry the ids it says; one that is erased gets none. Answers how much that changed."""
    if "names" not in detail:  # aliases were listed
        return 0
    subject = keystore.subject_by_sid(tenant, bytes.fromhex(detail["sid"]))
    if subject is None:
        return 0
    return identity.set_names(
        keystore, tenant, subject.sid, identity.open_names(tenant, subject, bytes.fromhex(detail["names"]))
    )


def absorb(keystore: Keystore, tenant: TenantKeys, detail: Mapping[str, Any]) -> int:
    """Follow a merge whose rows went over: the keys of the one that is no more are destroyed, its ids the other's."""
    source, into = bytes.fromhex(detail["from"]), bytes.fromhex(detail["sid"])
    keys = [(bytes.fromhex(key["kid"]), int(key["generation"])) for key in detail["keys"]]
    erase_id = sha256(b"merge" + source + into).digest()[:16]
    done = identity.merge(keystore, tenant, source, into, keys, erase_id=erase_id)
    return done + follow(keystore, tenant, detail)


def catch_up(keystore: Keystore, store: Store) -> None:
    """Let the keystore follow the entry it has yet to follow, where there is one, and those after it, so that the last
    word is the newest; idempotent, in any process."""
    pending = store.records.setting(PENDING)
    if pending == _NOTHING:
        return
    seq = pending - 2
    for row in store.records.log(seq):
        entry = strict_loads(row.entry)
        if entry["act"] not in (MERGE, RENAME, ALIAS) or entry["res"] != "ok" or entry["subj"]:
            continue
        detail = store.log.open_detail(row, None)
        if detail is not None and entry["act"] == MERGE:
            take_over_details(store, bytes.fromhex(detail["sid"]))
            absorb(keystore, store.tenant, detail)
        elif detail is not None:
            follow(keystore, store.tenant, detail)
    with store.records.transaction(durable=False):
        if store.records.setting(PENDING) == pending:
            store.records.set_setting(PENDING, _NOTHING)


def take_over_details(store: Store, sid: bytes) -> None:
    """The archived details of entries about a person become those of whom it was merged into, sealed as theirs."""
    row = store.records.subject(sid)
    if row is not None:
        store.archive.refresh(dict(store.records.details(row.s)), sid=sid)
