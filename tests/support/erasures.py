"""Erasures to certify: a log in memory that can be made to say anything, signed with a real key, and a real vault's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from vault.audit import certificate, certified, merkle, nonmembership, proofs, verify
from vault.audit.certified import Count, Probe, Withheld
from vault.audit.events import entry
from vault.audit.jcs import canonical
from vault.audit.log import Event
from vault.audit.note import Checkpoint, sign_note, vkey
from vault.crypto.primitives import SecretKey, SigningKey
from vault.types import Destruction

LATER = timedelta(days=3)
START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
DIGEST = hashlib.sha256(b"a pack").hexdigest()
REQUEST = "7f3a9c0e55d14b6c8a2e1f0b9d8c7a65"
ERASURE = "c41d8e2b7a904f3f95b6d0a1e2f38475"
BLIND = bytes(range(32))
PROBE = Probe("1", pages=210, frames=4, files=9, needles=31, hits=0)
WITHHELD = Withheld("disclosure-ledger", 3, "45cfr164.528", date(2032, 1, 1))
PERSON = hashlib.sha256(b"kid of the person").digest()[:16]
OTHERS = [hashlib.sha256(b"kid %d" % n).digest()[:16] for n in range(12)]


def signer(number: int = 1) -> SigningKey:
    return SigningKey.from_seed(SecretKey(bytearray([number] * 32)))


@dataclass(frozen=True)
class Row:
    seq: int
    entry: bytes
    s: int | None = None
    mac: bytes = b""
    detail: bytes | None = None


class MemoryLog:
    """Enough of a store and of a tenant's log to gather proofs from; time goes on by a second an entry."""

    def __init__(self, tid: bytes = b"t" * 16, key: SigningKey | None = None) -> None:
        self.tid = tid
        self.key = key or signer()
        self.entries: list[bytes] = []
        self.openings: list[tuple[bytes, bytes]] = []
        self.signed: list[tuple[int, bytes, bytes]] = []
        self.at = START
        self.pack = DIGEST[:16]

    @property
    def origin(self) -> str:
        return f"memvault/t/{self.tid.hex()}"

    def vkeys(self) -> list[str]:
        return [vkey(self.origin, self.key.public_bytes())]

    def append(self, event: Event, **fields: Any) -> int:
        """Append as a tenant's log does; `fields` replace what the entry would say. Returns its number."""
        self.at += timedelta(seconds=1)
        seq = len(self.entries)
        detail = json.dumps({"actor": event.actor, **(event.detail or {})}, separators=(",", ":")).encode()
        blind = hashlib.sha256(b"blind %d" % seq).digest()
        said: dict[str, Any] = {
            "log": self.tid,
            "seq": seq,
            "at": self.at,
            "purpose": event.purpose,
            "actor": b"a" * 16,
            "result": event.result,
            "count": event.count,
            "salt": hashlib.sha256(b"salt %d" % seq).digest()[:16],
            "commitment": hmac.digest(blind, detail, "sha256"),
            "pack": self.pack,
            **fields,
        }
        self.entries.append(entry(said.pop("name", event.action), **said))
        self.openings.append((blind, detail))
        return seq

    def reads(self, count: int) -> None:
        for _ in range(count):
            self.append(Event("memory.search", "service", "intake-bot"))

    def root(self) -> bytes:
        return merkle.root([merkle.leaf_hash(data) for data in self.entries])

    def sign(self, leaves: Sequence[bytes], epoch: int, **state: Any) -> int:
        """A `state` entry and a checkpoint over it; returns the size."""
        root = merkle.root([merkle.leaf_hash(leaf) for leaf in leaves])
        detail = {"keystore": root.hex(), "epoch": epoch, "memories": 40, "records": "00" * 32, **state}
        self.append(Event("state", "system", "memvault", detail=detail))
        head = Checkpoint(self.origin, len(self.entries), self.root())
        self.signed.append((head.size, sign_note(head, [self.key]), b""))
        return head.size

    # what `gather` and `evidence` ask for

    @contextmanager
    def reading(self) -> Iterator[None]:
        yield

    def log(self, start: int = 0, end: int | None = None) -> Iterator[Row]:
        for seq, data in enumerate(self.entries[start:end], start):
            yield Row(seq, data)

    def checkpoints(self) -> list[tuple[int, bytes, bytes]]:
        return self.signed

    def last_checkpoint(self) -> tuple[int, bytes, bytes] | None:
        return self.signed[-1] if self.signed else None

    def opening(self, row: Row) -> tuple[bytes, bytes]:
        return self.openings[row.seq]


def tree(keys: Sequence[tuple[bytes, int]]) -> list[bytes]:
    """The keystore's leaves, as `Keystore.leaves` gives them."""
    return [nonmembership.LOWEST, *sorted(map(nonmembership.key_leaf, keys)), nonmembership.HIGHEST]


def ended(epoch: int, state: Any = "destroyed", after: timedelta = timedelta()) -> Destruction:
    return Destruction(
        epoch, state, START + timedelta(seconds=20) + after, "the device refuses the key's handle"
    )


@dataclass
class Case:
    """One erasure as it is to be told; every part can be told otherwise."""

    keys: Sequence[tuple[bytes, int]] = ((PERSON, 1), (PERSON, 2))
    logged_keys: Sequence[tuple[bytes, int]] | None = None
    before: Sequence[tuple[bytes, int]] | None = None
    after: Sequence[tuple[bytes, int]] = tuple((kid, 1) for kid in OTHERS)
    scope: Any = "subject"
    epochs: Sequence[Destruction] = field(default_factory=lambda: [ended(3)])
    live: Sequence[int] = (4,)
    epoch_before: int = 3
    epoch_after: int = 4
    probe: Probe = PROBE
    counts: Sequence[Count] = (Count("memories", 12, 0), Count("tokens", 5, 0))
    withheld: Sequence[Withheld] = (WITHHELD,)
    log: MemoryLog = field(default_factory=MemoryLog)
    numbers: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)  # by role: what the entry says otherwise

    def told(self) -> Case:
        """Write it all into the log."""
        log, of = self.log, self.fields
        before = (
            list(self.before) if self.before is not None else list(dict.fromkeys([*self.after, *self.keys]))
        )
        logged = self.keys if self.logged_keys is None else self.logged_keys
        log.reads(3)
        self.leaves_before = tree(before)
        log.sign(self.leaves_before, self.epoch_before)
        log.reads(2)
        n = self.numbers
        n["request"] = log.append(
            certified.requested(REQUEST, self.scope, "gdpr.17.1.b", purpose="rights-request"),
            **of.get("request", {}),
        )
        tombstone = certified.tombstone(REQUEST, ERASURE, logged, self.people(), purpose="rights-request")
        n["tombstones"] = [log.append(tombstone, **of.get("tombstone", {}))]
        log.reads(1)
        n["epochs"] = [
            log.append(
                certified.epoch_destroyed(one, "pkcs11", self.live, purpose="operations"),
                **of.get("epoch", {}),
            )
            for one in self.epochs
        ]
        probed = certified.probed(REQUEST, self.probe, self.counts, self.withheld, purpose="rights-request")
        n["probe"] = log.append(probed, **of.get("probe", {}))
        self.leaves_after = tree(self.after)
        log.sign(self.leaves_after, self.epoch_after)
        return self

    def people(self) -> list[bytes]:
        return [certified.commit(BLIND, "user", "pat-42")] if self.scope == "subject" else []

    def proofs(self, **others: Any) -> proofs.Proofs:
        options: dict[str, Any] = {**self.numbers, **others}
        if "keys_before" not in others:
            options["keys_before"] = nonmembership.prove_present(self.leaves_before, self.keys)
        if "keys_after" not in others:
            options["keys_after"] = nonmembership.prove_absent(self.leaves_after, self.keys)
        return proofs.gather(self.log, self.log, **options)  # type: ignore[arg-type]

    def facts(self, **others: Any) -> certificate.ErasureFacts:
        made = certificate.ErasureFacts(
            live_erased=START + timedelta(seconds=9),
            issued=START + timedelta(minutes=1),
            policy=certificate.PolicyRef("baseline", "1.0", DIGEST),
            software="memvault 0.1.0",
            out_of_scope=("mentions in other people's memories",),
        )
        return replace(made, **others)

    def build(self, **others: Any) -> bytes:
        """As the vault builds it: refused where it would not verify."""
        return certificate.build(self.facts(**others), self.proofs(), [self.log.key])

    def forged(self, change: Callable[[dict[str, Any]], object] | None = None, **others: Any) -> bytes:
        """Signed with the real key, whatever it says; `change` edits the statement first."""
        gathered = self.proofs(**others)
        statement = certificate._statement(self.facts(), gathered)
        if change is not None:
            change(statement)
        return certificate.assemble(canonical(statement), gathered, [self.log.key])

    def verifiers(self) -> list[verify.Verifier]:
        return [verify.parse_vkey(key) for key in self.log.vkeys()]


def unpacked(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """A certificate's file and its statement, to be changed."""
    return json.loads(data), certificate.statement_of(data)


def resigned(bundle: dict[str, Any], statement: dict[str, Any], key: SigningKey, origin: str) -> bytes:
    """The file with this statement, signed again with `key`."""
    payload = canonical(statement)
    name = verify.key_name(verify.parse_vkey(vkey(origin, key.public_bytes())))
    bundle["envelope"] = {
        "payloadType": verify.PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {
                "keyid": name,
                "sig": base64.b64encode(key.sign(verify.pae(verify.PAYLOAD_TYPE, payload))).decode(),
            }
        ],
    }
    return json.dumps(bundle).encode()


def destroyed() -> Case:
    return Case().told()


def asserted() -> Case:
    return Case(epochs=[ended(3, "asserted")]).told()


def scheduled() -> Case:
    return Case(epochs=[ended(3, "scheduled", LATER)]).told()


def live_erased() -> Case:
    return Case(epochs=[], epoch_after=3).told()


def two_epochs() -> Case:
    return Case(epochs=[ended(3), ended(4)], live=[5], epoch_after=5).told()


def one_memory() -> Case:
    survivors = [*((kid, 1) for kid in OTHERS), (PERSON, 2)]
    return Case(keys=[(PERSON, 1)], after=survivors, scope="memory").told()


def content_only() -> Case:
    keys = [(PERSON, 1), *((kid, 1) for kid in OTHERS)]
    return Case(keys=[], before=keys, after=keys, scope="memory", epochs=[], epoch_after=3).told()


def whole_tenant() -> Case:
    return Case(keys=[(kid, 1) for kid in OTHERS], after=[], scope="tenant").told()
