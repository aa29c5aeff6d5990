"""The PKCS#11 provider: each epoch is an AES-256 key that is made in a token, works in it, and is destroyed in it.

Wrapped keys have format PMH1 (docs/format.md has the bytes):

    0 4 "PMH1" | 4 1 suite=01 | 5 1 flags=00 | 6 12 IV | 18 .. key | .. 16 tag

On the token, all private and under the id of the vault (CKA_ID): one key object per live epoch, labelled
`memvault/<vault id>/<epoch>`, and one data object `memvault/<vault id>/mark` with the highest number ever given to an
epoch, so that none is given twice. A handle is kept and its label read before each use: the key may have been
destroyed by another process, and its handle given to another key. Needs the extra `memvault[hsm]`; the module
`pkcs11_device` says what becomes of slow calls, lost sessions and forks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from vault.crypto.primitives import SecretKey, unreadable
from vault.crypto.wrap import MAX_KEY_BYTES, WrapContext, check_length, context_bytes
from vault.errors import KeyProviderError
from vault.keys.interface import KeyProvider
from vault.keys.pkcs11_device import PinSource, Unseen, device, driver, unsuitable
from vault.types import Destruction

if TYPE_CHECKING:
    from pkcs11 import Session

T = TypeVar("T")
MAGIC: Final = b"PMH1"
SUITE: Final = 1  # AES-256-GCM in the token
IV_BYTES: Final = 12  # NIST SP 800-38D section 8.2.2: random, so 2^32 wraps under one epoch
TAG_BYTES: Final = 16

_HEADER: Final = MAGIC + bytes((SUITE, 0))
_BODY: Final = len(_HEADER) + IV_BYTES
_LABEL: Final = b"pmv/hsm-wrap/v1"
_APPLICATION: Final = "memvault"  # CKA_APPLICATION of the mark
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
_MARK: Final = re.compile(rb"memvault-mark/1 ([1-9][0-9]{0,8})")


class Pkcs11Provider(KeyProvider):
    """Epoch keys in a token. Any number of providers, threads and processes may use one token."""

    name = "pkcs11"

    def __init__(self, module: Path, token: str, pin: PinSource, vault_id: str, *, timeout_s: float) -> None:
        """Nothing is asked of the token yet; raises ConfigError `keys.extra_missing` without the driver."""
        driver()
        self._device = device(module, token)
        self._pin = pin
        self._timeout_s = timeout_s
        self._id = bytes.fromhex(vault_id)
        self._prefix = f"memvault/{vault_id}/"
        self._handles: dict[
            int, Any
        ] = {}  # key objects by epoch, of one session; used in the device's thread only
        self._facts = {
            "provider": f"PKCS#11 token {token}",
            "module": str(module),
            "key_label": f"{self._prefix}<epoch>",
            "destruction": "destroyed by the token (true of every copy only if no backup of the token holds the key)",
            "egress": "the PKCS#11 module is its vendor's code: it may reach a device or the network by itself",
        }

    def new_epoch(self) -> int:
        return self._call(self._create)

    def live_epochs(self) -> frozenset[int]:
        return frozenset(self._call(self._epochs))

    def describe(self) -> dict[str, str]:
        return dict(self._facts)

    def close(self) -> None:
        """Log out, unless another provider of this process still uses the token; the next call logs in again."""
        self._device.leave(self, self._timeout_s)

    def _call(self, action: Callable[[Session, bool], T]) -> T:
        return self._device.call(self, self._pin, action, self._timeout_s)

    def _require(self, epoch: int) -> None:
        """Nothing here: each operation looks its key up in the call that uses it."""

    def _wrap(self, epoch: int, key: SecretKey, context: WrapContext) -> bytes:
        check_length(key)
        bound = _bound(context)

        def seal(session: Session, fresh: bool) -> bytes:
            iv = os.urandom(IV_BYTES)
            sealed = _encrypt(self._key(session, epoch, fresh), key.buffer, iv, bound)
            key.require_open()
            return _HEADER + iv + sealed

        return self._call(seal)

    def _unwrap(self, epoch: int, blob: bytes, context: WrapContext) -> SecretKey:
        bound = _bound(context)

        def open_(session: Session, fresh: bool) -> SecretKey | None:
            key = self._key(session, epoch, fresh)  # first: a dead epoch is one, whatever the bytes are
            if not 0 < len(blob) - _BODY - TAG_BYTES <= MAX_KEY_BYTES or not blob.startswith(_HEADER):
                return None
            try:
                return SecretKey.taken(_decrypt(key, blob[_BODY:], blob[len(_HEADER) : _BODY], bound))
            except driver().PKCS11Error:
                # SoftHSM says GeneralError to a wrong context, and tokens say it when they fail: so the key is
                # tried on bytes of our own. If that fails too, the token is to blame, and its error goes up.
                if not _try_out(key):
                    raise _unfaithful() from None
                return None

        opened = self._call(open_)
        if opened is None:
            raise unreadable()
        return opened

    def _destroy(self, epoch: int) -> Destruction:
        def destroy(session: Session, fresh: bool) -> tuple[int, str]:
            found = self._keys(session, epoch)
            for key in found:
                key.destroy()
            if self._keys(session, epoch):
                raise KeyProviderError(
                    "keys.destroy_failed", "the PKCS#11 token still holds the destroyed key"
                )
            if not fresh and not self._marks(session):
                raise Unseen
            return len(found), session.token.serial.decode("ascii", "replace").strip()

        count, serial = self._call(destroy)
        what = "destroyed by C_DestroyObject, and not found again" if count else "not on the token"
        evidence = f"PKCS#11 token serial {serial}: key {self._label(epoch)}, CKA_ID {self._id.hex()}: {what}"
        return Destruction(epoch, "destroyed", datetime.now(UTC), evidence)

    # --- in the device's thread ------------------------------------------------------------------------------------

    def _create(self, session: Session, fresh: bool) -> int:
        """The number is marked as given before there is a key: cut off in between, it is skipped and never reused."""
        pkcs11 = driver()
        marks = self._marks(session)
        given = [number for _, number in marks]
        number = max([*given, *self._epochs(session, fresh)], default=0) + 1
        at = pkcs11.Attribute
        session.create_object(
            {
                **self._mark_template(),
                at.TOKEN: True,
                at.PRIVATE: True,
                at.VALUE: b"memvault-mark/1 %d" % number,
            }
        )
        key = session.generate_key(
            pkcs11.KeyType.AES,
            256,
            id=self._id,
            label=self._label(number),
            store=True,
            capabilities=pkcs11.MechanismFlag.ENCRYPT | pkcs11.MechanismFlag.DECRYPT,
            template={at.PRIVATE: True, at.SENSITIVE: True, at.EXTRACTABLE: False, at.MODIFIABLE: False},
        )
        try:
            _prove(key)
            self._check_alone(session, number)
        except (KeyProviderError, pkcs11.PKCS11Error):
            key.destroy()
            raise
        for mark, _ in marks:
            mark.destroy()
        return number

    def _check_alone(self, session: Session, epoch: int) -> None:
        if len(self._keys(session, epoch)) != 1:
            raise KeyProviderError("keys.epoch_raced", "two processes made a key epoch at once; try again")

    def _epochs(self, session: Session, fresh: bool) -> set[int]:
        labels = [str(key.label) for key in self._keys(session)]
        if not labels and not fresh and not self._marks(session):
            raise Unseen
        own = [label.removeprefix(self._prefix) for label in labels if label.startswith(self._prefix)]
        return {int(number) for number in own if _NUMBER.fullmatch(number)}

    def _key(self, session: Session, epoch: int, fresh: bool) -> Any:
        """The epoch's key as it is now: another process may have destroyed it a moment ago."""
        known = self._handles.pop(epoch, None)
        if known is not None and known.session is session and self._still(known, epoch):
            self._handles[epoch] = known
            return known
        found = self._keys(session, epoch)
        if len(found) == 1:
            self._handles[epoch] = found[0]
            return found[0]
        if found:
            raise KeyProviderError(
                "keys.epoch_ambiguous", "the PKCS#11 token holds several keys for one epoch of this vault"
            )
        if not fresh and not self._marks(session):
            raise Unseen
        raise KeyProviderError(
            "keys.epoch_missing", "the key provider does not hold the epoch this vault needs"
        )

    def _still(self, key: Any, epoch: int) -> bool:
        pkcs11 = driver()
        try:
            return bool(key[pkcs11.Attribute.LABEL] == self._label(epoch))
        except (pkcs11.ObjectHandleInvalid, pkcs11.KeyHandleInvalid):
            return False

    def _keys(self, session: Session, epoch: int | None = None) -> list[Any]:
        pkcs11 = driver()
        at = pkcs11.Attribute
        wanted = {at.CLASS: pkcs11.ObjectClass.SECRET_KEY, at.ID: self._id}
        if epoch is not None:
            wanted[at.LABEL] = self._label(epoch)
        return _search(session, wanted)

    def _marks(self, session: Session) -> list[tuple[Any, int]]:
        """The mark and its number; several where a change of it was cut off."""
        pkcs11 = driver()
        found: list[tuple[Any, int]] = []
        for mark in _search(session, self._mark_template()):
            match = _MARK.fullmatch(mark[pkcs11.Attribute.VALUE])
            if match is None:
                raise KeyProviderError(
                    "keys.mark_damaged",
                    "the mark of this vault on the PKCS#11 token is not one of memvault's",
                )
            found.append((mark, int(match[1])))
        return found

    def _mark_template(self) -> dict[Any, Any]:
        pkcs11 = driver()
        at = pkcs11.Attribute
        return {
            at.CLASS: pkcs11.ObjectClass.DATA,
            at.APPLICATION: _APPLICATION,
            at.LABEL: f"{self._prefix}mark",
        }

    def _label(self, epoch: int) -> str:
        return f"{self._prefix}{epoch}"


def _search(session: Session, wanted: dict[Any, Any]) -> list[Any]:
    session.generate_random(64)  # a lost session shows here; the driver's search would print it as well
    return list(session.get_objects(wanted))


def _bound(context: WrapContext) -> bytes:
    return context_bytes(context, label=_LABEL, header=_HEADER)


def _gcm(iv: bytes, bound: bytes) -> dict[str, Any]:
    pkcs11 = driver()
    return {
        "mechanism": pkcs11.Mechanism.AES_GCM,
        "mechanism_param": pkcs11.GCMParams(iv, bound, TAG_BYTES * 8),
    }


def _encrypt(key: Any, plain: bytearray, iv: bytes, bound: bytes) -> bytes:
    # The public `encrypt` takes bytes, which cannot be wiped, and sends any other buffer in parts of one byte.
    sealed: bytes = key._encrypt(plain, **_gcm(iv, bound))  # noqa: SLF001
    return sealed


def _decrypt(key: Any, sealed: bytes, iv: bytes, bound: bytes) -> bytes:
    plain: bytes = key.decrypt(sealed, **_gcm(iv, bound))
    return plain


def _try_out(key: Any) -> bool:
    """Whether the key seals and opens as it must; raises the driver's error where the token fails."""
    plain, iv = os.urandom(32), os.urandom(IV_BYTES)
    sealed = _encrypt(key, bytearray(plain), iv, _LABEL)
    return len(sealed) == len(plain) + TAG_BYTES and _decrypt(key, sealed, iv, _LABEL) == plain


def _unfaithful() -> KeyProviderError:
    return unsuitable("AES-GCM does not give back what it was given")


def _prove(key: Any) -> None:
    """A new key shows that the token keeps it and uses what it is given; raises `keys.token_unsuitable`."""
    pkcs11 = driver()
    at = pkcs11.Attribute
    if key[at.EXTRACTABLE] or not key[at.SENSITIVE]:
        raise unsuitable("the token would give its keys away")
    if not _try_out(key):
        raise _unfaithful()
    iv = os.urandom(IV_BYTES)
    sealed = _encrypt(key, bytearray(32), iv, _LABEL)
    try:
        _decrypt(key, sealed, iv, _LABEL + b"?")
    except pkcs11.PKCS11Error:
        return
    raise unsuitable("AES-GCM does not check its context")
