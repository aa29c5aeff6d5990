"""Someone who has every file that was ever backed up, and every key that still exists, tries to read all of it.

Keys are taken from every keystore the provider still opens, whatever the vault would make of that keystore: retired,
of another time, or lying in a backup. Then every sealed value of a records file is tried with the key its header names
and, for values that must be unreadable, with every other data key as well: PMV1 commits to its key, so that a wrong one
is refused before anything is decrypted.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from support.pages import PageReader
from vault.audit.details import Details
from vault.crypto.primitives import SecretKey
from vault.crypto.record import RecordContext, open_, read_header, read_stub
from vault.crypto.wrap import WrapContext, unwrap
from vault.errors import VaultError
from vault.flows.bodies import record_id
from vault.flows.ids import place
from vault.flows.points import block_id
from vault.keys.interface import KeyProvider
from vault.keys.layout import keystore_epochs, read_file_key
from vault.keys.sealing import ZERO, kek_context, tenant_key_context
from vault.storage import Database

SALT: Final = slice(26, 50)
# Per table: the columns a context is made of and the sealed columns, each with the use it is sealed for.
SEALED: Final[dict[str, tuple[tuple[str, ...], dict[str, str]]]] = {
    "memories": (("s", "n", "nonce", "version"), {"body": "record"}),
    "points": (("s", "n", "version"), {"point": "vector"}),
    "blocks": (("s", "b"), {"body": "vector"}),
    "revisions": (("s", "n", "nonce", "version"), {"actor": "actor", "body": "history"}),
    "tokens": (("s", "token"), {"value": "tokens"}),
    "replays": (("s", "mac"), {"result": "replay"}),
    "log": (("s", "seq"), {"detail": "detail"}),
}


@dataclass(frozen=True, slots=True)
class Sealed:
    """One sealed value as it lies in a records file, with everything that opens it but the key."""

    table: str
    use: str
    context: RecordContext
    blob: bytes = field(repr=False)

    @property
    def salt(self) -> bytes:
        return self.blob[SALT]

    @property
    def key(self) -> tuple[bytes, int]:
        header = read_header(self.blob)
        return header.kid, header.generation


@dataclass
class Keys:
    """What still exists: data keys by tenant, kid and generation, and the tenants' own keys by use and number."""

    data: dict[tuple[bytes, bytes, int], SecretKey] = field(default_factory=dict)
    own: dict[tuple[bytes, str, int], SecretKey] = field(default_factory=dict)
    said: list[bytes] = field(
        default_factory=list, repr=False
    )  # what the keystores say of people and of requests
    keystores: int = 0  # how many keystore files the provider opened
    refused: int = 0

    def take(self, folder: Path, provider: KeyProvider, scratch: Path) -> None:
        """Add every key of every keystore in a folder that the provider opens; the folder stays as it is."""
        copy = scratch / f"keystore-{self.keystores + self.refused}"
        shutil.copytree(folder, copy)
        for epoch in keystore_epochs(copy):
            try:
                file_key = read_file_key(copy, provider, epoch)
                database = Database(copy / f"keystore-{epoch}.db", file_key)
            except VaultError:
                self.refused += 1
                continue
            try:
                self._read(database, provider, epoch)
                self.keystores += 1
            finally:
                database.close()
                file_key.close()
        shutil.rmtree(copy)

    def _read(self, database: Database, provider: KeyProvider, epoch: int) -> None:
        for tid, number, wrapped in database.query("SELECT tid, kek_no, kek FROM tenants"):
            with provider.unwrap(epoch, wrapped, kek_context(tid, number, epoch)) as kek:
                for use, no, blob in database.query(
                    "SELECT use, no, wrapped FROM tenant_keys WHERE tid = ?", (tid,)
                ):
                    self.own[tid, use, no] = unwrap(kek, blob, tenant_key_context(tid, use, no, number))
                for kid, sid, generation, blob in database.query(
                    "SELECT s.kid, d.sid, d.generation, d.wrapped FROM deks d JOIN subjects s"
                    " ON s.tid = d.tid AND s.sid = d.sid WHERE d.tid = ?",
                    (tid,),
                ):
                    context = WrapContext(
                        tenant=tid, level="dek", id=sid + generation.to_bytes(4, "big"), epoch=number
                    )
                    self.data[tid, kid, generation] = unwrap(kek, blob, context)
                self._listen(database, tid)

    def _listen(self, database: Database, tid: bytes) -> None:
        """Open the sealed identities and cases of a tenant."""
        rows = database.query("SELECT sid, ident FROM subjects WHERE tid = ?", (tid,))
        found = [("refs", "ident", blob, sid, b"ident") for sid, blob in rows]
        rows = database.query("SELECT id, body FROM cases WHERE tid = ?", (tid,))
        found += [("detail", "case", blob, ZERO, b"case" + name) for name, blob in rows]
        for key_use, use, blob, sid, identity in found:
            with self.own[tid, key_use, read_header(blob).generation].derive(use) as key:
                context = RecordContext(tenant=tid, sid=sid, record_id=identity, version=1, use=use)
                self.said.append(open_(key, blob, context))

    def of(self, sealed: Sealed) -> SecretKey | None:
        """The key the value's header names, if it exists."""
        kid, generation = sealed.key
        tid = sealed.context.tenant
        if kid == tid:
            return self.own.get((tid, "detail", generation))
        return self.data.get((tid, kid, generation))

    def file_keys(self, tid: bytes) -> list[SecretKey]:
        return [key for (owner, use, _), key in self.own.items() if owner == tid and use == "records"]

    def close(self) -> None:
        for key in (*self.data.values(), *self.own.values()):
            key.close()


class Records:
    """A records file at rest, opened with whichever file key fits; None of the vault's own reading code is used."""

    def __init__(self, path: Path, keys: Keys, scratch: Path) -> None:
        """Copies the file first: opening it must not change what a vault finds later."""
        self.tid = bytes.fromhex(path.parent.name)
        self.path = scratch / f"{path.parent.name}.db"
        for suffix in ("", "-wal"):
            source = path.with_name(path.name + suffix)
            if source.exists():
                shutil.copyfile(source, self.path.with_name(self.path.name + suffix))
        self.key = next((key for key in keys.file_keys(self.tid) if self._fits(key)), None)

    def _fits(self, key: SecretKey) -> bool:
        try:
            next(PageReader(self.path, bytes(key.buffer)).pages())
        except Exception:  # noqa: BLE001 - a wrong key, whatever the reader says of it
            return False
        return True

    def pages(self) -> bytes:
        """Every page and WAL frame, decrypted."""
        return b"\n".join(PageReader(self.path, bytes(self.key.buffer)).everything()) if self.key else b""

    def sealed(self, sids: Mapping[int, bytes] | None = None) -> Iterator[Sealed]:
        """Every sealed value in every table; `sids` is for rows whose subject is not in the file any more."""
        if self.key is None:
            return
        database = Database(self.path, SecretKey(bytearray(self.key.buffer)))
        try:
            known = dict(sids or {}) | dict(database.query("SELECT s, sid FROM subjects"))
            for table, (columns, uses) in SEALED.items():
                names = ", ".join((*columns, *uses))
                for row in database.query(f"SELECT {names} FROM {table}"):  # noqa: S608 - names from above
                    values = dict(zip((*columns, *uses), row, strict=True))
                    yield from self._of_row(table, values, uses, known)
        finally:
            database.close()

    def _of_row(
        self, table: str, values: dict[str, Any], uses: Mapping[str, str], sids: Mapping[int, bytes]
    ) -> Iterator[Sealed]:
        sid = sids.get(values["s"], ZERO) if values["s"] is not None else ZERO
        for column, use in uses.items():
            blob = values[column]
            if blob and read_stub(blob) is None:
                identity, version = _identity(table, values)
                yield Sealed(table, use, RecordContext(self.tid, sid, identity, version, use), blob)


def _identity(table: str, row: dict[str, Any]) -> tuple[bytes, int]:
    """What a sealed value is bound to, as the data map says it."""
    match table:
        case "memories" | "revisions":
            return record_id(row["s"], row["n"], row["nonce"]), row["version"]
        case "points":
            return place(row["s"], row["n"]), row["version"]
        case "blocks":
            return block_id(row["s"], row["b"]), 1
        case "tokens":
            return row["token"].encode(), 1
        case "replays":
            return row["mac"], 1
        case _:
            return b"log" + row["seq"].to_bytes(8, "big"), 1


def archived(folder: Path, tid: bytes, keys: Keys) -> Iterator[Sealed]:
    """Every detail in a log archive whose bundle a tenant's `detail` key opens."""
    versions = {no: key for (owner, use, no), key in keys.own.items() if (owner, use) == (tid, "detail")}
    details = Details(folder / tid.hex(), SimpleNamespace(tid=tid, versions={"detail": versions}))
    for number in details.numbers(1 << 20):
        for one in details.read(number):
            if one.blob and read_stub(one.blob) is None:
                context = RecordContext(
                    tid, one.sid or ZERO, b"log" + one.seq.to_bytes(8, "big"), 1, "detail"
                )
                yield Sealed("archive", "detail", context, one.blob)


@dataclass
class Attack:
    """What was tried and what came of it."""

    tried: int = 0
    opened: int = 0
    plaintext: list[bytes] = field(default_factory=list, repr=False)

    def named(self, values: Iterable[Sealed], keys: Keys) -> list[Sealed]:
        """Each with the key its header names; returns what opened, its plaintext is kept."""
        found = []
        derived: dict[tuple[int, str], SecretKey] = {}
        for sealed in values:
            self.tried += 1
            key = keys.of(sealed)
            if key is None:
                continue
            name = (id(key), sealed.use)
            derived[name] = derived.get(name) or key.derive(sealed.use)
            plain = _opened(derived[name], sealed)
            if plain is not None:
                self.opened += 1
                self.plaintext.append(plain)
                found.append(sealed)
        return found

    def all_keys(self, values: Iterable[Sealed], keys: Keys) -> list[Sealed]:
        """Each with every data key of any tenant, and every tenant's `detail` key; returns what opened."""
        every = [*keys.data.values(), *(key for (_, use, _), key in keys.own.items() if use == "detail")]
        found: list[Sealed] = []
        by_use: dict[str, list[Sealed]] = {}
        for sealed in values:
            by_use.setdefault(sealed.use, []).append(sealed)
        for use, group in by_use.items():
            for key in every:
                with key.derive(use) as derived:
                    found += [one for one in group if _opened(derived, one) is not None]
                self.tried += len(group)
        self.opened += len(found)
        return found


def _opened(derived: SecretKey, sealed: Sealed) -> bytes | None:
    try:
        return open_(derived, sealed.blob, sealed.context)
    except VaultError:
        return None
