"""Making the certificate of an erasure: probe, proofs, signature, and the check a stranger would make."""

from __future__ import annotations

import base64
import hashlib
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from vault.audit import certified, nonmembership
from vault.audit.certificate import ErasureFacts, PolicyRef, build, statement_of
from vault.audit.certified import Probe, Withheld
from vault.audit.nonmembership import KeyProof
from vault.audit.proofs import Proofs, gather
from vault.flows.context import Call, moment
from vault.flows.erasing import erase, roll
from vault.flows.sign import sign_leaves
from vault.keys import cases
from vault.keys.cases import Case
from vault.keys.layout import read_file_key
from vault.probe.run import VERSION, DatabasePlan, search

CERTIFIED: Final = "certified"
FINAL: Final = frozenset(("backup-proof", "asserted"))  # nothing more will happen to the keys
OUT_OF_SCOPE: Final = (
    "Mentions in other people's memories: find them with `memvault subject mentions`.",
    "What was copied out of the vault before: answers, exports, model context.",
)


def certify(call: Call, folder: Path, case: Case) -> None:
    """Search for what is left, prove what is gone, sign; the case keeps the newest certificate.

    Raises IntegrityViolationError `certificate.refused` where anything is left.
    """
    stages, body = call.stages, case.body
    going = [erase.Target.from_json(one) for one in body["targets"]]
    if not roll.waits(stages.keystore, call.tenant, case):
        known = body["log"].get("epochs", [])
        body["log"]["epochs"] = known or roll.account(stages, call.store, body["epoch"], body["purpose"])
    probe = _probe(call, folder, body)
    counts = erase.counts(body["before"], erase.counted(call, going))
    withheld = [
        Withheld(one["what"], one["count"], one["ground"], date.fromisoformat(one["review"]))
        for one in body["withheld"]
    ]
    with call.records.transaction():
        event = certified.probed(case.id.hex(), probe, counts, withheld, purpose=body["purpose"])
        body["log"]["probe"] = call.store.log.append(event) - 1
    facts = ErasureFacts(
        live_erased=moment(body["erased_ms"]),
        issued=stages.now(),
        policy=PolicyRef(*body["policy"]),
        software=f"memvault {version('memvault')}",
        out_of_scope=OUT_OF_SCOPE,
    )
    _keep(call, case, build(facts, _proofs(call, body), call.store.log.signers()))


def _proofs(call: Call, body: dict[str, Any]) -> Proofs:
    _, leaves = sign_leaves(call.stages.keystore, call.store)
    keys, log = _given_up(call, body), body["log"]
    return gather(
        call.records,
        call.store.log,
        request=log["request"],
        tombstones=log["tombstones"],
        probe=log["probe"],
        epochs=log.get("epochs", []),
        keys_before=_kept_proof(body["keys_before"], keys),
        keys_after=nonmembership.prove_absent(leaves, keys),
    )


def _keep(call: Call, case: Case, data: bytes) -> None:
    state = str(statement_of(data)["predicate"]["state"])
    digest = hashlib.sha256(data).hexdigest()
    with call.records.transaction():
        call.store.log.append(certified.certified(case.id.hex(), digest, state, purpose=case.body["purpose"]))
    case.body["certificate"] = base64.b64encode(data).decode()
    if state in FINAL:
        for name in ("needles", "keys_before", "targets"):
            del case.body[name]
    cases.move(call.stages.keystore, call.tenant, case, CERTIFIED if state in FINAL else case.state)


def _given_up(call: Call, body: dict[str, Any]) -> list[tuple[bytes, int]]:
    """The keys that the tombstones in the log name."""
    keys: dict[tuple[bytes, int], None] = {}
    for seq in body["log"]["tombstones"]:
        row = next(iter(call.records.log(seq, seq + 1)))
        detail = call.store.log.open_detail(row, None) or {"keys": []}
        keys.update({(bytes.fromhex(key["kid"]), int(key["generation"])): None for key in detail["keys"]})
    return list(keys)


def _kept_proof(kept: dict[str, Any], keys: list[tuple[bytes, int]]) -> KeyProof:
    """Of the proof made before the erasure, the leaves of the keys that were given up by now."""
    proof = KeyProof.from_json(kept, bytes.fromhex(kept["root"]))
    wanted = {nonmembership.key_leaf(key) for key in keys}
    return KeyProof(proof.size, proof.root, tuple(leaf for leaf in proof.leaves if leaf.leaf in wanted))


def _folders(vault: Path, archive: Path) -> list[Path]:
    """Where files of the vault lie: the archive of the log may be kept elsewhere."""
    inside = archive.resolve().is_relative_to(vault.resolve())
    return [vault] if inside or not archive.is_dir() else [vault, archive]


def _probe(call: Call, folder: Path, body: dict[str, Any]) -> Probe:
    stages, store = call.stages, call.store
    records, keystore = (
        [bytes.fromhex(needle) for needle in body["needles"][name]] for name in ("records", "keystore")
    )
    epoch = stages.keystore.epoch
    with read_file_key(folder / "keystore", stages.provider, epoch) as file_key:
        found = search(
            [
                DatabasePlan(
                    stages.stores.path(call.tenant),
                    call.tenant.versions["records"][store.records_no],
                    records,
                ),
                DatabasePlan(folder / "keystore" / f"keystore-{epoch}.db", file_key, keystore),
            ],
            _folders(folder, store.archive.folder),
            [*records, *keystore],
        )
    return Probe(VERSION, found.pages, found.frames, found.files, found.needles, found.hits)
