"""Memory ids: a row's place, hidden under the tenant's `ids` key.

block = subject number u40be || row number u40be || 48 random bits; id = AES-256(K_ids, block) as 32 hex digits in UUID
form. One block is encrypted once under a key used for nothing else, so AES is used as the permutation it is
(FIPS 197). The random bits are stored in the row and compared: a guessed or foreign id finds nothing.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Iterator
from typing import Final

from vault.keys.keyring import TenantKeys
from vault.records.interface import MemoryRow, RecordStore, RevisionRow

NONCE_BYTES: Final = 6
_FORM: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_nonce() -> bytes:
    return os.urandom(NONCE_BYTES)


def place(s: int, n: int) -> bytes:
    """A row's subject and number, as ids and sealed values are bound to them."""
    return s.to_bytes(5, "big") + n.to_bytes(5, "big")


def encode(tenant: TenantKeys, row: MemoryRow) -> str:
    """The public id of a row."""
    return spelled(tenant, row.id_key, row.s, row.n, row.nonce)


def spelled(tenant: TenantKeys, id_key: int, s: int, n: int, nonce: bytes) -> str:
    """The id of a place under one version of the `ids` key; also for what is left of a removed memory."""
    text = tenant.id_cipher(id_key).encrypt_block(place(s, n) + nonce).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_id(text: object) -> bool:
    return isinstance(text, str) and _FORM.fullmatch(text) is not None


def _candidates(tenant: TenantKeys, text: str) -> Iterator[tuple[int, int, int, bytes]]:
    block = bytes.fromhex(text.replace("-", ""))
    for number in sorted(tenant.versions["ids"], reverse=True):
        plain = tenant.id_cipher(number).decrypt_block(block)
        yield number, int.from_bytes(plain[:5], "big"), int.from_bytes(plain[5:10], "big"), plain[10:]


def _place_now(store: RecordStore, s: int, n: int) -> tuple[int, int]:
    """Where a row is that had this place before its person became one with another (docs/adr/0005)."""
    moved = store.moved_to(s)
    return (moved[0], n + moved[1]) if moved is not None else (s, n)


def find(tenant: TenantKeys, store: RecordStore, text: str) -> MemoryRow | None:
    """The row an id names, or None: malformed, absent, removed and foreign ids look the same."""
    if not is_id(text):
        return None
    for number, s, n, nonce in _candidates(tenant, text):
        row = store.memory(s, n) or store.memory(*_place_now(store, s, n))
        if row is not None and row.id_key == number and hmac.compare_digest(row.nonce, nonce):
            return row
    return None


def find_revisions(tenant: TenantKeys, store: RecordStore, text: str) -> list[RevisionRow]:
    """The revisions of the memory an id names, also after its removal."""
    if not is_id(text):
        return []
    for _, s, n, nonce in _candidates(tenant, text):
        rows = store.revisions(s, n) or store.revisions(*_place_now(store, s, n))
        if rows and hmac.compare_digest(rows[0].nonce, nonce):
            return rows
    return []
