"""The token map of one subject: detected values out, `[EMAIL:k7q2m9]` in, and back again where policy permits.

A token is random, unique within the subject, and the same for the same value: found by an HMAC under the subject's
`tokens` key inside the transaction that stores the memory. An entry dies with the last row or revision that names it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable

from vault.crypto.primitives import hmac_sha256
from vault.errors import DecryptionError
from vault.flows.bodies import open_value, seal_value
from vault.keys.keyring import SubjectKeys, TenantKeys
from vault.records.interface import RecordStore, TokenRow
from vault.redaction.operators import TOKEN_ALPHABET, TOKEN_LENGTH
from vault.redaction.shift import day_offset


class TokenMap:
    """Assigns and opens one subject's tokens; `assign` and `refer` belong inside a transaction."""

    def __init__(self, tenant: TenantKeys, subject: SubjectKeys, records: RecordStore, s: int) -> None:
        self._tenant = tenant
        self._subject = subject
        self._records = records
        self._s = s
        self._fresh: dict[str, TokenRow] = {}
        self._by_mac: dict[bytes, str] = {}

    @property
    def days(self) -> int:
        """By how many days this subject's dates are moved: its own, the same for ever, gone with its keys."""
        return day_offset(hmac_sha256(self._subject.secret, b"shift"))

    def mac(self, label: str, value: str, generation: int | None = None) -> bytes:
        """Where a value's token is found: 16 bytes, keyed by a generation of the subject (the current one by default).

        Of the exact spelling, so that a reveal gives back every character as it came.
        """
        key = self._subject.key("tokens-mac", generation)
        if key is None:
            raise DecryptionError("record.unreadable", "a sealed record does not open")
        return hmac_sha256(key, label.encode(), value.encode())[:16]

    def assign(self, label: str, entity: str, value: str) -> str:
        """The token of a value, made if it has none; returned without brackets: `EMAIL:k7q2m9`."""
        mac = self.mac(label, value)
        known = self._by_mac.get(mac)
        if known is not None:
            return known
        row = self._stored(label, value)
        if row is None:
            row = self._create(label, entity, value, mac)
            self._fresh[row.token] = row
        self._by_mac[mac] = row.token
        return row.token

    def adopt(self, token: str, entity: str, value: str) -> str:
        """The token of a value that had `token` with another person: its own here, else that one where it is free."""
        label = token.partition(":")[0]
        row = self._stored(label, value)
        if row is None:
            row = self._create(label, entity, value, self.mac(label, value), wish=token)
            self._fresh[row.token] = row
        return row.token

    def _create(self, label: str, entity: str, value: str, mac: bytes, *, wish: str = "") -> TokenRow:
        token = wish
        while not token or token in self._fresh or self._records.token(self._s, token) is not None:
            token = f"{label}:" + "".join(secrets.choice(TOKEN_ALPHABET) for _ in range(TOKEN_LENGTH))
        data = json.dumps({"entity": entity, "value": value}, ensure_ascii=False).encode()
        return TokenRow(
            self._s, token, mac, seal_value(self._tenant, self._subject, "tokens", token.encode(), 1, data), 1
        )

    def refer(self, tokens: Iterable[str], change: int = 1) -> None:
        """Count the tokens of one stored version; a fresh token is written with its first reference."""
        for token in tokens:
            row = self._fresh.pop(token, None)
            if row is not None and change > 0:
                self._records.add_token(row)
            else:
                self._records.refer_token(self._s, token, change)

    def known(self, token: str) -> bool:
        """Whether a token belongs to this subject."""
        return token in self._fresh or self._records.token(self._s, token) is not None

    def _stored(self, label: str, value: str) -> TokenRow | None:
        """By every live generation: a rotation that was cut off leaves entries under the one before."""
        for generation in sorted(self._subject.deks, reverse=True):
            row = self._records.token_by_mac(self._s, self.mac(label, value, generation))
            if row is not None:
                return row
        return None

    def value(self, token: str) -> tuple[str, str] | None:
        """(entity class, original value) of a token of this subject, or None."""
        row = self._records.token(self._s, token)
        if row is None:
            return None
        parsed = json.loads(open_value(self._tenant, self._subject, "tokens", token.encode(), 1, row.value))
        return parsed["entity"], parsed["value"]

    def resealed(self, row: TokenRow) -> TokenRow:
        """The same entry under the subject's current generation."""
        plain = open_value(self._tenant, self._subject, "tokens", row.token.encode(), 1, row.value)
        parsed = json.loads(plain)
        mac = self.mac(row.token.partition(":")[0], parsed["value"])
        value = seal_value(self._tenant, self._subject, "tokens", row.token.encode(), 1, plain)
        return TokenRow(row.s, row.token, mac, value, row.refs)
