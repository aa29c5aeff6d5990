"""What the keystore seals and wraps, and what each sealing and wrapping is bound to."""

from __future__ import annotations

from typing import Final

from vault.crypto.primitives import SecretKey, hmac_sha256
from vault.crypto.record import RecordContext, open_, seal
from vault.crypto.wrap import WrapContext
from vault.errors import IntegrityViolationError
from vault.keys.keyring import TenantKeys

ZERO: Final = bytes(16)


def subject_ref(tenant: TenantKeys, kind: str, value: str) -> bytes:
    return hmac_sha256(tenant.key("refs"), kind.encode(), value.encode())


def name_ref(names: SecretKey, name: str) -> bytes:
    return hmac_sha256(names, b"tenant", name.encode())


def _sixteen(identity: bytes) -> bytes:
    """An id as it was read; every id of the keystore has 16 bytes."""
    if len(identity) != len(ZERO):
        raise damaged()
    return identity


def damaged() -> IntegrityViolationError:
    return IntegrityViolationError(
        "keystore.damaged", "the keystore lacks an entry every keystore has, or it was changed"
    )


def _name_context(tid: bytes) -> RecordContext:
    return RecordContext(tenant=_sixteen(tid), sid=ZERO, record_id=b"name", version=1, use="name")


def seal_name(names: SecretKey, tid: bytes, name: str) -> bytes:
    with names.derive("name") as key:
        return seal(key, tid, 1, _name_context(tid), name.encode())


def open_name(names: SecretKey, tid: bytes, blob: bytes) -> str:
    with names.derive("name") as key:
        return open_(key, blob, _name_context(tid)).decode()


def _ident_context(tenant: TenantKeys, sid: bytes) -> RecordContext:
    return RecordContext(tenant=tenant.tid, sid=_sixteen(sid), record_id=b"ident", version=1, use="ident")


def seal_ident(tenant: TenantKeys, sid: bytes, kind: str, value: str) -> bytes:
    with tenant.key("refs").derive("ident") as key:
        return seal(
            key, tenant.tid, tenant.current["refs"], _ident_context(tenant, sid), f"{kind}\n{value}".encode()
        )


def open_ident(tenant: TenantKeys, sid: bytes, blob: bytes) -> tuple[str, str]:
    with tenant.key("refs").derive("ident") as key:
        kind, _, value = open_(key, blob, _ident_context(tenant, sid)).decode().partition("\n")
    return kind, value


def kek_context(tid: bytes, number: int, epoch: int) -> WrapContext:
    return WrapContext(tenant=tid, level="kek", id=number.to_bytes(4, "big"), epoch=epoch)


def tenant_key_context(tid: bytes, use: str, number: int, kek_no: int) -> WrapContext:
    return WrapContext(
        tenant=tid, level="tenant", id=use.encode() + b"\x00" + number.to_bytes(4, "big"), epoch=kek_no
    )


def subject_context(
    tenant: TenantKeys, level: str, sid: bytes, generation: int, kek_no: int | None = None
) -> WrapContext:
    number = tenant.kek_no if kek_no is None else kek_no
    return WrapContext(tenant=tenant.tid, level=level, id=sid + generation.to_bytes(4, "big"), epoch=number)
