"""Signing the log: after so many entries, after so many seconds, and when a store closes.

What is signed goes to the log archive before the keystore learns of it, so that a restore of older records finds the
entries up to the head the keystore asks for.
"""

from __future__ import annotations

import time
from contextlib import suppress

from vault.audit.log import SignedHead, tree_root
from vault.errors import UnavailableError
from vault.flows.context import Call
from vault.flows.stores import OpenStore
from vault.keys.keystore import Keystore, StoredCheckpoint


def sign(keystore: Keystore, store: OpenStore) -> SignedHead:
    """Append a `state` entry, sign the head, and keep it in the keystore, which detects a rollback by it."""
    return sign_leaves(keystore, store)[0]


def sign_leaves(keystore: Keystore, store: OpenStore) -> tuple[SignedHead, list[bytes]]:
    """`sign`, and the leaves of the keystore's tree as they were signed: what key proofs are made from."""
    tenant = store.tenant
    leaves = keystore.leaves(tenant.tid)
    state: dict[str, str | int] = {
        "keystore": tree_root(leaves).hex(),
        "epoch": keystore.epoch,
        "memories": store.records.count(),
    }
    head = store.log.checkpoint(state)
    store.archive.extend(head, store.records)
    keystore.put_checkpoint(
        tenant.tid, StoredCheckpoint(head.size, head.root, head.note, time.time_ns() // 1_000_000)
    )
    return head, leaves


def sign_if_due(call: Call) -> None:
    """After an operation: sign when enough entries or enough time have passed since the last checkpoint."""
    limits = call.stages.config.audit
    unsigned = call.store.log.unsigned_here()
    if unsigned >= limits.checkpoint_entries or (
        unsigned and time.monotonic() - call.store.log.signed_at >= limits.checkpoint_s
    ):
        # The operation is done and its entry committed: a checkpoint that cannot be written now is due again next time.
        with suppress(UnavailableError):
            sign(call.stages.keystore, call.store)


def sign_on_close(keystore: Keystore, store: OpenStore) -> None:
    """A store that closes leaves no unsigned entry behind, but for the `state` entry itself."""
    if store.log.unsigned():
        sign(keystore, store)
